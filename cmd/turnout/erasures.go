package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/caarlos0/env/v11"

	"github.com/turnout-events/turnout/command/admission"
	"github.com/turnout-events/turnout/command/erasure"
	"github.com/turnout-events/turnout/command/pgstore"
	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/id"
	"github.com/turnout-events/turnout/internal/kafkabus"
)

const erasuresUsage = `usage: turnout erasures list [--namespace NAME] > FILE
       turnout erasures replay [--namespace NAME | --file FILE]

A restored Postgres has the data keys of guests who were erased since the
backup. Before any role serves from it, replay erases them again: all that the
log in Kafka knows of, or all of a FILE that list wrote earlier. It may be
repeated.
`

// erasures lists who was erased, and erases them again after a restore.
func erasures(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) == 0 || args[0] != "list" && args[0] != "replay" {
		_, _ = fmt.Fprint(stderr, erasuresUsage)
		return errUsage
	}
	f := flags("erasures "+args[0], stderr)
	f.Usage = func() { _, _ = fmt.Fprint(stderr, erasuresUsage); f.PrintDefaults() }
	namespace := f.String("namespace", "", "whose log to read; by default that of TURNOUT_NAMESPACE")
	file := f.String("file", "", "replay: JSON lines `file` that list wrote, instead of Kafka")
	if err := parse(f, args[1:]); err != nil {
		return err
	}
	if *file != "" && (args[0] == "list" || *namespace != "") {
		f.Usage()
		return errUsage
	}
	s, err := newSystem(env.ToMap(os.Environ()), stderr)
	if err != nil {
		return err
	}
	defer s.close()
	from := s.Kafka
	if *namespace != "" {
		from.Namespace = *namespace
	}
	var found []erasure.Erasure
	if *file != "" {
		found, err = readErasures(*file)
	} else {
		found, err = loggedErasures(ctx, from)
	}
	if err != nil {
		return err
	}
	if args[0] == "list" {
		return writeErasures(stdout, found)
	}
	report, err := s.eraseAgain(ctx, found, stderr)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "%d erasures: %d answers are erased, %d are younger than the backup\n",
		len(found), report.Erased, report.Unknown)
	return err
}

// loggedErasures reads the whole log in Kafka. A message may be there twice; each answer is named once.
func loggedErasures(ctx context.Context, cfg kafkabus.Config) ([]erasure.Erasure, error) {
	var mu sync.Mutex
	var found []erasure.Erasure
	known := map[string]bool{}
	err := kafkabus.Replay(ctx, cfg, contract.TopicRegistrations, func(_ context.Context, messages []*message.Message) error {
		mu.Lock()
		defer mu.Unlock()
		for _, m := range messages {
			envelope, err := contract.Decode(m.Metadata, m.Payload)
			if err != nil {
				return err // who would be erased does not show, so nobody may believe that all were
			}
			e, ok, err := erasure.Of(envelope)
			if err != nil {
				return err
			}
			if ok && !known[e.RSVPID] {
				known[e.RSVPID] = true
				found = append(found, e)
			}
		}
		return nil
	}, kafkabus.ReplayOptions{})
	if err != nil {
		return nil, fmt.Errorf("read the erasures of the log: %w", err)
	}
	return found, nil
}

func readErasures(path string) ([]erasure.Erasure, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open the list of erasures: %w", err)
	}
	defer func() { _ = file.Close() }()
	return decodeErasures(file)
}

func decodeErasures(r io.Reader) ([]erasure.Erasure, error) {
	var found []erasure.Erasure
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		if len(lines.Bytes()) == 0 {
			continue
		}
		var e erasure.Erasure
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return nil, fmt.Errorf("list of erasures, line %d: %w", n, err)
		}
		if !id.Valid(e.EventID) || !id.Valid(e.RSVPID) {
			return nil, fmt.Errorf("list of erasures, line %d: wants event_id and rsvp_id", n)
		}
		found = append(found, e)
	}
	return found, lines.Err()
}

func writeErasures(w io.Writer, all []erasure.Erasure) error {
	out := bufio.NewWriter(w)
	lines := json.NewEncoder(out)
	for _, e := range all {
		if err := lines.Encode(e); err != nil {
			return err
		}
	}
	return out.Flush()
}

// eraseAgain decides at a desk of its own: no role runs yet. Only erasures are
// decided there, no sweep, and nothing goes to Kafka before a relay runs.
func (s *system) eraseAgain(ctx context.Context, list []erasure.Erasure, stderr io.Writer) (erasure.Report, error) {
	pool, err := s.pool(ctx, "erasures", 8)
	if err != nil {
		return erasure.Report{}, err
	}
	cfg := s.Command.Admission
	cfg.AnswerWithin, cfg.DecideWithin = time.Minute, time.Minute // nobody waits, and all must be done
	desk, err := admission.New(ctx, cfg, admission.Deps{
		Store: pgstore.New(pool), Keyring: s.ring, Log: s.log, Registerer: registry(), Now: time.Now,
	})
	if err != nil {
		return erasure.Report{}, err
	}
	p := newRate(stderr, "erasures")
	report, err := erasure.Replay(ctx, desk, list, p.show)
	p.end()
	ended, end := context.WithCancel(ctx)
	end() // all is decided: only drain
	return report, errors.Join(err, desk.Run(ended))
}
