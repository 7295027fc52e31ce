package main

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/turnout-events/turnout/internal/testkit"
)

var (
	wordDecoder = &mime.WordDecoder{}
	formToken   = regexp.MustCompile(`name="form" value="([^"]+)"`)
)

// serveHere runs every role in this process until the test ends.
func (w *world) serveHere() {
	w.t.Helper()
	w.t.Cleanup(w.serveUntil())
}

// serveUntil runs every role in this process until stop is called.
func (w *world) serveUntil() (stop func()) {
	w.t.Helper()
	s, err := newSystem(w.env, w.t.Output())
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(w.t.Context())
	if err := s.addAll(ctx); err != nil {
		cancel()
		w.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.run(ctx) }()
	w.ready()
	return func() {
		cancel()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			w.t.Errorf("the roles did not stop in order: %v", err)
		}
	}
}

// ready waits until every role says so.
func (w *world) ready() {
	w.t.Helper()
	for _, role := range []string{"COMMAND", "RELAY", "PROJECTOR", "QUERY", "NOTIFIER", "WEB"} {
		ops := w.env["TURNOUT_"+role+"_OPS_URL"]
		testkit.Eventually(w.t, 2*time.Minute, 100*time.Millisecond, func() error {
			res, err := w.http.Get(ops + "/readyz")
			if err != nil {
				return err
			}
			_ = res.Body.Close()
			if res.StatusCode != 200 {
				return fmt.Errorf("%s is not ready: %s", role, res.Status)
			}
			return nil
		})
	}
}

// The whole way, through every role and every engine: an organizer publishes,
// guests answer through the API and the page, seats and listing follow, a
// cancellation promotes the next, and each step arrives as mail.
func TestFromHTTPToMail(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.env["TURNOUT_NOTIFIER_QUIET"] = "200ms"
	w.serveHere()
	w.organizer()
	event, slug := w.event("Laternenfest in Zürich", 25*24*time.Hour, map[string]any{"capacity": 1})

	// An index that was made a moment ago may still answer 503 or 409; a wrong answer is never right.
	testkit.Eventually(t, 2*time.Minute, 200*time.Millisecond, func() error {
		found, err := w.call("GET", "/v1/events?q=zurich", nil, "Turnout-Min-Version", event+"@2")
		if err != nil {
			return err
		}
		if found.Status != 200 {
			return fmt.Errorf("search: %d %s", found.Status, found.Body)
		}
		var list struct {
			Total int
			Items []struct{ ID string }
		}
		if found.decode(t, &list); list.Total != 1 || list.Items[0].ID != event {
			t.Fatalf("search: %s", found.Body)
		}
		return nil
	})
	if page := w.want(200, "GET", "/e/"+slug, nil); !strings.Contains(string(page.Body), "Laternenfest in Zürich") {
		t.Fatalf("the public page does not show the title:\n%s", page.Body)
	}

	type rsvp struct {
		ID, Status  string
		Position    *int
		ManageToken string `json:"manage_token"`
		Why         string
	}
	submit := func(name string, size int) (rsvp, string) {
		var r rsvp
		a := w.want(201, "POST", "/v1/events/"+event+"/rsvps", map[string]any{
			"name": name, "email": name + "@example.net", "response": "going", "party_size": size, "notify": map[string]bool{"reminders": true},
		}, "Idempotency-Key", name, "Authorization", "")
		a.decode(t, &r)
		return r, a.Version
	}
	ada, _ := submit("ada", 1)
	bob, version := submit("bob", 1)
	if ada.Status != "confirmed" || bob.Status != "waitlisted" || bob.Position == nil || *bob.Position != 1 {
		t.Fatalf("ada %+v, bob %+v", ada, bob)
	}
	w.seats(event, version, `"going":1`, `"waitlisted":1`, `"remaining":0`)

	// The link in the mail is the one that opens the guest's page.
	letter := w.mail.arrived(t, "ada@example.net", "Laternenfest in Zürich")
	if !strings.Contains(plain(letter.raw), w.url+"/r/"+ada.ManageToken) {
		t.Errorf("no manage link in\n%s", letter.raw)
	}
	w.mail.arrived(t, "bob@example.net", "waitlist")

	gone := w.want(200, "DELETE", "/v1/rsvps/"+ada.ID, nil, "Authorization", "Guest "+ada.ManageToken, "Idempotency-Key", "gone")
	w.seats(event, gone.Version, `"going":1`, `"waitlisted":0`)
	var now rsvp
	w.want(200, "GET", "/v1/rsvps/"+bob.ID, nil, "Authorization", "Guest "+bob.ManageToken, "Turnout-Min-Version", gone.Version).decode(t, &now)
	if now.Status != "confirmed" {
		t.Fatalf("bob was not promoted: %+v", now)
	}
	w.mail.arrived(t, "bob@example.net", "A seat for you")
	w.mail.arrived(t, "ada@example.net", "withdrawn")

	// The page's form takes the same way. Its token is younger than any person types.
	page := w.want(200, "GET", "/e/"+slug, nil, "Authorization", "")
	token := formToken.FindSubmatch(page.Body)
	if token == nil {
		t.Fatalf("no form token in\n%s", page.Body)
	}
	form := url.Values{"form": {string(token[1])}, "name": {"Cleo"}, "email": {"cleo@example.net"}, "response": {"maybe"}, "party_size": {"1"}}
	testkit.Eventually(t, 10*time.Second, 500*time.Millisecond, func() error {
		res, err := w.http.PostForm(w.url+"/e/"+slug, form)
		if err != nil {
			return err
		}
		defer func() { _ = res.Body.Close() }()
		if res.StatusCode != 200 || !strings.HasPrefix(res.Request.URL.Path, "/r/") {
			return fmt.Errorf("the form answered %s at %s", res.Status, res.Request.URL.Path)
		}
		return nil
	})
	w.mail.arrived(t, "cleo@example.net", "Laternenfest in Zürich")
}

// What was planned for later goes out when its time comes.
func TestReminderGoesOutWhenItsTimeComes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.serveHere()
	w.organizer()
	// Whoever hears of an answer only when a reminder of it is past does not send that: the notifier must be listening.
	first, _ := w.event("First", 20*24*time.Hour, nil)
	w.guest(first, "bob")
	w.mail.arrived(t, "bob@example.net", "You're going")
	// The reminder for "an hour before" is due in a moment, the day's is past.
	event, _ := w.event("Soon", time.Hour+20*time.Second, nil)
	w.want(201, "POST", "/v1/events/"+event+"/rsvps", map[string]any{
		"name": "Ada", "email": "ada@example.net", "response": "going", "party_size": 1, "notify": map[string]bool{"reminders": true},
	}, "Idempotency-Key", "ada", "Authorization", "")
	w.mail.arrived(t, "ada@example.net", "You're going")
	w.mail.arrived(t, "ada@example.net", "Soon starts in")
	if n := len(w.mail.to("ada@example.net")); n != 2 {
		t.Errorf("%d mails, want the confirmation and one reminder", n)
	}
}

// seats reads the availability as of a version and looks for its parts.
func (w *world) seats(event, version string, parts ...string) {
	w.t.Helper()
	a := w.want(200, "GET", "/v1/events/"+event+"/availability", nil, "Turnout-Min-Version", version)
	for _, p := range parts {
		if !strings.Contains(string(a.Body), p) {
			w.t.Fatalf("availability at %s is %s, want %s", version, a.Body, p)
		}
	}
}

// plain undoes the line breaks of quoted-printable, so that links can be found.
func plain(raw []byte) string {
	return strings.NewReplacer("=\r\n", "", "=3D", "=").Replace(string(raw))
}
