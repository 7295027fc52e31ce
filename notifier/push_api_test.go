package notifier

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/testkit/pushservice"
	"github.com/turnout-events/turnout/internal/token"
	"github.com/turnout-events/turnout/notifier/notice"
	"github.com/turnout-events/turnout/notifier/push"
)

func TestWhoMayAddADevice(t *testing.T) {
	t.Parallel()
	w, s := pushWorld(t, nil)
	owner := newID(t)
	w.hear(w.organization(1, map[string]string{owner: contract.RoleOwner}))
	w.hear(w.going("ana"), w.going("bo"))
	sessions, err := token.NewSessions(w.ring)
	if err != nil {
		t.Fatal(err)
	}
	ana, bo := w.guests["ana"].ID, w.guests["bo"].ID
	session := sessions.Session([]byte("ana"), w.clock.Now()) // the world's HMAC of an address is the name
	phone := s.Browser(t, "phone")
	for name, c := range map[string]struct {
		credential, more string
		want             int
	}{
		"manage token":                {w.manageToken("ana"), "", 201},
		"the same, naming the answer": {w.manageToken("ana"), `, "rsvp_id": "` + ana + `"`, 201},
		"somebody else's answer":      {w.manageToken("ana"), `, "rsvp_id": "` + bo + `"`, 404},
		"session":                     {session, `, "rsvp_id": "` + ana + `"`, 201},
		"session, else's answer":      {session, `, "rsvp_id": "` + bo + `"`, 404},
		"session, no answer":          {session, "", 400},
		"forged":                      {"forged", "", 401},
		"a kind that is never pushed": {w.manageToken("ana"), `, "kinds": ["thank_you"]`, 400},
		"no kinds":                    {w.manageToken("ana"), `, "kinds": []`, 400},
		"unknown field":               {w.manageToken("ana"), `, "kind": "offer"`, 400},
	} {
		status, body := w.asGuest("POST", "/v1/push-subscriptions", c.credential, subscriptionBody(phone, c.more))
		if status != c.want && !(c.want == 201 && status == 200) {
			t.Errorf("%s: %d, expected %d: %s", name, status, c.want, body)
		}
	}
	device := w.subscribe("ana", phone, "")
	if status, _, _ := w.call("POST", "/v1/push-subscriptions", owner, subscriptionBody(phone, "")); status != 401 {
		t.Errorf("a member: %d", status)
	}
	for credential, want := range map[string]int{w.manageToken("bo"): 404, "forged": 401} {
		if status, _ := w.asGuest("DELETE", "/v1/push-subscriptions/"+device, credential, ""); status != want {
			t.Errorf("delete: %d, expected %d", status, want)
		}
	}
	if status, body := w.asGuest("GET", "/v1/push-subscriptions", w.manageToken("ana"), ""); status != 200 || !strings.Contains(body, device) ||
		strings.Contains(body, phone.Endpoint) {
		t.Errorf("%d %s", status, body)
	}
	for i := range 12 {
		status, body := w.asGuest("POST", "/v1/push-subscriptions", w.manageToken("ana"), subscriptionBody(s.Browser(t, fmt.Sprint("b", i)), ""))
		if want := map[bool]int{true: 201, false: 409}[i < 9]; status != want {
			t.Errorf("device %d: %d, expected %d: %s", i+2, status, want, body)
		}
	}
	// A link that was revoked is no longer good, nor what was added with it.
	old := w.manageToken("ana")
	w.hear(w.guest("ana", contract.RSVPChangedV1, contract.StatusConfirmed, func(g *contract.RSVP) { g.Epoch++ }))
	if status, _ := w.asGuest("POST", "/v1/push-subscriptions", old, subscriptionBody(phone, "")); status != 401 {
		t.Errorf("a revoked link: %d", status)
	}
	w.at(w.event.StartsAt.Add(-24 * time.Hour))
	if got := s.Pushes(); len(got) != 0 {
		t.Errorf("%d pushes to devices of a revoked link", len(got))
	}
}

func TestAnEndpointIsOneOfThePublicNetwork(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	keys, err := push.NewKeys()
	if err != nil {
		t.Fatal(err)
	}
	w.cfg.Push = push.Config{PrivateKey: keys.Private, Workers: 1}
	s := pushservice.New(t, keys.Public, nil)
	w.start()
	w.publish()
	w.hear(w.going("ana"))
	b := s.Browser(t, "phone")
	for _, bad := range []string{b.Endpoint, "https://127.0.0.1/x", "https://[::1]/x", "https://10.1.2.3/x", "https://user:pass@example.org/", "ftp://example.org", "x",
		"https://example.org/" + strings.Repeat("x", 2048)} {
		changed := b
		changed.Endpoint = bad
		if status, body := w.asGuest("POST", "/v1/push-subscriptions", w.manageToken("ana"), subscriptionBody(changed, "")); status != 400 {
			t.Errorf("%.60s: %d %s", bad, status, body)
		}
	}
	// What was let in while it was allowed, or a name that leads there since, is
	// found out by the connection.
	again := func(private bool) {
		w.stop()
		w.cfg.Push.Private = private
		w.start()
	}
	again(true)
	w.subscribe("ana", b, `, "kinds": ["reminder"]`)
	again(false)
	w.at(w.event.StartsAt.Add(-24 * time.Hour))
	var outcome string
	if err := w.pool.QueryRow(t.Context(), `SELECT outcome FROM notifier.notification WHERE channel = 'push' AND attempts > 0`).Scan(&outcome); err != nil ||
		outcome != "push service within a private network" {
		t.Errorf("%q, %v", outcome, err)
	}
	if status, body, _ := w.call("GET", "/v1/push-key", "", ""); status != 200 || !strings.Contains(body, keys.Public) {
		t.Errorf("%d %s", status, body)
	}
}

func TestWithoutAKeyThereIsNoPush(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	w.publish()
	w.hear(w.going("ana"))
	if status, body, _ := w.call("GET", "/v1/push-key", "", ""); status != 404 || !strings.Contains(body, "push-off") {
		t.Errorf("%d %s", status, body)
	}
	if !slices.Contains(notice.PushKinds, notice.Offer) || notice.Confirmation.Pushed() {
		t.Error("kinds")
	}
}
