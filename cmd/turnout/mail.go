package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/turnout-events/turnout/notifier/mail"
)

// mailTool is `turnout mail check DOMAIN`: prints the records that a sender's
// domain needs, says which are there, and fails when one is missing or wrong.
func mailTool(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := flags("mail", stderr)
	f.Usage = func() { _, _ = fmt.Fprintln(stderr, "usage: turnout mail check DOMAIN") }
	if err := f.Parse(args); err != nil {
		return errUsage
	}
	if f.NArg() != 2 || f.Arg(0) != "check" {
		f.Usage()
		return errUsage
	}
	cfg, err := load[mail.Config]()
	if err != nil {
		return err
	}
	return mailCheck(ctx, net.DefaultResolver, f.Arg(1), cfg, stdout)
}

var errRecords = errors.New("not every record is as it has to be")

func mailCheck(ctx context.Context, r mail.Resolver, domain string, cfg mail.Config, stdout io.Writer) error {
	found, err := mail.Check(ctx, r, domain, cfg)
	if err != nil {
		return err
	}
	good := true
	for _, f := range found {
		mark := "ok     "
		if !f.Ok {
			mark, good = "mend   ", false
		}
		_, _ = fmt.Fprintf(stdout, "%s%s TXT\n", mark, f.Name)
		for _, text := range f.Found {
			_, _ = fmt.Fprintf(stdout, "       there: %s\n", text)
		}
		if !f.Ok {
			_, _ = fmt.Fprintf(stdout, "       %s\n       for example: %s\n", f.Advice, f.Want)
		}
	}
	if !good {
		return errRecords
	}
	return nil
}
