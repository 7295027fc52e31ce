package command_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
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

// A Redis that takes connections and never answers holds nobody up either, and
// when it speaks again the processes count together again.
func TestNoAnswerWaitsForARedisThatIsSilent(t *testing.T) {
	t.Parallel()
	const silence, bound, most = 30 * time.Second, 10 * time.Second, 40
	cable, url := testkit.NewCableURL(t, testkit.Engines(t).Redis)
	conn, err := redisconn.Open(t.Context(), redisconn.Config{URL: url, Namespace: testkit.Namespace(t), Timeout: silence}, testkit.Logger(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	r := start(t, func(cfg *command.Config, d *command.Deps) {
		d.Redis = conn
		cfg.Limits.RSVPClient = limit.Rate{N: most, Per: 24 * time.Hour}
	})
	processes := []*role{r, r.again()}
	t.Cleanup(cable.Cut) // before they stop, which would wait for it
	auth := r.signUp("owner@example.org")
	eventID := r.published(auth, r.organization(auth), map[string]any{"capacity": 1000})
	own := make([]int, len(processes)) // answers that each took
	// used is how many answers a process knows of, one more included.
	used := func(i int) int {
		t.Helper()
		got := processes[i].answer(eventID, unique(t), 1)
		if got.status != http.StatusTooManyRequests {
			got.want(http.StatusCreated)
			own[i]++
		}
		var left int
		if _, err := fmt.Sscanf(got.header.Get("RateLimit"), `"rsvp-client";r=%d;`, &left); err != nil {
			t.Fatalf("RateLimit %q: %v", got.header.Get("RateLimit"), err)
		}
		return most - left
	}

	cable.Hang()
	for range most / 4 { // from an eighth of a limit on Redis is told of each
		for i := range processes {
			began := time.Now()
			if n := used(i); n != own[i] {
				t.Fatalf("process %d knows of %d answers, and took %d: Redis is not silent", i, n, own[i])
			}
			if took := time.Since(began); took > bound {
				t.Fatalf("an answer took %s: it waited for Redis", took)
			}
		}
	}
	cable.Mend()
	testkit.Eventually(t, time.Minute, 100*time.Millisecond, func() error {
		for i := range processes {
			if n := used(i); n <= own[i] {
				return fmt.Errorf("process %d knows of %d answers, its own %d", i, n, own[i])
			}
		}
		return nil
	})
}

// Whoever answers is told of each limit what is left of it and until when, and
// who is refused when to come again.
func TestAnAnswerTellsWhatIsLeft(t *testing.T) {
	t.Parallel()
	r := start(t, func(cfg *command.Config, _ *command.Deps) {
		cfg.Limits.RSVPClient, cfg.Limits.RSVPGuest = limit.Rate{N: 3, Per: time.Hour}, limit.Rate{N: 20, Per: time.Minute}
	})
	auth := r.signUp("owner@example.org")
	eventID := r.published(auth, r.organization(auth), nil)
	left := func(got response, format string, n int) (reset int) {
		t.Helper()
		pattern := "^" + fmt.Sprintf(format, n) + "$"
		m := regexp.MustCompile(pattern).FindStringSubmatch(got.header.Get("RateLimit"))
		if m == nil {
			t.Fatalf("%s: RateLimit %q, want %s", got.what, got.header.Get("RateLimit"), pattern)
		}
		for i, most := range []int{3600, 60}[:len(m)-1] { // seconds of the windows
			if s, err := strconv.Atoi(m[i+1]); err != nil || s < 1 || s > most {
				t.Errorf("%s: RateLimit %q: a window of %d s ends in %s", got.what, m[0], most, m[i+1])
			}
		}
		reset, _ = strconv.Atoi(m[1])
		return reset
	}
	for i, name := range []string{"a", "b", "c"} {
		got := r.answer(eventID, name, 1).want(http.StatusCreated)
		left(got, `"rsvp-client";r=%d;t=(\d+), "rsvp-guest";r=19;t=(\d+)`, 2-i)
		if policy := got.header.Get("RateLimit-Policy"); policy != `"rsvp-client";q=3;w=3600, "rsvp-guest";q=20;w=60` {
			t.Errorf("RateLimit-Policy %q", policy)
		}
	}
	got := r.answer(eventID, "d", 1).want(http.StatusTooManyRequests, "rate-limited")
	reset := left(got, `"rsvp-client";r=%d;t=(\d+)`, 0)
	if policy := got.header.Get("RateLimit-Policy"); policy != `"rsvp-client";q=3;w=3600` {
		t.Errorf("RateLimit-Policy %q", policy)
	}
	// The window slides: in the next stretch what was counted in this one weighs less by the minute.
	if after, err := strconv.Atoi(got.header.Get("Retry-After")); err != nil || after < 1 || after > reset+3600 {
		t.Errorf("Retry-After %q, and the window ends in %d s", got.header.Get("Retry-After"), reset)
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
