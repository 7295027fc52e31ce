package seed

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// tally is a Progress for tests.
type tally struct {
	mu    sync.Mutex
	total int
	steps int
}

func (p *tally) Expect(n int) { p.total = n }

func (p *tally) Step(string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.steps++
}

func countsInput() Input {
	n := func(v int) *int { return &v }
	return Input{Name: "test", Rows: []Row{
		{ID: "one", Source: "a", Title: "One", Start: "2020-01-01T10:00:00Z", RSVPYes: n(12), RSVPWaitlist: n(4)},
		{ID: "two", Source: "b", Title: "Two", Start: "2020-02-01T10:00:00Z", RSVPYes: n(9), RSVPWaitlist: n(0)},
		{ID: "off", Source: "a", Title: "Off", Start: "2020-03-01T10:00:00Z", RSVPYes: n(5), RSVPWaitlist: n(0), Status: "cancelled"},
		{ID: "refused", Source: "a", Title: "Refused", Start: "2020-03-01T10:00:00Z"},
	}}
}

func configFor(url string) Config {
	return Config{URL: url, Email: "o@example.org", Password: "secret", Answers: AnswersCounts, ShiftWeeks: AutoShift, Workers: 8}
}

func check(t *testing.T, s *server) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	waiting := 0
	for _, status := range s.events["one"].guests {
		if status == "waitlisted" {
			waiting++
		}
	}
	if len(s.events["one"].guests) != 16 || waiting != 4 || len(s.events["two"].guests) != 9 || len(s.events["off"].guests) != 5 {
		t.Errorf("%d guests, %d waiting; %d; %d", len(s.events["one"].guests), waiting, len(s.events["two"].guests), len(s.events["off"].guests))
	}
	if s.events["off"].status != "cancelled" || s.events["one"].status != "published" || len(s.events) != 3 {
		t.Errorf("%+v", s.events)
	}
}

