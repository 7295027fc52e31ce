package web

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/turnout-events/turnout/internal/token"
)

// guestPage is an origin with one RSVP, and the path of its page.
func guestPage(t *testing.T, rsvp map[string]any, change map[string]any) (*origin, string) {
	t.Helper()
	r := fmt.Sprintf(`{"id":%q,"event_id":%q`, rsvpID, eventID)
	for name, v := range rsvp {
		r += fmt.Sprintf(`,%q:%#v`, name, v)
	}
	o := start(t, nil, map[string]string{"GET /v1/rsvps/" + rsvpID: r + "}", "GET /v1/events/" + eventID: event(t, change)})
	links, err := token.NewManager(o.ring)
	if err != nil {
		t.Fatal(err)
	}
	link, err := links.MakeMailed(rsvpID, 0)
	if err != nil {
		t.Fatal(err)
	}
	return o, "/r/" + link
}

// A page offers what can be done in a state, and nothing else.
func TestTheGuestsPageOffersWhatCanBeDone(t *testing.T) {
	t.Parallel()
	past := map[string]any{"starts_at": time.Now().Add(-4 * time.Hour), "ends_at": time.Now().Add(-2 * time.Hour)}
	cancelled := map[string]any{"status": "cancelled"}
	for _, c := range []struct {
		name, status string
		event        map[string]any
		want         string
	}{
		{"offered", "offered", nil, "accept decline change withdraw"},
		{"pending", "pending", nil, "confirm change withdraw"},
		{"pending, both due", "pending", map[string]any{"confirm_address": true, "approval": true}, "confirm change withdraw"},
		{"pending, approval due", "pending", map[string]any{"approval": true}, "change withdraw"},
		{"confirmed", "confirmed", nil, "ticket change withdraw"},
		{"withdrawn", "cancelled", nil, "change"},
		{"offered, event cancelled", "offered", cancelled, ""},
		{"pending, event cancelled", "pending", cancelled, ""},
		{"confirmed, event cancelled", "confirmed", cancelled, ""},
		{"offered, over", "offered", past, ""},
		{"pending, over", "pending", past, ""},
		{"confirmed, over", "confirmed", past, "ticket feedback"},
	} {
		o, page := guestPage(t, map[string]any{"status": c.status, "response": "going", "party_size": 1}, c.event)
		_, body := o.do("GET", page, "")
		var got []string
		for _, what := range []string{"ticket", "accept", "decline", "confirm", "feedback", "change", "withdraw"} {
			if strings.Contains(body, `value="`+what+`"`) || what == "ticket" && strings.Contains(body, "ticket.svg") {
				got = append(got, what)
			}
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: offers %q, want %q", c.name, strings.Join(got, " "), c.want)
		}
	}
}

// A party that is larger than parties may be by now keeps its size, and what
// was refused is shown again as it was typed.
func TestTheGuestsFormKeepsWhatIsThere(t *testing.T) {
	t.Parallel()
	o, page := guestPage(t, map[string]any{"status": "confirmed", "response": "going", "party_size": 8}, nil) // of at most 3
	if _, body := o.do("GET", page, ""); !strings.Contains(body, `name="party_size" type="number" min="1" max="8" required value="8"`) {
		t.Errorf("the party of 8 is gone:\n%s", body)
	}
	form := url.Values{"action": {"change"}, "response": {"maybe"}, "party_size": {"5"}}
	res, body := o.do("POST", page, form.Encode(), "Content-Type", "application/x-www-form-urlencoded") // command refuses all
	if res.StatusCode != 404 || !strings.Contains(body, `value="5"`) || !strings.Contains(body, `value="maybe" checked`) || strings.Contains(body, `value="going" checked`) {
		t.Errorf("%d: what was typed is lost:\n%s", res.StatusCode, body)
	}

	o, page = guestPage(t, map[string]any{"status": "confirmed", "response": "going", "party_size": 1, "rating": 4, "comment": "Fine \u003cb\u003e"},
		map[string]any{"starts_at": time.Now().Add(-4 * time.Hour), "ends_at": time.Now().Add(-2 * time.Hour)})
	if _, body := o.do("GET", page, ""); !strings.Contains(body, `value="4" required checked`) || !strings.Contains(body, `value="Fine &lt;b&gt;"`) ||
		!strings.Contains(body, "Thank you") {
		t.Errorf("the feedback that was given is not there:\n%s", body)
	}
	res, body = o.do("POST", "/me", url.Values{"email": {"ada@example.net"}}.Encode(), "Content-Type", "application/x-www-form-urlencoded")
	if res.StatusCode != 404 || !strings.Contains(body, `value="ada@example.net"`) {
		t.Errorf("%d: the address is lost:\n%s", res.StatusCode, body)
	}
}

// Who has just answered is told so while the read side is behind.
func TestAnAnswerThatIsNotVisibleYetIsRecorded(t *testing.T) {
	t.Parallel()
	o := start(t, nil, map[string]string{"GET /v1/rsvps/" + rsvpID: `{"status":409,"code":"not-yet-visible","title":"x","detail":"The RSVP is at version 0 here."}`})
	links, err := token.NewManager(o.ring)
	if err != nil {
		t.Fatal(err)
	}
	link, err := links.Make(rsvpID, 0)
	if err != nil {
		t.Fatal(err)
	}
	res, body := o.do("GET", "/r/"+link+"?v="+eventID+"@3", "")
	if !strings.Contains(body, "Your answer is recorded") || res.Header.Get("Refresh") == "" || strings.Contains(body, "version 0") {
		t.Errorf("%d, refresh %q:\n%s", res.StatusCode, res.Header.Get("Refresh"), body)
	}
}

// Behind a proxy that ends TLS the roles hear of the client, not of the proxy;
// of what the client says of itself they hear nothing.
func TestWhatStandsBeforeWebIsBelieved(t *testing.T) {
	t.Parallel()
	o := start(t, nil, nil, "127.0.0.0/8")
	for said, want := range map[string]string{"": "127.0.0.1", "203.0.113.9": "203.0.113.9", "198.51.100.1, 203.0.113.9": "203.0.113.9", "nonsense": "127.0.0.1"} {
		if res, _ := o.do("GET", "/v1/events", "", "X-Forwarded-For", said); res.Header.Get("X-Forwarded-Seen") != want {
			t.Errorf("of %q the role saw %q, want %q", said, res.Header.Get("X-Forwarded-Seen"), want)
		}
	}
}
