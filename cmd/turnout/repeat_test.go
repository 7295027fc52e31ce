package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/turnout-events/turnout/internal/testkit"
)

// sent is a request that a client keeps, and the first answer that it got.
type sent struct {
	method, path string
	body         any
	key, auth    string
	first        answer
}

// A key gets the same bytes again from a process that knows nothing of the
// first one: the command role is killed (kill -9) while it decides, and once
// more when everybody has an answer. Who had none when it died asks again, and
// is decided once.
func TestARepeatAfterAKillGetsTheSameBytes(t *testing.T) {
	t.Parallel()
	const guests = 240
	w := newWorld(t)
	w.url = w.env["TURNOUT_COMMAND_URL"]
	p := &processes{w: w, binary: filepath.Join(t.TempDir(), "turnout"), roles: map[string]*exec.Cmd{}, out: map[string]*bytes.Buffer{}}
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", p.binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	t.Cleanup(func() { p.kill("command") })
	p.restart("command", "COMMAND")
	w.organizer()
	event, _ := w.event("Rush", 30*24*time.Hour, map[string]any{"capacity": 2 * guests, "max_party": 2})

	owner := "Bearer " + w.bearer
	start := time.Now().Add(48 * time.Hour).UTC().Truncate(time.Second)
	requests := []*sent{
		{method: "POST", path: "/v1/events", auth: owner, key: "draft", body: map[string]any{
			"organization_id": w.org, "title": "Once", "starts_at": start, "ends_at": start.Add(time.Hour), "time_zone": "Asia/Tokyo"}},
		{method: "PUT", path: "/v1/events/" + event + "/capacity", auth: owner, key: "more", body: map[string]any{"capacity": 2*guests + 1}},
		{method: "POST", path: "/v1/organizations", auth: owner, key: "organization", body: map[string]string{"name": "Second", "slug": "second"}},
	}
	for n := range guests {
		requests = append(requests, &sent{method: "POST", path: "/v1/events/" + event + "/rsvps", key: fmt.Sprintf("press-%d", n),
			body: map[string]any{"name": fmt.Sprintf("Guest %d", n), "email": fmt.Sprintf("g%d@example.net", n), "response": "going", "party_size": 1 + n%2}})
	}
	half := make(chan struct{})
	var clients sync.WaitGroup
	jobs := make(chan *sent)
	for range 12 {
		clients.Go(func() {
			for r := range jobs {
				w.persevere(r)
			}
		})
	}
	clients.Go(func() {
		<-half
		p.restart("command", "COMMAND")
	})
	for n, r := range requests {
		if n == len(requests)/2 {
			close(half)
		}
		jobs <- r
	}
	close(jobs)
	clients.Wait()
	if t.Failed() {
		return
	}

	p.restart("command", "COMMAND")
	for _, r := range requests {
		again := w.want(r.first.Status, r.method, r.path, r.body, "Idempotency-Key", r.key, "Authorization", r.auth)
		if !bytes.Equal(again.Body, r.first.Body) {
			t.Errorf("%s %s again:\n%s\nfirst:\n%s", r.method, r.path, again.Body, r.first.Body)
		}
		for _, name := range []string{"Turnout-Version", "Location", "ETag"} {
			if got, want := again.Header.Get(name), r.first.Header.Get(name); got != want {
				t.Errorf("%s %s again: %s %q, first %q", r.method, r.path, name, got, want)
			}
		}
	}
	last := requests[len(requests)-1]
	w.want(http.StatusUnprocessableEntity, last.method, last.path, map[string]any{"name": "Eve", "email": "eve@example.net", "response": "going"},
		"Idempotency-Key", last.key, "Authorization", "")
	var proof struct {
		Version       int64
		Seated        int
		Intact        bool
		NeverExceeded bool `json:"capacity_never_exceeded"`
	}
	w.want(http.StatusOK, "GET", "/v1/events/"+event+"/certificate", nil, "Authorization", "").decode(t, &proof)
	// Drafted, published, one change of the capacity, and each answer once.
	if proof.Version != 3+guests || proof.Seated != guests+guests/2 || !proof.Intact || !proof.NeverExceeded {
		t.Errorf("certificate %+v, want version %d and %d people", proof, 3+guests, guests+guests/2)
	}
}

// restart kills a role if it runs, starts it and waits until it is ready.
func (p *processes) restart(name, setting string) {
	p.w.t.Helper()
	p.kill(name)
	p.start(name)
	testkit.Eventually(p.w.t, 2*time.Minute, 50*time.Millisecond, func() error {
		res, err := p.w.http.Get(p.w.env["TURNOUT_"+setting+"_OPS_URL"] + "/readyz")
		if err != nil {
			return err
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusOK {
			return fmt.Errorf("%s is not ready: %s", name, res.Status)
		}
		return nil
	})
}

// persevere sends a request, always the same, until it is answered.
func (w *world) persevere(r *sent) {
	ctx, cancel := context.WithTimeout(w.t.Context(), 5*time.Minute)
	defer cancel()
	last := ""
	for ctx.Err() == nil {
		a, err := w.call(r.method, r.path, r.body, "Idempotency-Key", r.key, "Authorization", r.auth)
		switch {
		case err != nil:
			last = err.Error()
		case a.Status/100 == 2:
			r.first = a
			return
		case a.Status < 500 && a.Status != http.StatusConflict: // 409: the first request still runs
			w.t.Errorf("%s %s: %d %s", r.method, r.path, a.Status, a.Body)
			return
		default:
			last = string(a.Body)
		}
		select {
		case <-ctx.Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
	w.t.Errorf("%s %s was never answered: %s", r.method, r.path, last)
}