func TestLoadsCountsAndReportsRefusals(t *testing.T) {
	t.Parallel()
	s, url := newServer(t)
	var p tally
	got, err := Run(t.Context(), configFor(url), countsInput(), &p, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	check(t, s)
	if got.Events.Done != 3 || got.Answers.Done != 30 || got.Cancelled != 1 || got.Decided["waitlisted"] != 4 || got.Lost() != 1 {
		t.Errorf("%+v", got)
	}
	if len(got.Refused) != 1 || got.Refused[0].ID != "refused" || got.Refused[0].Code != "invalid-input" {
		t.Errorf("%+v", got.Refused)
	}
	if p.total != 34 || p.steps != p.total {
		t.Errorf("progress %d of %d", p.steps, p.total)
	}
}

// Cut off after any number of calls, and started again with or without what it
// remembered, the load ends in the same state.
func TestInterruptedAnywhereItResumesWithoutDoubling(t *testing.T) {
	t.Parallel()
	for stopAt := 3; stopAt < 60; stopAt += 6 {
		for _, remember := range []bool{true, false} {
			s, url := newServer(t)
			c := configFor(url)
			if remember {
				c.State = filepath.Join(t.TempDir(), "state.jsonl")
			}
			ctx, cancel := context.WithCancel(t.Context())
			s.stopAt, s.cut = stopAt, cancel
			if _, err := Run(ctx, c, countsInput(), &tally{}, time.Now); err != nil && !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
			cancel()
			got, err := Run(t.Context(), c, countsInput(), &tally{}, time.Now)
			if err != nil {
				t.Fatal(err)
			}
			check(t, s)
			if n := got.Answers.Done + got.Answers.Present; n != 30 {
				t.Errorf("stopped at %d: %d answers are told of, want 30", stopAt, n)
			}
			for _, e := range s.events {
				if e.posts != len(e.guests) {
					t.Errorf("stopped at %d: doubled", stopAt)
				}
			}
		}
	}
}

func TestChangesGoOutWithTheTokenAlsoInAnotherRun(t *testing.T) {
	t.Parallel()
	s, url := newServer(t)
	c := configFor(url)
	c.Answers, c.State = AnswersTrace, filepath.Join(t.TempDir(), "state.jsonl")
	answers, _, err := ReadTrace(strings.NewReader(someTrace), 0)
	if err != nil {
		t.Fatal(err)
	}
	in := func(n int) Input { return Input{Name: "trace", Trace: answers[:n]} }
	if _, err := Run(t.Context(), c, in(4), &tally{}, time.Now); err != nil {
		t.Fatal(err)
	}
	got, err := Run(t.Context(), c, in(len(answers)), &tally{}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if got.Changes.Done != 2 || len(got.Changes.Refused) != 0 {
		t.Errorf("%+v", got.Changes)
	}
	if s.events["trace-s-e1"].changes != 1 || s.events["trace-s-e2"].changes != 1 {
		t.Error("a change did not arrive once")
	}
}

func TestWrongPasswordIsSaid(t *testing.T) {
	t.Parallel()
	_, url := newServer(t)
	c := configFor(url)
	if _, err := Run(t.Context(), c, Input{}, &tally{}, time.Now); err != nil {
		t.Fatal(err)
	}
	c.Password = "another secret"
	if _, err := Run(t.Context(), c, Input{}, &tally{}, time.Now); err == nil || !strings.Contains(err.Error(), "another password") {
		t.Errorf("the account has another password, and what is said is: %v", err)
	}
}

func TestWhatCannotWorkIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	s, url := newServer(t)
	for name, change := range map[string]func(*Config){
		"workers": func(c *Config) { c.Workers = 0 }, "rate": func(c *Config) { c.Rate = -1 }, "shift": func(c *Config) { c.ShiftWeeks = -2 },
		"capacity share": func(c *Config) { c.CapacityShare = 1.5 }, "answers": func(c *Config) { c.Answers = "some" }, "password": func(c *Config) { c.Password = "" },
	} {
		c := configFor(url)
		change(&c)
		if _, err := Run(t.Context(), c, Input{}, &tally{}, time.Now); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if s.calls != 0 {
		t.Errorf("%d requests were sent", s.calls)
	}
}

// The journal of a data base that was emptied is not believed.
func TestAnotherDataBaseIsLoadedFromTheStart(t *testing.T) {
	t.Parallel()
	s, url := newServer(t)
	c := configFor(url)
	c.State = filepath.Join(t.TempDir(), "state.jsonl")
	if _, err := Run(t.Context(), c, countsInput(), &tally{}, time.Now); err != nil {
		t.Fatal(err)
	}
	again := &server{t: t, accounts: map[string]string{}, orgs: map[string]string{}, events: map[string]*fakeEvent{},
		byID: map[string]*fakeEvent{}, rsvps: map[string]*fakeEvent{}, replies: map[string][]byte{}}
	s.mu.Lock()
	s.forward = again
	s.mu.Unlock()
	if _, err := Run(t.Context(), c, countsInput(), &tally{}, time.Now); err != nil {
		t.Fatal(err)
	}
	check(t, again)
}

// A journal whose last line was torn by a kill is read up to there.
func TestTornJournal(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state.jsonl")
	head := journalHead{Load: "x", Weeks: 12}
	j, err := OpenJournal(path, head)
	if err != nil {
		t.Fatal(err)
	}
	j.setEvent("e", loaded{ID: "1"})
	j.setSeat("e", "0", handle{RSVP: "r", Token: "t", Done: 1})
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	tear(t, path)
	j, err = OpenJournal(path, journalHead{Load: "x", Weeks: 99})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = j.Close() }()
	if e, ok := j.event("e"); !ok || e.ID != "1" || j.head.Weeks != 12 {
		t.Errorf("%+v %v, weeks %d", e, ok, j.head.Weeks)
	}
	if h := j.seat("e", "0"); h.Done != 1 || h.Token != "t" {
		t.Errorf("%+v", h)
	}
}

// tear appends half a line, as a kill in the middle of a write leaves it.
func tear(t *testing.T, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(`{"event":"f","id":"2`); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}
