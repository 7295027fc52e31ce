package main

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/turnout-events/turnout/internal/testkit"
)

// row is the row of a table that holds a text, as a page of its own.
func (r *surfer) row(holds string) *surfer {
	r.w.t.Helper()
	for _, tr := range all(r.page, "tr") {
		if strings.Contains(words(tr), holds) {
			only := *r
			only.page = tr
			return &only
		}
	}
	r.w.t.Fatalf("%s has no row with %q:\n%s", r.at, holds, r.text)
	return nil
}

// comes opens a page until it shows something: mail, and what other roles know, take a moment.
func (r *surfer) comes(path string, texts ...string) *surfer {
	r.w.t.Helper()
	testkit.Eventually(r.w.t, 2*time.Minute, 200*time.Millisecond, func() error {
		r.open(path)
		for _, text := range texts {
			if !strings.Contains(words(r.page), text) {
				return fmt.Errorf("%s: %d without %q\n%s", path, r.status, text, r.text)
			}
		}
		return nil
	})
	return r
}

func (r *surfer) lacks(text string) *surfer {
	r.w.t.Helper()
	if strings.Contains(words(r.page), text) {
		r.w.t.Fatalf("%s shows %q\n%s", r.at, text, r.text)
	}
	return r
}

func (r *surfer) signsIn(name string) *surfer {
	r.w.t.Helper()
	return r.press("Sign in", "email", strings.ToLower(name)+"@example.org", "password", "a long pass phrase of "+name)
}

// file downloads what a link leads to.
func (r *surfer) file(path string) (head http.Header, body string) {
	r.w.t.Helper()
	req, err := http.NewRequestWithContext(r.w.t.Context(), http.MethodGet, r.absolute(path), nil)
	if err != nil {
		r.w.t.Fatal(err)
	}
	res, err := r.http.Do(req)
	if err != nil {
		r.w.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		r.w.t.Fatal(err)
	}
	return res.Header, string(b)
}

