package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/turnout-events/turnout/internal/document"
	"github.com/turnout-events/turnout/internal/redisconn"
	"github.com/turnout-events/turnout/internal/testkit"
)

// patience is how long an answer may take while an engine is away: two seconds
// are promised, the rest is for a machine that is busy with other tests. What
// hangs takes fifteen; of several the quickest is held to its promise.
const (
	patience = 6 * time.Second
	promised = 2500 * time.Millisecond
	overdue  = 1500 * time.Millisecond // of the two seconds: a refusal after that is one for want of time
)

// outage is a running system with one event, and what its guests were told.
type outage struct {
	*world
	event, slug string
	acked       *answersLedger
	quickest    map[string]time.Duration // of what was refused, by method and path
}

type guest struct {
	ID          string
	ManageToken string `json:"manage_token"`
}

func begin(w *world) *outage {
	w.t.Helper()
	w.serveHere()
	w.organizer()
	o := &outage{world: w, acked: newLedgerOfAnswers(), quickest: map[string]time.Duration{}}
	o.event, o.slug = w.event("Outage", 30*24*time.Hour, map[string]any{"capacity": 500})
	return o
}

// soon asks once, and looks at the clock. What was given up only when its time was over met a machine that is busy with
// other tests: it is asked twice more, where that can change nothing twice.
func (o *outage) soon(status int, method, path string, body any, headers ...string) answer {
	o.t.Helper()
	safe := method == http.MethodGet || slices.Contains(headers, "Idempotency-Key")
	for try := 1; ; try++ {
		began := time.Now()
		a, err := o.call(method, path, body, headers...)
		took := time.Since(began)
		if took > patience {
			o.t.Errorf("%s %s took %s", method, path, took)
		}
		if err == nil && a.Status == status {
			return a
		}
		if err != nil || a.Status != http.StatusServiceUnavailable || took < overdue || !safe || try == 3 {
			o.t.Fatalf("%s %s: got %d, want %d: %s (%v)", method, path, a.Status, status, a.Body, err)
		}
		o.t.Logf("%s %s: %d after %s, asking again", method, path, a.Status, took)
	}
}

// unavailable wants a problem that says when to come back.
func (o *outage) unavailable(method, path string, body any, headers ...string) {
	o.t.Helper()
	began := time.Now()
	a := o.soon(http.StatusServiceUnavailable, method, path, body, headers...)
	took := time.Since(began)
	if before, there := o.quickest[method+" "+path]; there {
		took = min(took, before)
	}
	o.quickest[method+" "+path] = took
	if a.Header.Get("Retry-After") == "" || a.Header.Get("Content-Type") != "application/problem+json" {
		o.t.Errorf("%s %s: %v %s", method, path, a.Header, a.Body)
	}
}

// comes answers Going, which must be taken.
func (o *outage) comes(name string) guest {
	o.t.Helper()
	a := o.soon(http.StatusCreated, "POST", "/v1/events/"+o.event+"/rsvps", map[string]any{
		"name": name, "email": name + "@example.net", "response": "going", "party_size": 1,
	}, "Idempotency-Key", name, "Authorization", "")
	o.acked.acknowledged(o.t, name+"@example.net", o.event, a)
	var g guest
	a.decode(o.t, &g)
	return g
}

// seats waits for the availability to have a part, and to be marked as given.
func (o *outage) seats(degraded, part string) {
	o.t.Helper()
	testkit.Eventually(o.t, time.Minute, 100*time.Millisecond, func() error {
		a := o.soon(http.StatusOK, "GET", "/v1/events/"+o.event+"/availability", nil)
		if a.Header.Get("Turnout-Degraded") != degraded || !strings.Contains(string(a.Body), part) {
			return fmt.Errorf("seats: degraded %q, %s", a.Header.Get("Turnout-Degraded"), a.Body)
		}
		return nil
	})
}

// listed waits for a search to find the event with a part.
func (o *outage) listed(part string) {
	o.t.Helper()
	testkit.Eventually(o.t, 2*time.Minute, 200*time.Millisecond, func() error {
		a, err := o.call("GET", "/v1/events?q=outage", nil)
		if err == nil && (a.Status != http.StatusOK || !strings.Contains(string(a.Body), part)) {
			err = fmt.Errorf("search: %d %s", a.Status, a.Body)
		}
		return err
	})
}

