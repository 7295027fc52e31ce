package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/term"

	"github.com/turnout-events/turnout/internal/seed"
)

// The demo organizer's account: on purpose no secret, for data that is none.
const (
	demoEmail    = "organizer@example.org"
	demoPassword = "turnout-demo-organizer"
)

type seedFlags struct {
	config  seed.Config
	events  string
	demo    bool
	answers string
	limit   int
	state   string
	json    bool
}

func seedArgs(args []string, stderr io.Writer) (seedFlags, error) {
	var s seedFlags
	f := flags("seed", stderr)
	f.StringVar(&s.events, "events", "", "JSON lines `file` of events")
	f.BoolVar(&s.demo, "demo", false, "load the demo set instead of a file")
	f.StringVar(&s.answers, "answers", seed.AnswersNone, "none, profile (drawn as people answer), counts (rsvp_yes and rsvp_waitlist of the rows) or a trace `file`, .jsonl or .jsonl.gz")
	f.IntVar(&s.config.ShiftWeeks, "shift-weeks", seed.AutoShift, "`weeks` to move all dates by; -1 is the fewest that put every event ahead")
	f.Float64Var(&s.config.CapacityShare, "capacity-share", 0, "trace: each event's capacity as a `part` of the seats it ends with, 0 for unlimited")
	f.IntVar(&s.limit, "limit", 0, "only the first `n` events (of a trace alone: answers)")
	f.Float64Var(&s.config.Rate, "rate", 0, "at most `n` requests a second, 0 for as fast as it goes")
	f.IntVar(&s.config.Workers, "workers", 64, "requests at a time")
	f.StringVar(&s.config.URL, "url", environ("TURNOUT_PUBLIC_URL", "http://127.0.0.1:8080"), "`origin` of the API")
	f.StringVar(&s.config.Email, "email", demoEmail, "the organizer's `address`")
	f.StringVar(&s.config.Password, "password", demoPassword, "the organizer's `password`")
	f.StringVar(&s.state, "state", "", "`file` that remembers what is done (by default under TURNOUT_LOCAL_DIR), none for no file")
	f.BoolVar(&s.json, "json", false, "print the summary as JSON")
	if err := parse(f, args); err != nil {
		return s, err
	}
	if s.demo == (s.events != "") && !(s.events == "" && isTrace(s.answers)) {
		_, _ = fmt.Fprintln(stderr, "turnout seed: --events FILE or --demo, one of them")
		return s, errUsage
	}
	return s, nil
}

// runSeed loads events and answers through the public API.
func runSeed(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	s, err := seedArgs(args, stderr)
	if err != nil {
		return err
	}
	in, err := s.input()
	if err != nil {
		return err
	}
	s.config.Answers = s.answers
	if isTrace(s.answers) {
		s.config.Answers = seed.AnswersTrace
	}
	s.config.State = s.statePath(in.Name)
	if s.config.Email == demoEmail {
		_, _ = fmt.Fprintf(stderr, "organizer: %s, password: %s\n", demoEmail, s.config.Password)
	}
	bar := seed.NewBar(stderr, isTerminal(stderr), time.Now)
	summary, err := seed.Run(ctx, s.config, in, bar, time.Now)
	bar.Close()
	if summary.Rows > 0 || err == nil {
		err = errors.Join(err, s.print(stdout, &summary))
	}
	if err != nil {
		return err
	}
	if n := summary.Lost(); n > 0 {
		return fmt.Errorf("%d things could not be loaded; the summary says which", n)
	}
	return nil
}

func (s *seedFlags) print(w io.Writer, summary *seed.Summary) error {
	if s.json {
		return json.NewEncoder(w).Encode(summary)
	}
	return summary.Write(w)
}

func (s *seedFlags) input() (seed.Input, error) {
	in := seed.Input{}
	if s.demo {
		var err error
		if in, err = seed.Demo(s.limit); err != nil {
			return in, fmt.Errorf("reading the demo set: %w", err)
		}
	}
	if s.events != "" {
		b, err := os.ReadFile(s.events)
		if err != nil {
			return in, fmt.Errorf("reading events: %w", err)
		}
		if in.Rows, in.Bad, err = seed.ReadRows(bytes.NewReader(b), s.limit); err != nil {
			return in, fmt.Errorf("reading events: %w", err)
		}
		in.Name = seed.Digest(b)
	}
	if !isTrace(s.answers) {
		return in, nil
	}
	b, err := os.ReadFile(s.answers)
	if err != nil {
		return in, fmt.Errorf("reading the trace: %w", err)
	}
	limit := 0
	if s.events == "" && !s.demo {
		limit = s.limit
	}
	trace, bad, err := seed.ReadTrace(bytes.NewReader(b), limit)
	if err != nil {
		return in, fmt.Errorf("reading the trace: %w", err)
	}
	in.Trace, in.Bad, in.Name = trace, append(in.Bad, bad...), in.Name+seed.Digest(b)
	return in, nil
}

// statePath is a file per load, beside the engines' data: who forgets those
// forgets this.
func (s *seedFlags) statePath(name string) string {
	switch s.state {
	case "none":
		return ""
	case "":
		which := seed.Digest([]byte(s.config.URL), []byte(s.config.Email), []byte(s.answers), []byte(name))
		return filepath.Join(environ("TURNOUT_LOCAL_DIR", ".local"), "seed", which+".jsonl")
	}
	return s.state
}

func isTrace(answers string) bool {
	switch answers {
	case seed.AnswersNone, seed.AnswersProfile, seed.AnswersCounts:
		return false
	}
	return true
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// environ reads a variable that a flag can override.
func environ(name, otherwise string) string {
	if v, ok := os.LookupEnv(name); ok && v != "" {
		return v
	}
	return otherwise
}
