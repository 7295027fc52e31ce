package web

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/turnout-events/turnout/internal/token"
)

var asksDiet = map[string]any{"questions": []map[string]any{
	{"id": "diet", "label": "What do you eat?", "kind": "choice", "options": []string{"all", "vegan"}, "required": true},
	{"id": "bring", "label": "What do you bring?", "kind": "checkbox", "options": []string{"bread", "jam"}},
}}

// A form that is shown again says what is wrong in its own words, and ticks
// nothing that the guest had unticked.
func TestARefusedFormSpeaksOfItsLabelsAndKeepsItsTicks(t *testing.T) {
	t.Parallel()
	refused := `{"status":400,"code":"invalid-input","detail":"The request is not valid","errors":[{"pointer":"/answers/diet","detail":"is missing"}]}`
	o := start(t, nil, map[string]string{"GET /v1/events/walk": event(t, asksDiet)})
	f, err := newForms(o.ring)
	if err != nil {
		t.Fatal(err)
	}
	stamp, err := f.issue(eventID, time.Now().Add(time.Hour)) // too quick, however slow this is: refused by the page itself
	if err != nil {
		t.Fatal(err)
	}
	form := url.Values{"form": {stamp}, "name": {"Ada"}, "email": {"ada@example.net"}, "response": {"going"}, "reminders": {"1"}, "q_bring": {"jam"}}
	_, body := o.do("POST", "/e/walk", form.Encode(), "Content-Type", "application/x-www-form-urlencoded")
	for part, want := range map[string]bool{
		`name="reminders" value="1" checked`: true, `name="updates" value="1" checked`: false, `value="jam" checked`: true, `value="bread" checked`: false,
	} {
		if strings.Contains(body, part) != want {
			t.Errorf("%s: want %t\n%s", part, want, body)
		}
	}
	if hidden(body, "form") != stamp || !strings.Contains(body, "That was very quick: please send the form once more.") {
		t.Errorf("who sends the form once more is too quick again, or is not told to\n%s", body)
	}

	// At the door only what is required is asked.
	if must := mustAnswer(decoded[eventView](t, event(t, asksDiet)).Questions); len(must) != 1 || must[0].Name != "q_diet" {
		t.Errorf("the door asks %+v", must)
	}
	p := asProblem(fmt.Errorf("write: %w", decoded[problem](t, refused)))
	got := troubleOf(p, decoded[eventView](t, event(t, asksDiet)).Questions)
	if len(got.Fields) != 1 || got.Fields[0] != (troubleField{"What do you eat?", "is missing"}) {
		t.Errorf("the guest reads %+v", got)
	}
}

// Who said maybe without answering what going asks for can answer it later.
func TestTheGuestsPageAsksTheQuestions(t *testing.T) {
	t.Parallel()
	rsvp := fmt.Sprintf(`{"id":%q,"event_id":%q,"status":"maybe","response":"maybe","party_size":1}`, rsvpID, eventID)
	o := start(t, map[string]string{"PATCH /v1/rsvps/" + rsvpID: rsvp},
		map[string]string{"GET /v1/rsvps/" + rsvpID: rsvp, "GET /v1/events/" + eventID: event(t, asksDiet)})
	links, err := token.NewManager(o.ring)
	if err != nil {
		t.Fatal(err)
	}
	link, err := links.Make(rsvpID, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, body := o.do("GET", "/r/"+link, ""); !strings.Contains(body, `name="q_diet"`) || strings.Contains(body, `name="rating"`) {
		t.Errorf("wants the question and no rating yet\n%s", body)
	}
	form := url.Values{"action": {"change"}, "response": {"going"}, "q_diet": {"vegan"}}
	if res, body := o.do("POST", "/r/"+link, form.Encode(), "Content-Type", "application/x-www-form-urlencoded"); res.StatusCode != 303 {
		t.Errorf("%d\n%s", res.StatusCode, body)
	}
}

func decoded[T any](t *testing.T, body string) *T {
	t.Helper()
	v := new(T)
	if err := json.Unmarshal([]byte(body), v); err != nil {
		t.Fatal(err)
	}
	return v
}

// A mistyped address is a page in a browser and a problem document elsewhere.
func TestNowhereIsAPageForPeople(t *testing.T) {
	t.Parallel()
	o := start(t, nil, nil)
	for _, c := range []struct{ path, accept, kind string }{
		{"/nowhere", "text/html,*/*;q=0.8", "text/html"}, {"/nowhere", "*/*", "application/problem+json"}, {"/v1/nowhere", "text/html", "application/problem+json"},
	} {
		res, body := o.do("GET", c.path, "", "Accept", c.accept)
		if res.StatusCode != 404 || !strings.HasPrefix(res.Header.Get("Content-Type"), c.kind) {
			t.Errorf("%s for %s: %d %s\n%s", c.path, c.accept, res.StatusCode, res.Header.Get("Content-Type"), body)
		}
	}
}

// The button needs a script; without one, or when there is nothing left to
// tell, the page has no dead button on it.
func TestTheGuestsPageOffersNotificationsWhileThereMayBeSome(t *testing.T) {
	t.Parallel()
	for status, want := range map[string]bool{"confirmed": true, "waitlisted": true, "cancelled": false} {
		rsvp := fmt.Sprintf(`{"id":%q,"event_id":%q,"status":%q,"response":"going","party_size":1}`, rsvpID, eventID, status)
		o := start(t, nil, map[string]string{"GET /v1/rsvps/" + rsvpID: rsvp, "GET /v1/events/" + eventID: event(t, asksDiet)})
		links, err := token.NewManager(o.ring)
		if err != nil {
			t.Fatal(err)
		}
		link, err := links.Make(rsvpID, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, body := o.do("GET", "/r/"+link, ""); strings.Contains(body, `data-rsvp="`+rsvpID+`" hidden>`) != want {
			t.Errorf("%s: want %t\n%s", status, want, body)
		}
		res, body := o.do("GET", "/sw.js", "")
		if res.StatusCode != 200 || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/javascript") || !strings.Contains(body, "showNotification") {
			t.Errorf("the service worker: %d %s", res.StatusCode, res.Header.Get("Content-Type"))
		}
	}
}