// form fills in the page's form, to be sent later.
func (o *outage) form(name string) url.Values {
	o.t.Helper()
	page := o.want(http.StatusOK, "GET", "/e/"+o.slug, nil, "Authorization", "")
	token := formToken.FindSubmatch(page.Body)
	if token == nil {
		o.t.Fatalf("no form token in\n%s", page.Body)
	}
	return url.Values{"form": {string(token[1])}, "name": {name}, "email": {name + "@example.net"}, "response": {"going"}, "party_size": {"1"}}
}

// send sends a form, and once more when that was too quick for a person.
func (o *outage) send(form url.Values) (status int) {
	o.t.Helper()
	testkit.Eventually(o.t, 20*time.Second, 500*time.Millisecond, func() error {
		began := time.Now()
		res, err := o.http.PostForm(o.url+"/e/"+o.slug, form)
		if err != nil {
			return err
		}
		_ = res.Body.Close()
		if took := time.Since(began); took > patience {
			o.t.Errorf("the page's form took %s", took)
		}
		if status = res.StatusCode; status < 500 {
			return fmt.Errorf("the form answered %s", res.Status)
		}
		return nil
	})
	return status
}

// emptyRedis deletes what this system has there, and nobody else's.
func (o *outage) emptyRedis(direct string) {
	o.t.Helper()
	ctx := o.t.Context()
	rd, err := redisconn.Open(ctx, redisconn.Config{URL: direct, Namespace: o.env["TURNOUT_NAMESPACE"]}, testkit.Logger(o.t))
	if err != nil {
		o.t.Fatal(err)
	}
	defer func() { _ = rd.Close() }()
	sentinel := rd.Key(document.KeySentinel)
	testkit.Eventually(o.t, time.Minute, 100*time.Millisecond, func() error { // else it is not full yet
		if n, err := rd.Exists(ctx, sentinel).Result(); err != nil || n == 0 {
			return errors.Join(err, errors.New("no sentinel key"))
		}
		return nil
	})
	keys, err := rd.Keys(ctx, rd.Key("*")).Result()
	if err == nil && len(keys) > 0 {
		err = rd.Del(ctx, keys...).Err()
	}
	if err != nil {
		o.t.Fatal(err)
	}
}

// settled waits until every store agrees with the log, and with what guests
// were told; until the outbox is empty and every guest has the mail.
func (o *outage) settled() {
	o.t.Helper()
	for request, took := range o.quickest {
		if took > promised {
			o.t.Errorf("%s was never refused sooner than after %s", request, took)
		}
	}
	s, err := loadFrom[settings](o.env)
	if err != nil {
		o.t.Fatal(err)
	}
	report, err := auditAll(o.t.Context(), s, o.acked.told, stores, 2*time.Minute, testkit.Logger(o.t))
	if err != nil {
		o.t.Fatal(err)
	}
	if report.Failed() || report.Acknowledged != o.acked.size() {
		o.t.Errorf("%d of %d answers that were acknowledged are in the log; %+v", report.Acknowledged, o.acked.size(), report.Findings)
	}
	testkit.Eventually(o.t, time.Minute, 200*time.Millisecond, func() error {
		seen := map[string]int{}
		if err := o.guests(o.event, seen); err != nil {
			return err
		}
		for address, id := range o.acked.rsvp {
			if seen[id] != 1 {
				return fmt.Errorf("the guest list shows %s of %s %d times", id, address, seen[id])
			}
		}
		return nil
	})
	o.drained()
	o.oneMailEach(o.acked)
}

// drained waits until the outbox is empty.
func (o *outage) drained() {
	o.t.Helper()
	testkit.Eventually(o.t, time.Minute, 200*time.Millisecond, func() error {
		var backlog struct{ Items []struct{ Pending int64 } }
		o.want(http.StatusOK, "GET", "/v1/ops/outbox", nil, "Authorization", "Bearer "+opsToken).decode(o.t, &backlog)
		for _, topic := range backlog.Items {
			if topic.Pending != 0 {
				return fmt.Errorf("%d messages are left in the outbox", topic.Pending)
			}
		}
		return nil
	})
}

// oneMailEachExactly is for outages that the notifier's own store has no part
// in: there is no excuse for a repeat.
func (o *outage) oneMailEachExactly() {
	o.t.Helper()
	for address := range o.acked.rsvp {
		if n := len(o.mail.to(address)); n != 1 {
			o.t.Errorf("%s has %d mails", address, n)
		}
	}
}
