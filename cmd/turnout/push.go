package main

import (
	"context"
	"fmt"
	"io"

	"github.com/turnout-events/turnout/notifier/push"
)

// pushTool is `turnout push key`: prints a new VAPID key as a setting.
func pushTool(_ context.Context, args []string, stdout, stderr io.Writer) error {
	f := flags("push", stderr)
	f.Usage = func() { _, _ = fmt.Fprintln(stderr, "usage: turnout push key") }
	if err := f.Parse(args); err != nil {
		return errUsage
	}
	if f.NArg() != 1 || f.Arg(0) != "key" {
		f.Usage()
		return errUsage
	}
	keys, err := push.NewKeys()
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(stdout, "# What browsers subscribe with: %s\nTURNOUT_VAPID_PRIVATE_KEY=%s\n", keys.Public, keys.Private)
	return nil
}
