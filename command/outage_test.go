package command_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/turnout-events/turnout/command"
	"github.com/turnout-events/turnout/internal/postgres"
	"github.com/turnout-events/turnout/internal/testkit"
)

// Without Postgres every write says 503 and when to come back, soon and as a
// problem; when it is back everything goes on, and a key that was sent before
// has been done once or not at all.
func TestPostgresAway(t *testing.T) {
	t.Parallel()
	r := start(t)
	auth := r.signUp("owner@example.org")
	orgID := r.organization(auth)
	eventID := r.published(auth, orgID, nil)
	ada := r.answer(eventID, "ada", 1).want(http.StatusCreated)

	line, url := testkit.NewCableURL(t, r.pool.Config().ConnString())
	pool, err := postgres.Open(t.Context(), postgres.Config{URL: url, MaxConns: 6}, testkit.Logger(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	far := &role{t: t, pool: pool, ring: r.ring, redis: r.redis, change: []func(*command.Config, *command.Deps){
		func(_ *command.Config, d *command.Deps) { d.AnswerBound = 0 }, // as clients are promised
	}}
	far.run()
	testkit.Eventually(t, 20*time.Second, 100*time.Millisecond, func() error {
		if got := far.do(request{method: "GET", path: "/readyz", ops: true}); got.status != http.StatusOK {
			return fmt.Errorf("%d %s", got.status, got.body)
		}
		return nil
	})

	line.Cut()
	mine := "Guest " + ada.text("manage_token")
	bob := request{method: "POST", path: "/v1/events/" + eventID + "/rsvps", key: "bob", body: guest("bob", 1)}
	for _, q := range []request{
		bob,
		{method: "PATCH", path: "/v1/rsvps/" + ada.text("id"), auth: mine, body: `{"party_size":2}`},
		{method: "DELETE", path: "/v1/rsvps/" + ada.text("id"), auth: mine},
		{method: "POST", path: "/v1/events", auth: auth, body: draft(orgID, nil)},
		{method: "PATCH", path: "/v1/events/" + eventID, auth: auth, body: `{"title":"x"}`},
		{method: "POST", path: "/v1/events/" + eventID + "/check-ins", auth: auth, body: `{"rsvp_id":"` + ada.text("id") + `"}`},
		{method: "POST", path: "/v1/organizations", auth: auth, body: `{"name":"x","slug":"x"}`},
		{method: "POST", path: "/v1/organizations", auth: auth, key: "k", body: `{"name":"x","slug":"x"}`},
		{method: "POST", path: "/v1/organizations/" + orgID + "/members", auth: auth, body: `{"email":"a@example.org","role":"door"}`},
		{method: "POST", path: "/v1/auth/login", body: `{"email":"owner@example.org","password":"` + password + `"}`},
		{method: "POST", path: "/v1/auth/register", body: `{"email":"new@example.org","password":"` + password + `","name":"New"}`},
		{method: "POST", path: "/v1/auth/refresh", body: `{"refresh_token":"x"}`},
		{method: "POST", path: "/v1/auth/logout", body: `{"refresh_token":"x"}`},
		{method: "POST", path: "/v1/guest-links", body: `{"email":"ada@example.org"}`},
		{method: "POST", path: "/v1/privacy/export", auth: mine},
		{method: "GET", path: "/v1/events/" + eventID + "/certificate"},
		{method: "GET", path: "/v1/events/" + eventID + "/cover"},
	} {
		quickest := time.Hour // of three: any may meet a busy machine
		for tries := 0; tries < 3 && quickest > 3*time.Second; tries++ {
			began := time.Now()
			got := far.do(q)
			if got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" {
				t.Errorf("%s: %d %s, Retry-After %q", got.what, got.status, got.body, got.header.Get("Retry-After"))
			}
			quickest = min(quickest, time.Since(began))
		}
		if quickest > 3*time.Second {
			t.Errorf("%s %s: took %s to say so", q.method, q.path, quickest)
		}
	}
	if got := far.do(request{method: "GET", path: "/readyz", ops: true}); got.status != http.StatusServiceUnavailable {
		t.Errorf("readyz: %d", got.status)
	}

	line.Mend()
	testkit.Eventually(t, 20*time.Second, 100*time.Millisecond, func() error {
		if got := far.do(bob); got.status != http.StatusCreated {
			return fmt.Errorf("%d %s", got.status, got.body)
		}
		return nil
	})
	var bobs int
	err = r.pool.QueryRow(t.Context(), `SELECT count(*) FROM rsvp WHERE email_hmac = $1`, r.ring.EmailHMAC("bob@example.org")).Scan(&bobs)
	if err != nil || bobs != 1 {
		t.Errorf("%d answers of bob: %v", bobs, err)
	}
}
