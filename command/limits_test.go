package command_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/turnout-events/turnout/command"
	"github.com/turnout-events/turnout/command/limit"
	"github.com/turnout-events/turnout/internal/redisconn"
	"github.com/turnout-events/turnout/internal/testkit"
)

// With Redis away (nothing listens where it should be) limits hold, and
// answers are as fast as ever.
func TestLimitsHoldWithoutRedis(t *testing.T) {
	t.Parallel()
	away, err := redisconn.Open(t.Context(), redisconn.Config{URL: "redis://127.0.0.1:1/0", Namespace: "away"}, testkit.Logger(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = away.Close() })
	r := start(t, func(cfg *command.Config, d *command.Deps) {
		d.Redis = away
		cfg.Limits.RSVPClient = limit.Rate{N: 3, Per: time.Hour}
	})
	auth := r.signUp("owner@example.org")
	eventID := r.published(auth, r.organization(auth), nil)
	quickest := time.Hour // of three: any may meet a busy machine
	for _, name := range []string{"a", "b", "c"} {
		began := time.Now()
		r.answer(eventID, name, 1).want(http.StatusCreated)
		quickest = min(quickest, time.Since(began))
	}
	if quickest > time.Second {
		t.Errorf("an answer took %s: it waited for Redis", quickest)
	}
	refused := r.answer(eventID, "d", 1).want(http.StatusTooManyRequests, "rate-limited")
	if refused.header.Get("Retry-After") == "" || refused.text("policy") != "rsvp-client" {
		t.Errorf("refusal: %v %s", refused.header, refused.body)
	}
}

// The client's address comes from a proxy that is trusted, and from nobody else.
func TestLimitsGoByTheClientBehindTheGateway(t *testing.T) {
	t.Parallel()
	limits := func(cfg *command.Config, _ *command.Deps) { cfg.Limits.RSVPClient = limit.Rate{N: 1, Per: time.Hour} }
	from := func(r *role, eventID, name, address string) response {
		return r.do(request{method: "POST", path: "/v1/events/" + eventID + "/rsvps", key: unique(t), body: guest(name, 1),
			header: map[string]string{"X-Forwarded-For": address}})
	}
	r := start(t, limits)
	auth := r.signUp("owner@example.org")
	eventID := r.published(auth, r.organization(auth), nil)
	from(r, eventID, "a", "203.0.113.1").want(http.StatusCreated)
	from(r, eventID, "b", "203.0.113.2").want(http.StatusCreated)
	from(r, eventID, "c", "203.0.113.1").want(http.StatusTooManyRequests)
	from(r, eventID, "c", "203.0.113.9, 203.0.113.2").want(http.StatusTooManyRequests) // what a client adds stands before

	open := start(t, limits, func(cfg *command.Config, _ *command.Deps) { cfg.TrustedProxies = nil })
	auth = open.signUp("owner@example.org")
	eventID = open.published(auth, open.organization(auth), nil)
	from(open, eventID, "a", "203.0.113.1").want(http.StatusCreated)
	from(open, eventID, "b", "203.0.113.2").want(http.StatusTooManyRequests)
}

// make run lifts limits per network address for loopback, where everybody has the same one.
func TestLoopbackMayHaveItsOwnLimit(t *testing.T) {
	t.Parallel()
	r := start(t, func(cfg *command.Config, _ *command.Deps) {
		cfg.Limits.RSVPClient, cfg.Limits.Loopback = limit.Rate{N: 1, Per: time.Hour}, "off"
		cfg.Limits.RSVPGuest = limit.Rate{N: 2, Per: time.Hour}
	})
	auth := r.signUp("owner@example.org")
	eventID := r.published(auth, r.organization(auth), nil)
	for _, name := range []string{"a", "b", "c"} {
		r.answer(eventID, name, 1).want(http.StatusCreated)
	}
	// A guest's own limit stands: somebody tries an address again and again.
	r.answer(eventID, "a", 1).want(http.StatusConflict, "already-answered")
	r.answer(eventID, "a", 1).want(http.StatusTooManyRequests)
}

// A member adds one walk-in after the other: without an address they are not one guest who tries again and again.
func TestWalkInsWithoutAnAddressAreNotOneGuest(t *testing.T) {
	t.Parallel()
	r := start(t, func(cfg *command.Config, _ *command.Deps) { cfg.Limits.RSVPGuest = limit.Rate{N: 1, Per: time.Hour} })
	auth := r.signUp("owner@example.org")
	eventID := r.published(auth, r.organization(auth), nil)
	for range 3 {
		nameless := guest("walk-in", 1)
		nameless["email"] = ""
		r.do(request{method: "POST", path: "/v1/events/" + eventID + "/rsvps", auth: auth, key: unique(t), body: nameless}).want(http.StatusCreated)
	}
}

// One form of the page cannot be used to try many addresses; another form, or a program with keys of its own, can go on.
func TestAFormIsTriedOnlySoOften(t *testing.T) {
	t.Parallel()
	r := start(t, func(cfg *command.Config, _ *command.Deps) { cfg.Limits.RSVPForm = limit.Rate{N: 3, Per: time.Hour} })
	auth := r.signUp("owner@example.org")
	eventID := r.published(auth, r.organization(auth), nil)
	try := func(key, name string) response {
		return r.do(request{method: "POST", path: "/v1/events/" + eventID + "/rsvps", key: key, body: guest(name, 1)})
	}
	first := try("form-one", "ada").want(http.StatusCreated)
	if again := try("form-one", "ada").want(http.StatusCreated); again.text("id") != first.text("id") {
		t.Errorf("a double click made another answer: %s", again.body)
	}
	try("form-one", "bob").want(http.StatusUnprocessableEntity, "idempotency-key-reused")
	if got := try("form-one", "cleo").want(http.StatusTooManyRequests); got.text("policy") != "rsvp-form" {
		t.Errorf("refused by %s", got.body)
	}
	try("form-two", "cleo").want(http.StatusCreated)
	for _, name := range []string{"dan", "eve", "fay", "gus"} {
		try("program-"+name, name).want(http.StatusCreated)
	}
}
