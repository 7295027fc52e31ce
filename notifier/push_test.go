package notifier

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/testkit/pushservice"
	"github.com/turnout-events/turnout/internal/token"
	"github.com/turnout-events/turnout/notifier/pgstore"
	"github.com/turnout-events/turnout/notifier/push"
)

// pushWorld is a published event and a push service.
func pushWorld(t *testing.T, answer func(n int, browser string, h http.Header) int) (*world, *pushservice.Service) {
	t.Helper()
	w := newWorld(t)
	keys, err := push.NewKeys()
	if err != nil {
		t.Fatal(err)
	}
	w.cfg.Push = push.Config{PrivateKey: keys.Private, Private: true, Workers: 2}
	s := pushservice.New(t, keys.Public, answer)
	w.start()
	w.publish()
	return w, s
}

func (w *world) manageToken(name string) string {
	w.t.Helper()
	m, err := token.NewManager(w.ring)
	if err != nil {
		w.t.Fatal(err)
	}
	text, err := m.Make(w.guests[name].ID, w.guests[name].Epoch)
	if err != nil {
		w.t.Fatal(err)
	}
	return text
}

// asGuest calls the API with a manage token or a session.
func (w *world) asGuest(method, path, credential, body string) (int, string) {
	w.t.Helper()
	r := w.request(method, path, "", body)
	r.Header.Set("Authorization", "Guest "+credential)
	return w.do(r)
}

func subscriptionBody(b pushservice.Browser, more string) string {
	return fmt.Sprintf(`{"endpoint": %q, "expirationTime": null, "keys": {"p256dh": %q, "auth": %q}%s}`, b.Endpoint, b.P256DH(), b.Auth(), more)
}

// subscribe adds a browser to a guest's answer and returns the device's id.
func (w *world) subscribe(name string, b pushservice.Browser, more string) string {
	w.t.Helper()
	status, body := w.asGuest("POST", "/v1/push-subscriptions", w.manageToken(name), subscriptionBody(b, more))
	var answer struct{ ID string }
	if err := json.Unmarshal([]byte(body), &answer); err != nil || status != 201 && status != 200 {
		w.t.Fatalf("%d %s", status, body)
	}
	return answer.ID
}

// shown is what a browser's pushes say, as the service worker reads them.
func shown(t *testing.T, pushes []pushservice.Push) (out []push.Payload) {
	t.Helper()
	for _, p := range pushes {
		var one push.Payload
		if err := json.Unmarshal(p.Plain, &one); err != nil {
			t.Fatalf("%s: %v", p.Plain, err)
		}
		out = append(out, one)
	}
	return out
}

func kindsOf(payloads []push.Payload) (kinds []string) {
	for _, p := range payloads {
		kinds = append(kinds, p.Kind)
	}
	return kinds
}

