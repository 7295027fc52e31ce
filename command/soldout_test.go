package command_test

import (
	"bufio"
	"bytes"
	"fmt"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// A full event refuses in its own words; a freed seat is there for whoever asks next, whichever process freed it; who has
// answered, and who sends a key again, hears what they heard before.
func TestASoldOutEventForgetsNothing(t *testing.T) {
	t.Parallel()
	r := start(t)
	other := r.again()
	auth := r.signUp("owner@example.org")
	eventID := r.published(auth, r.organization(auth), map[string]any{"capacity": 2, "waitlist_policy": "none"})
	path := "/v1/events/" + eventID + "/rsvps"
	ada := request{method: "POST", path: path, key: "ada", body: guest("ada", 1)}
	seated := r.do(ada).want(http.StatusCreated)
	last := other.answer(eventID, "last", 1).want(http.StatusCreated)
	for round := range 30 {
		for i := range 3 {
			no := r.answer(eventID, fmt.Sprintf("late-%d-%d", round, i), 1).want(http.StatusConflict, "event-full")
			if no.number("remaining") != 0 || no.text("request_id") != no.header.Get("X-Request-Id") {
				t.Fatalf("%s, %v", no.body, no.header)
			}
		}
		if again := r.do(ada); again.status != seated.status || !bytes.Equal(again.body, seated.body) {
			t.Fatalf("the key again: %d %s", again.status, again.body)
		}
		changed := ada
		changed.body = guest("ada", 2)
		r.do(changed).want(http.StatusUnprocessableEntity, "idempotency-key-reused")
		r.answer(eventID, "ada", 1).want(http.StatusConflict, "already-answered")
		large := guest("big", 40)
		r.do(request{method: "POST", path: path, key: unique(t), body: large}).want(http.StatusBadRequest, "invalid-input")
		maybe := guest(fmt.Sprintf("maybe-%d", round), 1)
		maybe["response"] = "maybe"
		kept := request{method: "POST", path: path, key: unique(t), body: maybe}
		first := other.do(kept).want(http.StatusCreated)
		if again := r.do(kept); !bytes.Equal(again.body, first.body) {
			t.Fatalf("an answer of the other process, again: %d %s", again.status, again.body)
		}
		other.do(request{method: "DELETE", path: "/v1/rsvps/" + last.text("id"), auth: "Guest " + last.text("manage_token")}).want(http.StatusOK)
		last = r.answer(eventID, fmt.Sprintf("next-%d", round), 1).want(http.StatusCreated)
	}
	if n := r.metric("turnout_command_soldout_refusals_total"); n < 15 {
		t.Errorf("%v were refused without the queue", n)
	}
	// What changes the event changes what is said: more seats, a waitlist, the end.
	member := func(method, path string, body map[string]any) {
		other.do(request{method: method, path: path, auth: auth, body: body}).want(http.StatusOK)
	}
	member("PUT", "/v1/events/"+eventID+"/capacity", map[string]any{"capacity": 3})
	r.answer(eventID, "third", 1).want(http.StatusCreated)
	r.answer(eventID, "fourth", 1).want(http.StatusConflict, "event-full")
	r.answer(eventID, "fourth", 1).want(http.StatusConflict, "event-full")
	member("PATCH", "/v1/events/"+eventID, map[string]any{"waitlist_policy": "auto"})
	if got := r.answer(eventID, "fifth", 1).want(http.StatusCreated); got.text("status") != "waitlisted" {
		t.Errorf("with a waitlist: %s", got.body)
	}
	member("POST", "/v1/events/"+eventID+"/cancel", map[string]any{"reason": "rain"})
	r.answer(eventID, "sixth", 1).want(http.StatusConflict, "event-cancelled")
}

// Sixteen ask two processes for one seat that is given back again and again: nobody gets it twice, and who gives it back
// always finds a taker.
func TestASeatGivenBackIsFound(t *testing.T) {
	t.Parallel()
	r := start(t)
	roles := []*role{r, r.again()}
	auth := r.signUp("owner@example.org")
	eventID := r.published(auth, r.organization(auth), map[string]any{"capacity": 1, "waitlist_policy": "none"})
	var mu sync.Mutex
	taken, inside := 0, 0
	var wg sync.WaitGroup
	for g := range 16 {
		wg.Go(func() {
			for try := range 20 {
				got, err := roles[g%2].insist(request{method: "POST", path: "/v1/events/" + eventID + "/rsvps",
					key: unique(t), body: guest(fmt.Sprintf("g%d-%d", g, try), 1)})
				switch {
				case err != nil || got.status != http.StatusCreated && got.status != http.StatusConflict:
					t.Errorf("%d %s %v", got.status, got.body, err)
					return
				case got.status == http.StatusConflict && !strings.Contains(string(got.body), "event-full"):
					t.Errorf("%s", got.body)
				case got.status == http.StatusCreated:
					mu.Lock()
					taken, inside = taken+1, inside+1
					if inside > 1 {
						t.Error("two have the one seat")
					}
					mu.Unlock()
					runtime.Gosched()
					mu.Lock()
					inside-- // before it is given back
					mu.Unlock()
					left, err := roles[(g+1)%2].insist(request{method: "DELETE", path: "/v1/rsvps/" + got.text("id"), auth: "Guest " + got.text("manage_token")})
					if err != nil || left.status != http.StatusOK {
						t.Errorf("%d %s %v", left.status, left.body, err)
					}
				}
			}
		})
	}
	wg.Wait()
	if taken < 2 {
		t.Errorf("the seat was taken %d times", taken)
	}
	r.answer(eventID, "at-last", 1).want(http.StatusCreated)
}

// metric is a value without labels of /metrics.
func (r *role) metric(name string) float64 {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, r.ops+"/metrics", nil)
	if err != nil {
		r.t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		if text, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			v, err := strconv.ParseFloat(text, 64)
			if err != nil {
				r.t.Fatal(err)
			}
			return v
		}
	}
	r.t.Fatalf("there is no %s", name)
	return 0
}
