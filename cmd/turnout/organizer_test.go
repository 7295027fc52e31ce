package main

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/turnout-events/turnout/internal/testkit"
)

var eventAddress = regexp.MustCompile(`^/o/events/([0-9a-f-]{36})$`)

// An organizer's whole way by the pages alone, without scripts: an account, an organization, an event with a question,
// more seats for who waits, two edits at once, a picture, a series, a copy, and the end that everybody is told of.
func TestAnOrganizerUsesThePages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.env["TURNOUT_NOTIFIER_QUIET"] = "200ms"
	w.serveHere()
	r := w.surfer().signsUp("Olga").shows(200, "You are in none yet")
	r.press("Make it", "name", "Lantern Society", "slug", "lanterns").shows(200, "Lantern Society", "Nothing is coming up", "Members")
	org := r.at.Path

	// On the event's own clock, whatever that of this machine is.
	tokyo, err := time.LoadLocation("Asia/Tokyo")
	if err != nil {
		t.Fatal(err)
	}
	day := time.Now().In(tokyo).AddDate(0, 0, 20).Format(time.DateOnly)
	r.open(org+"/new").press("Save as a draft", "title", "Night of Lanterns", "starts_at", day+"T19:00", "ends_at", day+"T18:00", "time_zone", "Asia/Tokyo", "capacity", "1",
		"q0_label", "What do you eat?", "q0_kind", "choice", "q0_options", "all\r\nvegan").shows(400, "End must be after the start")
	r.press("Save as a draft", "ends_at", day+"T22:00").shows(200, "The draft is stored", "19:00 – 22:00 JST (Asia/Tokyo)", "1 of 1 left")
	found := eventAddress.FindStringSubmatch(r.at.Path)
	if found == nil {
		t.Fatalf("the draft is at %s", r.at)
	}
	event, overview := found[1], r.at.Path
	if a := w.want(404, "GET", "/v1/events/"+event, nil); a.Status != 404 {
		t.Error("a draft is public")
	}
	r.press("Publish").shows(200, "It is published", "published")

	for _, name := range []string{"ann", "bob"} {
		w.guest(event, name)
	}
	w.mail.arrived(t, "bob@example.net", "waitlist")
	testkit.Eventually(t, 2*time.Minute, 200*time.Millisecond, func() error {
		if r.open(org); !strings.Contains(r.text, "1 of 1 seats taken, 1 waiting") {
			return fmt.Errorf("the list does not show who waits: %s", words(r.page))
		}
		return nil
	})
	r.open(overview).press("Change", "capacity", "2").shows(200, "The number of seats is changed", "2 going")
	w.mail.arrived(t, "bob@example.net", "A seat for you")
	r.open(overview+"?proof=1").shows(200, "At no moment had more people a seat than there were seats.")

	// Two tabs: the later one is told, loses nothing, and saves.
	late := w.surfer()
	late.http.Jar = r.http.Jar
	late.open(overview + "/edit")
	r.open(overview+"/edit").press("Save", "title", "Lantern Night", "category", "light").shows(200, "The changes are stored", "Lantern Night")
	late.press("Save", "description", "Bring a jar.", "category", "dark").shows(412, "Somebody has changed this event", "What both have changed", "light")
	late.press("Save").shows(200, "The changes are stored", "Lantern Night", "Bring a jar.")
	var now struct {
		Category, Title string
		StartsAt        time.Time `json:"starts_at"`
		Questions       []struct{ ID, Label string }
		Revision        int64
	}
	w.want(200, "GET", "/v1/events/"+event, nil, "Turnout-Min-Version", late.at.Query().Get("v")).decode(t, &now)
	if now.Category != "dark" || now.Title != "Lantern Night" || len(now.Questions) != 1 || !strings.HasPrefix(now.Questions[0].ID, "q-") || now.StartsAt.In(tokyo).Format("15:04") != "19:00" {
		t.Errorf("stored is %+v", now)
	}

	var picture bytes.Buffer
	if err := png.Encode(&picture, image.NewRGBA(image.Rect(0, 0, 400, 300))); err != nil {
		t.Fatal(err)
	}
	r.open(overview).upload("Set", "picture", []byte("no picture")).shows(415, "The picture must be a PNG, JPEG or WebP.")
	r.upload("Set", "picture", picture.Bytes()).shows(200, "The picture is set")
	r.press("Remove the picture").shows(200, "The picture is removed")

	r.press("Make the events", "count", "3").shows(200, "2 events were made")
	testkit.Eventually(t, 2*time.Minute, 200*time.Millisecond, func() error { // the version of a series is that of its first event
		if r.open(org); !strings.Contains(r.text, "3 events") {
			return fmt.Errorf("the list does not show the series: %s", words(r.page))
		}
		return nil
	})
	r.open(overview).press("Duplicate").shows(200, "This draft is a copy").press("Save", "title", "Another Night").shows(200, "Another Night", "draft")

	r.open(overview+"/cancel").shows(200, "2 going").press("Yes, cancel the event", "reason", "The hall has burnt.").shows(200, "It is cancelled", "The hall has burnt.")
	if l := w.mail.arrived(t, "ann@example.net", "ancelled"); !strings.Contains(plain(l.raw), "The hall has burnt.") {
		t.Errorf("the guest does not read why:\n%s", l.raw)
	}

	// Who is no member finds nothing of it.
	stranger := w.surfer().signsUp("Sven")
	for _, path := range []string{org, org + "/new", overview, overview + "/edit"} {
		stranger.open(path).shows(404)
	}
}