// An organizer's way through an event's people with a browser that runs no scripts: guests are approved, rejected and lose
// their seats, are written to, and are erased; each of it is seen at once, in the history, and arrives as mail.
func TestOrganizersKeepTheirGuests(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.env["TURNOUT_NOTIFIER_QUIET"] = "200ms"
	w.serveHere()
	w.organizer()
	event, _ := w.event("Lanterns <tonight>", 25*24*time.Hour, map[string]any{"capacity": 2, "approval": true})
	ids, version := map[string]string{}, ""
	for _, name := range []string{"ada", "bob", "cleo"} {
		var r struct{ ID string }
		a := w.want(201, "POST", "/v1/events/"+event+"/rsvps", map[string]any{"name": name, "email": name + "@example.net", "response": "going", "party_size": 2,
			"consents": map[string]bool{"updates": true}}, "Idempotency-Key", name, "Authorization", "")
		a.decode(t, &r)
		ids[name], version = r.ID, a.Version
	}
	w.read("/v1/events/"+event, "")           // the read side knows of the event
	w.read("/v1/events/"+event+"/guests", "") // and of its owner
	base := "/o/events/" + event

	r := w.surfer().open(base + "/guests?status=pending&v=" + url.QueryEscape(version)).signsIn("Olga")
	r.shows(200, "Lanterns <tonight>", "ada@example.net", "bob@example.net", "cleo@example.net", "Waits for your approval")
	r = r.row("ada@example.net").press("Approve").shows(200, "Approved", "cleo@example.net").lacks("ada@example.net")
	r = r.row("bob@example.net").press("Approve").shows(200, "2 going of 2", "2 on the waitlist").lacks("bob@example.net")
	r = r.row("cleo@example.net").press("Reject …").shows(200, "Reject cleo?").press("Reject", "reason", "No room").shows(200, "Nobody fits.")
	w.mail.arrived(t, "ada@example.net", "You're going")
	w.mail.arrived(t, "bob@example.net", "waitlist")

	// More people than there is room for is refused, and stays in its field; a seat that is cancelled goes to who waits.
	r = r.open(base+"/guests?status=confirmed").row("ada@example.net").press("Save", "party_size", "4").shows(http.StatusConflict, "ada@example.net")
	if !strings.Contains(r.text, `required value="4"`) || !strings.Contains(r.text, `role="alert"`) {
		t.Errorf("what was refused:\n%s", r.text)
	}
	r = r.row("ada@example.net").press("Cancel the seat …").shows(200, "Cancel the seat of ada?").press("Cancel the seat")
	r.shows(200, "bob@example.net").lacks("ada@example.net")
	if r.at.Query().Get("status") != "confirmed" {
		t.Errorf("the list is narrowed no more: %s", r.at)
	}
	w.mail.arrived(t, "bob@example.net", "A seat for you")
	r.comes(base+"/guests/"+ids["bob"], "moved up from the waitlist", "A seat after all", "Sent")
	if head, list := r.file(base + "/guests.csv?status=confirmed"); !strings.Contains(list, "bob@example.net") || strings.Contains(list, "ada@example.net") ||
		!strings.HasPrefix(head.Get("Content-Disposition"), "attachment") {
		t.Errorf("%v\n%s", head, list)
	}

	r.comes(base+"/messages", "Write to the guests").press("Look at it …", "to", "going", "subject", "Bring a lamp", "body", "It is dark.\r\nVery.")
	r.shows(200, "It goes to 1 guest.", "It is dark. Very.").press("Send it").shows(200, "The mails go out now")
	w.mail.arrived(t, "bob@example.net", "Bring a lamp")

	r.open(base+"/history?check=1").shows(200, "moved up from the waitlist", "was rejected", "No room", "Yes. All ")
	zurich, err := time.LoadLocation("Europe/Zurich")
	if err != nil {
		t.Fatal(err)
	}
	soon := time.Now().In(zurich).Add(2 * time.Minute).Format("2006-01-02T15:04")
	r.open(base+"/history?as_of="+url.QueryEscape(soon)).shows(200, "Going2 people", "Cancelled2")

	r.open(base+"/guests/"+ids["bob"]).press("Erase personal data …").press("Erase for good").shows(200, "How each store forgets", ids["bob"])
	testkit.Eventually(t, 2*time.Minute, 200*time.Millisecond, func() error {
		if r.open(base + "/guests"); strings.Contains(r.text, "bob@example.net") {
			return fmt.Errorf("erased and still there\n%s", r.text)
		}
		return nil
	})
}

// Owners say who belongs to an organization; one of them always stays.
func TestOwnersKeepTheirMembers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.serveHere()
	w.signUp("Edi", "edi@example.org", "a long pass phrase of Edi")
	w.organizer()
	olga, edi := w.surfer().open("/o/sign-in").signsIn("Olga"), w.surfer().open("/o/sign-in").signsIn("Edi")
	members := "/o/" + w.org + "/members"
	edi.open(members).shows(http.StatusNotFound)
	olga.comes(members, "Give the role").press("Give the role", "email", "nobody@example.org", "role", "door").shows(http.StatusNotFound)
	if !strings.Contains(olga.text, `value="nobody@example.org"`) || !strings.Contains(olga.text, `role="alert"`) {
		t.Errorf("what was refused:\n%s", olga.text)
	}
	olga.press("Give the role", "email", "edi@example.org").shows(200, "The role is given.").row("Edi")
	edi.comes(members, "You are at the door of", "Leave").lacks("Give the role").lacks("olga@example.org")
	olga.press("Remove …", "email", "olga@example.org").shows(200, "Remove olga@example.org from Lantern Society?").press("Remove").shows(http.StatusConflict, "an owner")
	olga.open(members).press("Change", "email", "edi@example.org", "role", "analyst").shows(200, "The role is given.").row("Edi")
	edi.comes(members, "You are analyst of")
	olga.press("Remove …", "email", "edi@example.org").press("Remove").shows(200, "Removed.").lacks("edi@example.org")
	olga.press("Save", "name", "Lantern & Friends", "primary", "#0a5c8f", "tracking", "1").shows(200, "Saved.")
	for _, want := range []string{`value="Lantern &amp; Friends"`, `value="#0a5c8f"`, `name="tracking" value="1" checked`} {
		if !strings.Contains(olga.text, want) {
			t.Errorf("no %s in\n%s", want, olga.text)
		}
	}
}
