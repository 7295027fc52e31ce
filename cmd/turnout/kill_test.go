package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/turnout-events/turnout/command/audit"
	"github.com/turnout-events/turnout/internal/testkit"
)

// killLoad is how many answers the load gives.
const killLoad = 2000

// processes runs each role as a process of its own.
type processes struct {
	w      *world
	binary string
	mu     sync.Mutex
	roles  map[string]*exec.Cmd
	out    map[string]*bytes.Buffer
}

// roleNames in the order in which they start.
var roleNames = []string{"command", "relay", "project", "query", "notify", "web"}

func startProcesses(w *world) *processes {
	w.t.Helper()
	p := &processes{w: w, binary: filepath.Join(w.t.TempDir(), "turnout"), roles: map[string]*exec.Cmd{}, out: map[string]*bytes.Buffer{}}
	build := exec.Command("go", "build", "-o", p.binary, ".")
	if out, err := build.CombinedOutput(); err != nil {
		w.t.Fatalf("build: %v\n%s", err, out)
	}
	w.t.Cleanup(func() {
		for _, name := range roleNames {
			p.kill(name)
		}
		if w.t.Failed() {
			for name, out := range p.out {
				w.t.Logf("the last of %s:\n%s", name, tail(out.String(), 1500))
			}
		}
	})
	for _, name := range roleNames {
		p.start(name)
	}
	w.ready()
	return p
}

func (p *processes) start(name string) {
	p.w.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	cmd := exec.Command(p.binary, name)
	cmd.Env = append(os.Environ(), p.w.environ()...)
	if p.out[name] == nil {
		p.out[name] = &bytes.Buffer{}
	}
	cmd.Stderr = p.out[name]
	if err := cmd.Start(); err != nil {
		p.w.t.Fatalf("start %s: %v", name, err)
	}
	p.roles[name] = cmd
}

// kill is kill -9: nothing is flushed, nobody is told.
func (p *processes) kill(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	cmd := p.roles[name]
	if cmd == nil {
		return
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	delete(p.roles, name)
}

func tail(s string, n int) string {
	if len(s) > n {
		return "…" + s[len(s)-n:]
	}
	return s
}

// Every role is killed and started again in the middle of a load. A client that
// has no answer asks again with the same key, as clients do. Afterwards every
// answer that was acknowledged is in every store exactly once, and has one mail.
func TestNothingIsLostWhenRolesAreKilled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := startProcesses(w)
	w.organizer()
	events := make([]string, 4)
	for i := range events {
		events[i], _ = w.event(fmt.Sprintf("Rush %d", i), 30*24*time.Hour, map[string]any{"max_party": 1})
	}

	acked := newLedgerOfAnswers()
	var clients sync.WaitGroup
	jobs := make(chan int)
	for range 16 {
		clients.Go(func() {
			for n := range jobs {
				w.insist(n, events[n%len(events)], acked)
			}
		})
	}
	// One role after the other falls, spread over the load.
	victims := []string{"command", "relay", "project", "notify", "query", "web", "relay", "notify", "command", "project"}
	for n := range killLoad {
		if step := killLoad / (len(victims) + 1); n > 0 && n%step == 0 && n/step <= len(victims) {
			name := victims[n/step-1]
			p.kill(name)
			p.start(name)
		}
		jobs <- n
	}
	close(jobs)
	clients.Wait()
	if t.Failed() {
		return
	}
	w.ready()
	if got := acked.size(); got != killLoad {
		t.Fatalf("%d answers were acknowledged, want %d", got, killLoad)
	}
	w.everywhereOnce(events, acked)
	w.oneMailEach(acked)
}

// answersLedger is the client's own: which RSVP it was told to have, per guest.
type answersLedger struct {
	mu   sync.Mutex
	rsvp map[string]string    // address → RSVP id
	told []audit.Acknowledged // what it was told, for the audit
}

func newLedgerOfAnswers() *answersLedger { return &answersLedger{rsvp: map[string]string{}} }

// acknowledged notes a 201.
func (l *answersLedger) acknowledged(t *testing.T, address, event string, a answer) {
	var r struct {
		ID, Status string
		Version    int64
	}
	a.decode(t, &r)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rsvp[address] = r.ID
	l.told = append(l.told, audit.Acknowledged{EventID: event, RSVPID: r.ID, Version: r.Version, Status: r.Status})
}

func (l *answersLedger) size() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.rsvp)
}

