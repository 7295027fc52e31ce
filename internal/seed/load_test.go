package seed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// server stands in for the API where the loader's own habits are at stake:
// what it does when it is refused, asked to wait or cut off. Whether the real
// API agrees is for the end-to-end test.
type server struct {
	t  *testing.T
	mu sync.Mutex

	accounts map[string]string
	orgs     map[string]string
	events   map[string]*fakeEvent // by external id
	byID     map[string]*fakeEvent
	rsvps    map[string]*fakeEvent // by token
	replies  map[string][]byte     // by Idempotency-Key
	calls    int
	stopAt   int // after so many calls, cut is called once
	cut      func()
}

type fakeEvent struct {
	id, status string
	capacity   *int
	guests     map[string]string // address to status
	changes    int
	posts      int
}

func newServer(t *testing.T) (*server, string) {
	t.Helper()
	s := &server{
		t: t, accounts: map[string]string{}, orgs: map[string]string{}, events: map[string]*fakeEvent{},
		byID: map[string]*fakeEvent{}, rsvps: map[string]*fakeEvent{}, replies: map[string][]byte{},
	}
	h := httptest.NewServer(s)
	t.Cleanup(h.Close)
	return s, h.URL
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	if s.cut != nil && s.calls == s.stopAt {
		s.cut()
	}
	// Every seventh answer asks to come back: the client must not count it.
	if s.calls%7 == 0 {
		w.Header().Set("Retry-After", "0")
		s.problem(w, http.StatusServiceUnavailable, "unavailable", "")
		return
	}
	var body map[string]any
	_ = json.NewDecoder(r.Body).Decode(&body)
	text := func(k string) string { v, _ := body[k].(string); return v }
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	switch {
	case r.URL.Path == "/v1/auth/login":
		if s.accounts[text("email")] != text("password") || text("password") == "" {
			s.problem(w, http.StatusUnauthorized, "unauthorized", "")
			return
		}
		s.answer(w, 200, map[string]any{"access_token": "a", "refresh_token": "r", "expires_in": 900})
	case r.URL.Path == "/v1/auth/register":
		s.accounts[text("email")] = text("password")
		s.answer(w, 201, map[string]any{"access_token": "a", "refresh_token": "r", "expires_in": 900})
	case r.URL.Path == "/v1/organizations" && r.Method == http.MethodPost:
		if s.orgs[text("slug")] != "" {
			s.problem(w, http.StatusConflict, "slug-taken", "")
			return
		}
		s.orgs[text("slug")] = "org-" + text("slug")
		s.answer(w, 201, map[string]any{"id": "org-" + text("slug")})
	case r.URL.Path == "/v1/organizations":
		items := []any{}
		for slug, id := range maps.All(s.orgs) {
			items = append(items, map[string]any{"id": id, "slug": slug})
		}
		s.answer(w, 200, map[string]any{"items": items})
	case r.URL.Path == "/v1/events":
		s.create(w, text("external_id"), body["capacity"])
	case parts[1] == "events":
		s.onEvent(w, r, s.byID[parts[2]], parts[3], text)
	default:
		e := s.rsvps[strings.TrimPrefix(r.Header.Get("Authorization"), "Guest ")]
		if e == nil {
			s.problem(w, http.StatusNotFound, "not-found", "")
			return
		}
		if key := r.Header.Get("Idempotency-Key"); s.replies[key] == nil {
			s.replies[key] = []byte("x")
			e.changes++
		}
		s.answer(w, 200, map[string]any{"status": "confirmed"})
	}
}

func (s *server) create(w http.ResponseWriter, external string, capacity any) {
	if external == "refused" {
		s.problem(w, http.StatusBadRequest, "invalid-input", "")
		return
	}
	if e := s.events[external]; e != nil {
		s.problem(w, http.StatusConflict, "external-id-taken", e.id)
		return
	}
	e := &fakeEvent{id: fmt.Sprintf("id-%d", len(s.events)), status: "draft", guests: map[string]string{}}
	if n, ok := capacity.(float64); ok {
		c := int(n)
		e.capacity = &c
	}
	s.events[external], s.byID[e.id] = e, e
	s.answer(w, 201, map[string]any{"id": e.id, "status": e.status})
}

func (s *server) onEvent(w http.ResponseWriter, r *http.Request, e *fakeEvent, verb string, text func(string) string) {
	key := r.Header.Get("Idempotency-Key")
	switch {
	case verb == "rsvps" && s.replies[key] != nil:
		w.WriteHeader(201)
		_, _ = w.Write(s.replies[key])
	case verb == "rsvps" && e.status != "published":
		s.problem(w, http.StatusConflict, CodeEventCancelled, "")
	case verb == "rsvps" && e.guests[text("email")] != "":
		s.problem(w, http.StatusConflict, CodeAlreadyAnswered, "")
	case verb == "rsvps":
		status := "confirmed"
		if e.capacity != nil && len(e.guests) >= *e.capacity {
			status = "waitlisted"
		}
		e.guests[text("email")] = status
		e.posts++
		token := e.id + "/" + text("email")
		s.rsvps[token] = e
		s.replies[key], _ = json.Marshal(map[string]any{"id": token, "status": status, "manage_token": token})
		w.WriteHeader(201)
		_, _ = w.Write(s.replies[key])
	case verb == "publish" && e.status == "cancelled":
		s.problem(w, http.StatusConflict, CodeEventCancelled, "")
	case verb == "publish":
		e.status = "published"
		s.answer(w, 200, map[string]any{"id": e.id, "status": e.status})
	case verb == "cancel":
		e.status = "cancelled"
		s.answer(w, 200, map[string]any{"id": e.id, "status": e.status})
	default:
		s.answer(w, 200, map[string]any{"id": e.id, "status": e.status})
	}
}

func (s *server) answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func (s *server) problem(w http.ResponseWriter, status int, code, id string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"code": code, "status": status, "id": id})
}

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
	c.Workers = 0
	if _, err := Run(t.Context(), c, Input{}, &tally{}, time.Now); err == nil {
		t.Error("no workers, no error")
	}
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
	defer j.Close()
	if e, ok := j.event("e"); !ok || e.ID != "1" || j.head.Weeks != 12 {
		t.Errorf("%+v %v, weeks %d", e, ok, j.head.Weeks)
	}
	if h := j.seat("e", "0"); h.Done != 1 || h.Token != "t" {
		t.Errorf("%+v", h)
	}
}
