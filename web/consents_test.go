package web

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/turnout-events/turnout/internal/token"
)

const formType = "application/x-www-form-urlencoded"

// Consent is what somebody gave, never what a form had ticked for them.
func TestTheFormAsksForConsents(t *testing.T) {
	t.Parallel()
	submitted := func(consents string) string {
		return "POST /v1/events/" + eventID + `/rsvps {"name":"Ada","email":"ada@example.net","response":"going","party_size":1,"locale":"en","consents":` +
			consents + `,"notify":{"reminders":false}}`
	}
	o := start(t, map[string]string{
		submitted(`{"updates":false,"marketing":false}`): `{"manage_token":"NONE"}`, submitted(`{"updates":true,"marketing":false}`): `{"manage_token":"UPDATES"}`,
		submitted(`{"updates":false,"marketing":true}`): `{"manage_token":"MARKETING"}`,
	}, map[string]string{"GET /v1/events/walk": event(t, nil)})
	_, body := o.do("GET", "/e/walk", "")
	for part, want := range map[string]bool{
		`name="updates" value="1">`: true, `name="marketing" value="1">`: true, `name="updates" value="1" checked`: false, `name="marketing" value="1" checked`: false,
	} {
		if strings.Contains(body, part) != want {
			t.Errorf("%s: want %t\n%s", part, want, body)
		}
	}
	f, err := newForms(o.ring)
	if err != nil {
		t.Fatal(err)
	}
	for ticked, want := range map[string]string{"": "/r/NONE", "updates": "/r/UPDATES", "marketing": "/r/MARKETING"} {
		stamp, err := f.issue(eventID, time.Now().Add(-time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		form := url.Values{"form": {stamp}, "name": {"Ada"}, "email": {"ada@example.net"}, "response": {"going"}, "party_size": {"1"}}
		if ticked != "" {
			form.Set(ticked, "1")
		}
		if res, body := o.do("POST", "/e/walk", form.Encode(), "Content-Type", formType); !strings.HasPrefix(res.Header.Get("Location"), want) {
			t.Errorf("%q ticked: %d %s, want %s\n%s", ticked, res.StatusCode, res.Header.Get("Location"), want, body)
		}
	}
}

// A guest takes consent back as easily as it was given, also when the event is
// over or the answer withdrawn.
func TestTheGuestsPageChangesConsents(t *testing.T) {
	t.Parallel()
	past := map[string]any{"starts_at": time.Now().Add(-4 * time.Hour), "ends_at": time.Now().Add(-2 * time.Hour)}
	for name, c := range map[string]struct {
		status string
		event  map[string]any
	}{"waiting": {"waitlisted", nil}, "withdrawn": {"cancelled", nil}, "over": {"confirmed", past}, "event cancelled": {"confirmed", map[string]any{"status": "cancelled"}}} {
		rsvp := fmt.Sprintf(`{"id":%q,"event_id":%q,"status":%q,"response":"going","party_size":1,"consents":{"updates":true,"marketing":false}}`, rsvpID, eventID, c.status)
		o := start(t, map[string]string{"PATCH /v1/rsvps/" + rsvpID + ` {"consents":{"updates":false,"marketing":true}}`: `{}`},
			map[string]string{"GET /v1/rsvps/" + rsvpID: rsvp, "GET /v1/events/" + eventID: event(t, c.event)})
		links, err := token.NewManager(o.ring)
		if err != nil {
			t.Fatal(err)
		}
		link, err := links.Make(rsvpID, 0)
		if err != nil {
			t.Fatal(err)
		}
		_, body := o.do("GET", "/r/"+link, "")
		if !strings.Contains(body, `name="updates" value="1" checked>`) || !strings.Contains(body, `name="marketing" value="1">`) {
			t.Errorf("%s: the boxes are not as it was agreed\n%s", name, body)
		}
		form := url.Values{"action": {"consents"}, "marketing": {"1"}}
		if res, body := o.do("POST", "/r/"+link, form.Encode(), "Content-Type", formType); res.StatusCode != 303 {
			t.Errorf("%s: %d\n%s", name, res.StatusCode, body)
		}
		// What is refused (here: everything else) is shown again as it was ticked.
		_, body = o.do("POST", "/r/"+link, url.Values{"action": {"consents"}}.Encode(), "Content-Type", formType)
		if !strings.Contains(body, `role="alert"`) || strings.Contains(body, `name="updates" value="1" checked`) {
			t.Errorf("%s: the refused form has lost what was unticked\n%s", name, body)
		}
	}
}