// insist answers until it is acknowledged; always the same request with the same key, ever less often: who comes back ten
// times a second for as long as an outage takes is told that it is too often.
func (w *world) insist(n int, event string, acked *answersLedger) {
	address := fmt.Sprintf("guest-%04d@example.net", n)
	body := map[string]any{"name": fmt.Sprintf("Guest %d", n), "email": address, "response": "going", "party_size": 1}
	ctx, cancel := context.WithTimeout(w.t.Context(), 5*time.Minute)
	defer cancel()
	var last error
	for pause := 100 * time.Millisecond; ctx.Err() == nil; pause = min(2*pause, 2*time.Second) {
		a, err := w.call("POST", "/v1/events/"+event+"/rsvps", body, "Idempotency-Key", address, "Authorization", "")
		switch {
		case err != nil:
			last = err
		case a.Status == http.StatusCreated:
			acked.acknowledged(w.t, address, event, a)
			return
		case a.Status == http.StatusTooManyRequests:
			last = fmt.Errorf("%d %s", a.Status, a.Body)
			seconds, _ := strconv.Atoi(a.Header.Get("Retry-After"))
			pause = max(pause, time.Duration(seconds)*time.Second)
		case a.Status < 500 && a.Status != http.StatusConflict:
			w.t.Errorf("%s: %d %s", address, a.Status, a.Body)
			return
		case a.Status == http.StatusConflict && !strings.Contains(string(a.Body), "idempotency-key-in-use"):
			w.t.Errorf("%s: %s", address, a.Body)
			return
		default:
			last = fmt.Errorf("%d %s", a.Status, a.Body)
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
	w.t.Errorf("%s was never answered: %v", address, last)
}

// everywhereOnce compares the client's ledger with Postgres, the guest list
// (Elasticsearch) and the counters (Redis).
func (w *world) everywhereOnce(events []string, acked *answersLedger) {
	t := w.t
	t.Helper()
	conn, err := pgx.Connect(t.Context(), w.env["TURNOUT_POSTGRES_URL"])
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	rows, err := conn.Query(t.Context(), "SELECT id::text FROM rsvp WHERE status = 'confirmed'")
	if err != nil {
		t.Fatal(err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	stored := map[string]bool{}
	for _, id := range ids {
		stored[id] = true
	}
	if len(ids) != killLoad {
		t.Errorf("Postgres has %d confirmed answers, want %d", len(ids), killLoad)
	}
	for address, id := range acked.rsvp {
		if !stored[id] {
			t.Errorf("Postgres does not have %s of %s", id, address)
		}
	}

	testkit.Eventually(t, 3*time.Minute, 500*time.Millisecond, func() error {
		going := 0
		for _, e := range events {
			a, err := w.call("GET", "/v1/events/"+e+"/availability", nil)
			if err != nil {
				return err
			}
			var seats struct{ Going int }
			a.decode(t, &seats)
			going += seats.Going
		}
		if going != killLoad {
			return fmt.Errorf("Redis counts %d going, want %d", going, killLoad)
		}
		return nil
	})
	testkit.Eventually(t, 3*time.Minute, 500*time.Millisecond, func() error {
		seen := map[string]int{}
		for _, e := range events {
			if err := w.guests(e, seen); err != nil {
				return err
			}
		}
		for address, id := range acked.rsvp {
			if seen[id] != 1 {
				return fmt.Errorf("the guest list shows %s of %s %d times", id, address, seen[id])
			}
		}
		if len(seen) != killLoad {
			return fmt.Errorf("the guest list has %d guests, want %d", len(seen), killLoad)
		}
		return nil
	})
}

// guests pages through an event's guest list.
func (w *world) guests(event string, seen map[string]int) error {
	cursor := ""
	for {
		a, err := w.call("GET", "/v1/events/"+event+"/guests?limit=100&cursor="+cursor, nil)
		if err != nil {
			return err
		}
		if a.Status != http.StatusOK {
			return fmt.Errorf("guests: %d %s", a.Status, a.Body)
		}
		var page struct {
			Items      []struct{ ID string }
			NextCursor *string `json:"next_cursor"`
		}
		a.decode(w.t, &page)
		for _, g := range page.Items {
			seen[g.ID]++
		}
		if page.NextCursor == nil {
			return nil
		}
		cursor = *page.NextCursor
	}
}

// oneMailEach: each guest has the confirmation, and only that. A notifier that
// was killed between the server's 250 and its own record may send a mail again;
// SMTP cannot close that window, and the repeat carries the same Message-ID.
func (w *world) oneMailEach(acked *answersLedger) {
	w.t.Helper()
	testkit.Eventually(w.t, 5*time.Minute, 500*time.Millisecond, func() error {
		for address := range acked.rsvp {
			if len(w.mail.to(address)) == 0 {
				return errors.New(address + " has no mail")
			}
		}
		return nil
	})
	repeats := 0
	for address := range acked.rsvp {
		letters := w.mail.to(address)
		for _, l := range letters[1:] {
			repeats++
			if l.messageID != letters[0].messageID {
				w.t.Errorf("%s has two different mails: %q and %q", address, letters[0].subject, l.subject)
			}
		}
	}
	// Two kills of the notifier; results are recorded after 50 mails or 20 ms.
	if w.t.Logf("%d repeats with the same Message-ID", repeats); repeats > 2*50 {
		w.t.Errorf("%d mails were sent again", repeats)
	}
}