func TestAPushStory(t *testing.T) {
	t.Parallel()
	w, s := pushWorld(t, nil)
	start := w.event.StartsAt
	w.hear(w.guest("ana", contract.RSVPWaitlistedV1, contract.StatusWaitlisted, func(g *contract.RSVP) { g.Locale = "de" }))
	phone := s.Browser(t, "phone")
	device := w.subscribe("ana", phone, "")

	deadline := w.clock.Now().Add(26 * time.Hour)
	w.hear(w.guest("ana", contract.RSVPOfferedV1, contract.StatusOffered, func(g *contract.RSVP) { g.OfferExpiresAt = &deadline }))
	w.settle()
	w.hear(w.going("ana"))
	w.at(start.Add(-24 * time.Hour)) // the reminder of the day before
	moved := start.Add(48 * time.Hour)
	w.hear(w.about(contract.EventRescheduledV1, func(e *contract.Event) { e.StartsAt, e.EndsAt = moved, moved.Add(2*time.Hour) }))
	w.settle()
	w.at(moved.Add(-24 * time.Hour))
	w.hear(w.about(contract.EventCancelledV1, func(e *contract.Event) { e.Status = contract.EventCancelled }))
	w.settle()
	w.at(moved.Add(3 * time.Hour))

	pushes := s.Pushes()
	got := shown(t, pushes)
	want := []string{"offer", "reminder", "event_moved", "reminder", "event_cancelled"}
	if fmt.Sprint(kindsOf(got)) != fmt.Sprint(want) {
		t.Fatalf("pushes %v, expected %v", kindsOf(got), want)
	}
	for i, p := range pushes {
		if p.Topic != push.Topic(w.guests["ana"].ID) || got[i].Tag != p.Topic {
			t.Errorf("%s: topic %q, tag %q: a newer one would not replace it", got[i].Kind, p.Topic, got[i].Tag)
		}
		if got[i].Title != "Spring concert" || got[i].Lang != "de" || got[i].Device != device || got[i].Page != "/e/spring-concert" {
			t.Errorf("%+v", got[i])
		}
		if text := string(p.Plain); strings.Contains(text, "ana") || strings.Contains(text, "example.org") || strings.Contains(text, w.guests["ana"].ID) {
			t.Errorf("personal data in %s", text)
		}
		if p.Subject != "mailto:mail@turnout.example" {
			t.Errorf("sender %q", p.Subject)
		}
	}
	if pushes[0].TTL != 26*time.Hour || pushes[0].Urgency != "high" || !strings.Contains(got[0].Body, "reserviert") {
		t.Errorf("the offer: %+v %q", pushes[0], got[0].Body)
	}
	if pushes[1].Urgency != "normal" || pushes[1].TTL > 24*time.Hour || pushes[4].Urgency != "high" {
		t.Errorf("reminder %+v, cancelled %+v", pushes[1], pushes[4])
	}
	if mails := w.ledger.to("ana@example.org"); len(mails) < 5 {
		t.Errorf("mail beside it: %q", mails)
	}
}

func TestADeviceGetsWhatItsGuestChoseAndNothingAfterwards(t *testing.T) {
	t.Parallel()
	w, s := pushWorld(t, nil)
	w.hear(w.going("ana"), w.going("bo"), w.going("cy"))
	w.settle()
	both, urgent := s.Browser(t, "both"), s.Browser(t, "urgent")
	first := w.subscribe("ana", both, "")
	w.subscribe("ana", urgent, `, "kinds": ["event_cancelled"]`)
	if again := w.subscribe("ana", both, ""); again != first {
		t.Errorf("the same browser became another device: %s, %s", first, again)
	}
	off := w.subscribe("bo", s.Browser(t, "bo"), "")
	gone := s.Browser(t, "cy")
	w.subscribe("cy", gone, "")
	if status, body := w.asGuest("DELETE", "/v1/push-subscriptions/"+off, w.manageToken("bo"), ""); status != 204 {
		t.Fatalf("%d %s", status, body)
	}
	w.keys.destroy(w.guests["cy"].ID)
	w.hear(w.guest("cy", contract.RSVPErasedV1, contract.StatusCancelled, func(g *contract.RSVP) { g.Erased, g.Sealed = true, nil }))
	var rows int
	if err := w.pool.QueryRow(t.Context(), `SELECT count(*) FROM notifier.push_subscription WHERE rsvp_id = $1`, w.guests["cy"].ID).Scan(&rows); err != nil || rows != 0 {
		t.Errorf("%d devices of an erased guest, %v", rows, err)
	}

	w.at(w.event.StartsAt.Add(-24 * time.Hour))
	w.hear(w.about(contract.EventCancelledV1, func(e *contract.Event) { e.Status = contract.EventCancelled }))
	w.settle()
	got := map[string][]string{}
	for _, p := range s.Pushes() {
		got[p.Browser] = append(got[p.Browser], shown(t, []pushservice.Push{p})[0].Kind)
	}
	want := map[string][]string{"both": {"reminder", "event_cancelled"}, "urgent": {"event_cancelled"}}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, expected %v", got, want)
	}
	var sealed []byte
	if err := w.pool.QueryRow(t.Context(), `SELECT sealed FROM notifier.push_subscription WHERE id = $1`, first).Scan(&sealed); err != nil ||
		strings.Contains(string(sealed), "http") {
		t.Errorf("an endpoint in clear: %q, %v", sealed, err)
	}
}

