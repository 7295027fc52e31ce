package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/turnout-events/turnout/internal/seed"
)

type searchFlags struct {
	oracle, events, origin, email, password string
	weeks, workers                          int
	json                                    bool
}

// verifySearch asks the API for what a file knows: the answers to searches, or
// how many come to each event.
func verifySearch(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var v searchFlags
	f := flags("verify", stderr)
	f.StringVar(&v.oracle, "oracle", "", "JSON `file` of searches and their answers over a loaded file of events")
	f.IntVar(&v.weeks, "shift-weeks", 0, "oracle: by how many `weeks` the dates were moved at loading; seed's summary says it")
	f.StringVar(&v.events, "events", "", "JSON lines `file` of events that was loaded with --answers counts")
	f.StringVar(&v.email, "email", demoEmail, "events: the organizer's `address`")
	f.StringVar(&v.password, "password", demoPassword, "events: the organizer's `password`")
	f.StringVar(&v.origin, "url", environ("TURNOUT_PUBLIC_URL", "http://127.0.0.1:8080"), "`origin` of the API")
	f.IntVar(&v.workers, "workers", 16, "events: requests at a time")
	f.BoolVar(&v.json, "json", false, "print the verdicts as JSON")
	if err := parse(f, args); err != nil {
		return err
	}
	if v.oracle == "" && v.events == "" {
		_, _ = fmt.Fprintln(stderr, "turnout verify: --oracle FILE or --events FILE is needed")
		return errUsage
	}
	api, err := seed.NewAPI(v.origin, max(1, v.workers), 0)
	if err != nil {
		return err
	}
	defer api.Close()
	if v.oracle != "" {
		err = v.askOracle(ctx, api, stdout)
	}
	if v.events != "" {
		err = errors.Join(err, v.checkSeats(ctx, api, stdout))
	}
	return err
}

func (v *searchFlags) askOracle(ctx context.Context, api *seed.API, stdout io.Writer) error {
	file, err := os.Open(v.oracle)
	if err != nil {
		return fmt.Errorf("opening the oracle: %w", err)
	}
	defer func() { _ = file.Close() }()
	oracle, err := seed.ReadOracle(file)
	if err != nil {
		return err
	}
	verdicts, err := oracle.Ask(ctx, api, v.weeks)
	return errors.Join(err, showVerdicts(stdout, verdicts, v.json))
}

func (v *searchFlags) checkSeats(ctx context.Context, api *seed.API, stdout io.Writer) error {
	b, err := os.ReadFile(v.events)
	if err != nil {
		return fmt.Errorf("reading events: %w", err)
	}
	rows, _, err := seed.ReadRows(bytes.NewReader(b), 0)
	if err != nil {
		return fmt.Errorf("reading events: %w", err)
	}
	account, err := seed.NewAccount(ctx, api, v.email, v.password, time.Now)
	if err != nil {
		return err
	}
	check, err := seed.CheckSeats(ctx, api, account, rows, max(1, v.workers))
	if err != nil {
		return err
	}
	if v.json {
		err = json.NewEncoder(stdout).Encode(check)
	} else {
		err = showSeats(stdout, &check)
	}
	if n := len(check.Wrong); n > 0 {
		err = errors.Join(err, fmt.Errorf("%d events have other counts than the file", n))
	}
	return err
}

func showSeats(w io.Writer, check *seed.SeatCheck) error {
	for _, v := range check.Wrong {
		if _, err := fmt.Fprintf(w, "WRONG  %s  %s\n", v.Case, v.Wrong); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "%d events, %d going and %d waiting: listing, live seats and guest list compared with the file\n",
		check.Events, check.Going, check.Queued)
	return err
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
