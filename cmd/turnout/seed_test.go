package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/turnout-events/turnout/internal/seed"
	"github.com/turnout-events/turnout/internal/testkit"
)

// The loader against the real API: the demo set and a trace of answers are cut
// off in the middle, loaded to the end and loaded once more. Every answer was
// decided, nothing is doubled, and every store agrees.
func TestLoadingResumesWithoutDoubling(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.serveHere()
	trace, guests, repeats, seats := makeTrace(t)
	for _, load := range []struct {
		name    string
		args    []string
		guests  int // -1: as many as are drawn
		repeats int // answers that are sent again, with the same key, in every run
	}{
		{"demo", []string{"-demo", "-limit", "12", "-answers", "profile"}, -1, 0},
		{"trace", []string{"-answers", trace, "-capacity-share", "0.5"}, guests, repeats},
	} {
		args := append(load.args, "-url", w.url, "-state", filepath.Join(t.TempDir(), load.name), "-json", "-workers", "8")
		cut, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		before := w.rsvps()
		go func() { ended <- runSeed(cut, append(args, "-rate", "40"), &bytes.Buffer{}, t.Output()) }()
		testkit.Eventually(t, 30*time.Second, 5*time.Millisecond, func() error {
			if n := w.rsvps() - before; n < 20 {
				return fmt.Errorf("%d answers", n)
			}
			return nil
		})
		cancel()
		if err := <-ended; err == nil {
			t.Fatalf("%s: the load ended before it was cut off", load.name)
		}
		second := w.seeded(args)
		if second.Lost() != 0 || second.Answers.Done == 0 || second.Answers.Present == 0 {
			t.Errorf("%s, gone on with: %+v", load.name, second)
		}
		stored := second.Answers.Done + second.Answers.Present - load.repeats
		if load.guests >= 0 && stored != load.guests {
			t.Errorf("%s: %d answers, want %d: %+v", load.name, stored, load.guests, second)
		}
		if n := w.rsvps() - before; n != stored {
			t.Errorf("%s: %d answers are stored, %d were loaded", load.name, n, stored)
		}
		messages := w.count("SELECT count(*) FROM event_log")
		third := w.seeded(args)
		if third.Answers.Done != load.repeats || third.Events.Done != 0 || third.Changes.Done != 0 {
			t.Errorf("%s, once more: %+v", load.name, third)
		}
		if again := w.count("SELECT count(*) FROM event_log"); again != messages {
			t.Errorf("%s, once more: %d new messages", load.name, again-messages)
		}
	}
	// Half the people of the trace fit, and the rest wait.
	going := w.count(`SELECT sum(going) FROM event_counter c JOIN event e ON e.id = c.event_id WHERE e.external_id LIKE 'trace-%'`)
	waiting := w.count(`SELECT sum(party_size) FROM rsvp r JOIN event e ON e.id = r.event_id WHERE e.external_id LIKE 'trace-%' AND r.status = 'waitlisted'`)
	if going > (seats+1)/2 || going+waiting != seats {
		t.Errorf("%d people go and %d wait, of %d", going, waiting, seats)
	}
	s, err := loadFrom[settings](w.env)
	if err != nil {
		t.Fatal(err)
	}
	report, err := auditAll(t.Context(), s, nil, stores, 2*time.Minute, testkit.Logger(t))
	if err != nil {
		t.Fatal(err)
	}
	if report.Failed() || int(report.RSVPs) != w.rsvps() {
		t.Errorf("%d answers audited: %+v", report.RSVPs, report.Findings)
	}
}

// makeTrace is two events: guests come, one in five brings somebody more later,
// one in seven is told of twice, one in nine withdraws.
func makeTrace(t *testing.T) (path string, guests, repeats, seats int) {
	t.Helper()
	var b bytes.Buffer
	line := func(n, at, companions int, response string) {
		_, _ = fmt.Fprintf(&b, `{"src":"x","rsvp":%d,"event":"e%d","member":%d,"response":%q,"guests":%d,"created":1,"mtime":%d}`+"\n",
			n, n%2, n, response, companions, at)
	}
	guests = 90
	for n := range guests {
		line(n, 100, 0, "yes")
		people := 1
		if n%7 == 0 {
			line(n, 100, 0, "yes")
			repeats++
		}
		if n%5 == 0 {
			line(n, 200, 1, "yes")
			people = 2
		}
		if n%9 == 0 {
			line(n, 300, 0, "no")
			people = 0
		}
		seats += people
	}
	path = filepath.Join(t.TempDir(), "trace.jsonl")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path, guests, repeats, seats
}

// seeded loads and gives the summary.
func (w *world) seeded(args []string) seed.Summary {
	w.t.Helper()
	var out bytes.Buffer
	if err := runSeed(w.t.Context(), args, &out, w.t.Output()); err != nil {
		w.t.Fatalf("%v\n%s", err, out.Bytes())
	}
	var s seed.Summary
	if err := json.Unmarshal(out.Bytes(), &s); err != nil {
		w.t.Fatalf("%v\n%s", err, out.Bytes())
	}
	return s
}

func (w *world) rsvps() int { return w.count("SELECT count(*) FROM rsvp") }

// count asks Postgres for one number.
func (w *world) count(sql string) (n int) {
	w.t.Helper()
	conn, err := pgx.Connect(w.t.Context(), w.env["TURNOUT_POSTGRES_URL"])
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(w.t.Context())) }()
	if err := conn.QueryRow(w.t.Context(), sql).Scan(&n); err != nil {
		w.t.Fatalf("%s: %v", sql, err)
	}
	return n
}