func TestPushesAreTriedAgainAndADeviceThatIsGoneIsForgotten(t *testing.T) {
	t.Parallel()
	asked := map[string]int{}
	w, s := pushWorld(t, func(_ int, browser string, h http.Header) int {
		asked[browser]++ // the service calls under its lock
		switch {
		case browser == "gone":
			return http.StatusGone
		case asked[browser] == 1 && browser == "busy":
			h.Set("Retry-After", "90")
			return http.StatusTooManyRequests
		case asked[browser] == 1:
			return http.StatusBadGateway
		default:
			return http.StatusCreated
		}
	})
	w.hear(w.going("ana"))
	w.settle()
	w.subscribe("ana", s.Browser(t, "busy"), "")
	w.subscribe("ana", s.Browser(t, "broken"), "")
	gone := w.subscribe("ana", s.Browser(t, "gone"), "")
	w.at(w.event.StartsAt.Add(-24 * time.Hour))
	if got := kindsOf(shown(t, s.Pushes())); len(got) != 0 {
		t.Errorf("%v were taken at once", got)
	}
	w.after(20 * time.Second) // the first back-off is 10 s and up to a quarter more
	if got := s.Pushes(); len(got) != 1 || got[0].Browser != "broken" {
		t.Errorf("after 20 s: %+v", got)
	}
	w.after(75 * time.Second)
	if got := s.Pushes(); len(got) != 2 || got[1].Browser != "busy" {
		t.Errorf("after 95 s: %+v", got)
	}
	if _, err := w.n.store.Device(t.Context(), gone); !errors.Is(err, pgstore.ErrNotFound) {
		t.Errorf("the device that is gone: %v", err)
	}
	states := w.states("ana")
	if states["reminder void device-gone"] != 2 { // this one, and the one of an hour before
		t.Errorf("%v", states)
	}
	w.at(w.event.StartsAt.Add(-time.Hour))
	if asked["gone"] != 1 {
		t.Errorf("a device that is gone was asked %d times", asked["gone"])
	}
}

// A notifier that dies between the push service's 201 and the record sends the
// same notice again: with the same topic and tag, so that the device shows one.
func TestAPushThatComesTwiceShowsOnce(t *testing.T) {
	t.Parallel()
	w, s := pushWorld(t, nil)
	w.hear(w.going("ana"))
	w.settle()
	w.subscribe("ana", s.Browser(t, "phone"), `, "kinds": ["reminder"]`)
	w.at(w.event.StartsAt.Add(-24 * time.Hour))
	if n := len(s.Pushes()); n != 1 {
		t.Fatalf("%d pushes", n)
	}
	// What a kill leaves behind: claimed, and a lease that ends.
	if _, err := w.pool.Exec(t.Context(), `UPDATE notifier.notification SET state = 'claimed', claimed_by = 'dead', fence = fence + 1,
		lease_until = $1, finished_at = NULL, attempts = 0 WHERE channel = 'push' AND state = 'sent'`, w.clock.Now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	w.clock.Advance(10 * time.Second)
	if err := w.n.reclaim(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.settle()
	pushes := s.Pushes()
	if len(pushes) != 2 {
		t.Fatalf("%d pushes", len(pushes))
	}
	got := shown(t, pushes)
	if got[0].ID != got[1].ID || got[0].Tag != got[1].Tag || pushes[0].Topic != pushes[1].Topic {
		t.Errorf("not the same notice: %+v %+v", got[0], got[1])
	}
}

func TestAPushThatTellsWhatIsNoLongerSoIsVoid(t *testing.T) {
	t.Parallel()
	w, s := pushWorld(t, nil)
	w.hear(w.guest("ana", contract.RSVPWaitlistedV1, contract.StatusWaitlisted, nil))
	w.settle()
	w.subscribe("ana", s.Browser(t, "phone"), "")
	w.stop()
	deadline := w.clock.Now().Add(time.Hour)
	w.hear(w.guest("ana", contract.RSVPOfferedV1, contract.StatusOffered, func(g *contract.RSVP) { g.OfferExpiresAt = &deadline }),
		w.guest("ana", contract.RSVPDeclinedV1, contract.StatusDeclined, nil))
	w.start()
	w.settle()
	if got := s.Pushes(); len(got) != 0 {
		t.Errorf("%+v", got)
	}
	if states := w.states("ana"); states["offer void answer-changed"] != 1 && states["offer void merged"] == 0 && states["offer void superseded"] == 0 {
		t.Errorf("%v", states)
	}
}
