package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/caarlos0/env/v11"

	"github.com/turnout-events/turnout/command/relay"
	"github.com/turnout-events/turnout/internal/document"
	"github.com/turnout-events/turnout/internal/id"
	"github.com/turnout-events/turnout/internal/kafkabus"
	"github.com/turnout-events/turnout/notifier/outcome"
	"github.com/turnout-events/turnout/projector"
	"github.com/turnout-events/turnout/projector/feed"
)

// rebuild fills a read store from the log beside the live one and swaps.
func rebuild(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := flags("rebuild", stderr)
	f.Usage = func() {
		_, _ = fmt.Fprintf(stderr, "usage: turnout rebuild %s|all [--rollback]\n       turnout rebuild --event ID\n       turnout rebuild --from postgres\n\n"+
			"Traffic goes on meanwhile: readers see the old store until the new one has everything.\n",
			strings.Join(projector.Rebuildable, "|"))
		f.PrintDefaults()
	}
	event := f.String("event", "", "repair what the stores have of this event")
	rollback := f.Bool("rollback", false, "go back to what was before, filled up with what came since")
	from := f.String("from", "", "postgres: fill Kafka again from the log, after it lost its data")
	asJSON := f.Bool("json", false, "the reports as JSON")
	var words []string
	for rest := args; ; rest = f.Args()[1:] { // flags may stand behind the store
		if err := f.Parse(rest); err != nil {
			return errUsage
		}
		if f.NArg() == 0 {
			break
		}
		words = append(words, f.Arg(0))
	}
	known := append([]string{"all"}, projector.Rebuildable...)
	switch {
	case *from != "" && (*from != "postgres" || len(words) > 0 || *rollback || *event != ""),
		*event != "" && (len(words) > 0 || *rollback || !id.Valid(*event)),
		*from == "" && *event == "" && (len(words) != 1 || !slices.Contains(known, words[0])):
		f.Usage()
		return errUsage
	}
	s, err := newSystem(env.ToMap(os.Environ()), stderr)
	if err != nil {
		return err
	}
	defer s.close()
	if *from != "" {
		return refill(ctx, s, stdout, stderr)
	}
	deps, err := s.projectorDeps(ctx)
	if err != nil {
		return err
	}
	b := &projector.Rebuilder{Config: s.Projector, Deps: deps}
	if *event != "" {
		n, err := b.RebuildEvent(ctx, *event)
		if err == nil {
			_, _ = fmt.Fprintf(stdout, "event %s: written anew from %d messages\n", *event, n)
		}
		return err
	}
	stores := words
	if words[0] == "all" {
		stores = projector.Rebuildable
	} else if words[0] == document.Facts {
		stores = append(stores, document.Outcomes) // the analytics are counted from both
	}
	for _, store := range stores {
		run := b.Rebuild
		if *rollback {
			run = b.Rollback
		}
		p := newRate(stderr, store)
		b.Progress = p.show
		report, err := run(ctx, store)
		p.end()
		if err != nil {
			return fmt.Errorf("%s: %w", store, err)
		}
		if *asJSON {
			err = json.NewEncoder(stdout).Encode(report)
		} else {
			err = printReport(stdout, report)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// refill takes the log to Kafka once more, and the facts from there: their places
// in it are what the cursors of /v1/changes say. Topics are made if they are gone.
func refill(ctx context.Context, s *system, stdout, stderr io.Writer) error {
	deps, err := s.projectorDeps(ctx)
	if err != nil {
		return err
	}
	pool, err := s.pool(ctx, "refill", 2)
	if err != nil {
		return err
	}
	if err := newTopics(s.Kafka, s.log).ensure(ctx); err != nil {
		return err
	}
	if err := feed.BeginRefill(ctx, deps.Redis); err != nil {
		return fmt.Errorf("cursors of the feed: %w", err)
	}
	out, err := kafkabus.NewPublisher(s.Kafka, s.log)
	if err != nil {
		return err
	}
	p := newRate(stderr, "log")
	n, err := relay.Refill(ctx, pool, out, p.show)
	p.end()
	if err == nil {
		p = newRate(stderr, "outcomes")
		_, err = outcome.Refill(ctx, pool, out, p.show)
		p.end()
	}
	if err := errors.Join(err, out.Close()); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(stdout, "Kafka has the %d messages of the log again\n", n)
	p = newRate(stderr, document.Facts)
	_, err = (&projector.Rebuilder{Config: s.Projector, Deps: deps, Progress: p.show}).Rebuild(ctx, document.Facts)
	p.end()
	if err != nil {
		return fmt.Errorf("the facts are not filled from it, run `turnout rebuild facts`: %w", err)
	}
	_, err = fmt.Fprintln(stdout, "The facts are filled from it; cursors of /v1/changes from before are answered 410")
	return err
}

func printReport(w io.Writer, r projector.Report) error {
	_, _ = fmt.Fprintf(w, "%s: %d messages in %s (%.0f/s), %d rejected\n", r.Store, r.Messages, r.Took.Round(time.Millisecond),
		float64(r.Messages)/max(r.Took.Seconds(), 1e-9), r.Rejected)
	c, what, now := r.Compared, "documents", "now "+r.Index+"; "
	if r.Index == "" { // Redis, where keys keep their names
		what, now = "keys", ""
	}
	_, _ = fmt.Fprintf(w, "  live %d %s, new %d: %d the same, %d newer, %d older, %d missing, %d extra, %d differ\n",
		c.Live, what, c.New, c.Same, c.Newer, c.Older, c.Missing, c.Extra, c.Differ)
	for _, e := range c.Examples {
		_, _ = fmt.Fprintf(w, "    %s\n", e)
	}
	kept := "nothing to go back to"
	if len(r.Previous) > 0 {
		kept = "kept to go back to (--rollback): " + strings.Join(r.Previous, ", ")
	}
	_, err := fmt.Fprintf(w, "  %s%s\n", now, kept)
	return err
}

// rate shows progress on one line.
type rate struct {
	w     io.Writer
	name  string
	began time.Time
	mu    sync.Mutex
	shown time.Time
}

func newRate(w io.Writer, name string) *rate { return &rate{w: w, name: name, began: time.Now()} }

func (r *rate) show(done, total int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if done < total && now.Sub(r.shown) < 200*time.Millisecond {
		return
	}
	r.shown = now
	perSecond := float64(done) / max(now.Sub(r.began).Seconds(), 1e-3)
	left := time.Duration(float64(total-done) / max(perSecond, 1e-3) * float64(time.Second)).Round(time.Second)
	_, _ = fmt.Fprintf(r.w, "\r%s: %d of %d, %.0f/s, %s left   ", r.name, done, total, perSecond, left)
}

func (r *rate) end() { _, _ = fmt.Fprintln(r.w) }
