package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/turnout-events/turnout/internal/seed"
)

// verify asks the API what a file of cases knows the answers to.
func verify(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := flags("verify", stderr)
	path := f.String("oracle", "", "JSON `file` of searches and their answers over a loaded file of events")
	weeks := f.Int("shift-weeks", 0, "by how many `weeks` the dates were moved at loading; seed's summary says it")
	origin := f.String("url", environ("TURNOUT_PUBLIC_URL", "http://127.0.0.1:8080"), "`origin` of the API")
	asJSON := f.Bool("json", false, "print the verdicts as JSON")
	if err := parse(f, args); err != nil {
		return err
	}
	if *path == "" {
		_, _ = fmt.Fprintln(stderr, "turnout verify: --oracle FILE is needed")
		return errUsage
	}
	file, err := os.Open(*path)
	if err != nil {
		return fmt.Errorf("opening the oracle: %w", err)
	}
	defer func() { _ = file.Close() }()
	oracle, err := seed.ReadOracle(file)
	if err != nil {
		return err
	}
	api, err := seed.NewAPI(*origin, 4, 0)
	if err != nil {
		return err
	}
	defer api.Close()
	verdicts, err := oracle.Ask(ctx, api, *weeks)
	return errors.Join(err, showVerdicts(stdout, verdicts, *asJSON))
}

func showVerdicts(w io.Writer, verdicts []seed.Verdict, asJSON bool) error {
	wrong := 0
	for _, v := range verdicts {
		mark := "ok   "
		switch {
		case v.Wrong != "" && v.Advisory:
			mark = "note "
		case v.Wrong != "":
			mark = "WRONG"
			wrong++
		}
		if asJSON {
			continue
		}
		if _, err := fmt.Fprintf(w, "%s  %s  %s\n", mark, v.Case, v.Wrong); err != nil {
			return err
		}
	}
	if asJSON {
		if err := json.NewEncoder(w).Encode(verdicts); err != nil {
			return err
		}
	}
	if wrong > 0 {
		return fmt.Errorf("%d of %d searches were not answered exactly", wrong, len(verdicts))
	}
	return nil
}
