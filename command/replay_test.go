package command_test

import (
	"bytes"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"
)

// The same key and body give the same bytes: at once, from another process,
// and while the first is still running. Nothing happens twice.
func TestARepeatGetsTheSameBytes(t *testing.T) {
	t.Parallel()
	r := start(t)
	auth := r.signUp("owner@example.org")
	orgID := r.organization(auth)
	event := request{method: "POST", path: "/v1/events", auth: auth, key: "make-it", body: draft(orgID, map[string]any{"external_id": "x-1", "capacity": 30})}
	made := r.do(event).want(http.StatusCreated)
	eventID := made.text("id")
	publish := request{method: "POST", path: "/v1/events/" + eventID + "/publish", auth: auth, key: "publish"}
	r.do(publish).want(http.StatusOK)
	answer := request{method: "POST", path: "/v1/events/" + eventID + "/rsvps", key: "ada-1", body: guest("ada", 2)}
	ada := r.do(answer).want(http.StatusCreated)
	leave := request{method: "DELETE", path: "/v1/rsvps/" + ada.text("id"), auth: "Guest " + ada.text("manage_token"), key: "leave"}
	left := r.do(leave).want(http.StatusOK)
	organization := request{method: "POST", path: "/v1/organizations", auth: auth, key: "org-2", body: map[string]string{"name": "Second", "slug": "second-" + unique(t)}}
	second := r.do(organization).want(http.StatusCreated)

	other := r.again()
	for name, c := range map[string]struct {
		again request
		first response
	}{
		"an event": {event, made}, "an answer": {answer, ada}, "a cancellation": {leave, left}, "an organization": {organization, second},
	} {
		for where, on := range map[string]*role{"the same process": r, "another process": other} {
			got := on.do(c.again)
			if got.status != c.first.status || !bytes.Equal(got.body, c.first.body) {
				t.Errorf("%s again, in %s: %d %s\nfirst: %d %s", name, where, got.status, got.body, c.first.status, c.first.body)
			}
			for _, h := range []string{"Location", "Turnout-Version", "ETag"} {
				if got.header.Get(h) != c.first.header.Get(h) {
					t.Errorf("%s again, in %s: %s %q, first %q", name, where, h, got.header.Get(h), c.first.header.Get(h))
				}
			}
		}
	}
	// Quoted as the draft has it, it is the same key.
	quoted := answer
	quoted.key = `"ada-1"`
	if got := r.do(quoted); !bytes.Equal(got.body, ada.body) {
		t.Errorf("quoted key: %d %s", got.status, got.body)
	}

	changed := answer
	changed.body = guest("ada", 1)
	r.do(changed).want(http.StatusUnprocessableEntity, "idempotency-key-reused")
	organization.body = map[string]string{"name": "Third", "slug": "third-" + unique(t)}
	r.do(organization).want(http.StatusUnprocessableEntity, "idempotency-key-reused")
	event.key, event.body = "make-another", draft(orgID, map[string]any{"external_id": "x-1"})
	if taken := r.do(event).want(http.StatusConflict, "external-id-taken"); taken.text("id") != eventID {
		t.Errorf("the conflict names %q, the event is %s", taken.text("id"), eventID)
	}
	if n := r.do(request{method: "GET", path: "/v1/events/" + eventID + "/certificate"}).number("version"); n != 4 {
		t.Errorf("version %d, want 4 (drafted, published, answered, left): a repeat did something", n)
	}
}

// A repeat gets its answer although the same request would be refused by now:
// the start has passed, a question was added that must be answered.
func TestARepeatIsNotJudgedAnew(t *testing.T) {
	t.Parallel()
	var ahead clock
	r := start(t, ahead.set)
	auth := r.signUp("owner@example.org")
	orgID := r.organization(auth)
	soon := time.Now().Add(2 * time.Hour).UTC().Truncate(time.Second)
	makes := request{method: "POST", path: "/v1/events", auth: auth, key: "make", body: draft(orgID, map[string]any{
		"starts_at": soon.Format(time.RFC3339), "ends_at": soon.Add(time.Hour).Format(time.RFC3339)})}
	made := r.do(makes).want(http.StatusCreated)
	eventID := r.published(auth, orgID, nil)
	answers := request{method: "POST", path: "/v1/events/" + eventID + "/rsvps", key: "press", body: guest("ada", 2)}
	ada := r.do(answers).want(http.StatusCreated)

	change := request{method: "PATCH", path: "/v1/rsvps/" + ada.text("id"), auth: "Guest " + ada.text("manage_token"), body: map[string]any{"response": "maybe"}}
	r.do(change).want(http.StatusOK)
	comes := change
	comes.key, comes.body = "come", map[string]any{"response": "going", "name": "Ada L."}
	came := r.do(comes).want(http.StatusOK)
	r.do(change).want(http.StatusOK)

	r.do(request{method: "PATCH", path: "/v1/events/" + eventID, auth: auth, body: map[string]any{
		"questions": []map[string]any{{"id": "diet", "label": "Diet?", "kind": "text", "required": true}}}}).want(http.StatusOK)
	// Who comes back must answer the question by now; who came back before it was asked has their answer.
	if again := r.do(comes); again.status != came.status || !bytes.Equal(again.body, came.body) {
		t.Errorf("the change again: %d %s\nfirst: %d %s", again.status, again.body, came.status, came.body)
	}
	for _, k := range []string{unique(t), ""} {
		other := comes
		other.key = k
		r.do(other).want(http.StatusBadRequest, "invalid-input")
	}
	comes.body = map[string]any{"response": "going", "name": "Bob"}
	r.do(comes).want(http.StatusUnprocessableEntity, "idempotency-key-reused")
	ahead.advance(4 * time.Hour)
	for _, c := range []struct {
		again request
		first response
	}{{makes, made}, {answers, ada}} {
		again := r.do(c.again)
		if again.status != c.first.status || !bytes.Equal(again.body, c.first.body) || again.header.Get("Location") != c.first.header.Get("Location") {
			t.Errorf("%s again: %d %s\nfirst: %d %s", c.again.path, again.status, again.body, c.first.status, c.first.body)
		}
		other := c.again
		other.key = unique(t)
		r.do(other).want(http.StatusBadRequest, "invalid-input")
		other.key = ""
		r.do(other).want(http.StatusBadRequest)
	}
	answers.body = guest("bob", 1)
	r.do(answers).want(http.StatusUnprocessableEntity, "idempotency-key-reused")
}

// Two processes, one key each for twenty answers, each sent eight times at
// once: every copy gets the same answer.
func TestRepeatsAtOnceAreOne(t *testing.T) {
	t.Parallel()
	r := start(t)
	auth := r.signUp("owner@example.org")
	eventID := r.published(auth, r.organization(auth), map[string]any{"capacity": 100})
	roles := []*role{r, r.again()}
	var mu sync.Mutex
	var wg sync.WaitGroup
	bodies := map[int]map[string]int{}
	for g := range 20 {
		bodies[g] = map[string]int{}
		for copy := range 8 {
			wg.Go(func() {
				got, err := roles[copy%2].insist(request{method: "POST", path: "/v1/events/" + eventID + "/rsvps",
					key: fmt.Sprintf("key-%d", g), body: guest(fmt.Sprintf("guest%d", g), 1)})
				mu.Lock()
				defer mu.Unlock()
				if err != nil || got.status != http.StatusCreated {
					t.Errorf("guest %d, copy %d: %d %s %v", g, copy, got.status, got.body, err)
					return
				}
				bodies[g][string(got.body)]++
			})
		}
	}
	wg.Wait()
	for g, answers := range bodies {
		if len(answers) != 1 {
			t.Errorf("guest %d got %d different answers", g, len(answers))
		}
	}
	var rows int
	if err := r.pool.QueryRow(t.Context(), `SELECT count(*) FROM rsvp WHERE event_id = $1`, eventID).Scan(&rows); err != nil || rows != 20 {
		t.Errorf("%d answers stored, want 20: %v", rows, err)
	}
}
