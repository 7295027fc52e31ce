package command_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/turnout-events/turnout/internal/token"
)

type eventView struct {
	ID, Slug, Title, Status string
	OrganizationID          string     `json:"organization_id"`
	SeriesID                string     `json:"series_id"`
	ExternalID              string     `json:"external_id"`
	StartsAt                time.Time  `json:"starts_at"`
	TimeZone                string     `json:"time_zone"`
	Capacity                *int       `json:"capacity"`
	CancelReason            string     `json:"cancel_reason"`
	Revision, Sequence      int64      `json:"-"`
	Version                 int64      `json:"version"`
	PublishedAt             *time.Time `json:"published_at"`
}

func (r response) event() eventView {
	r.t.Helper()
	var v eventView
	if err := json.Unmarshal(r.body, &v); err != nil {
		r.t.Fatal(err)
	}
	v.Revision, v.Sequence = int64(r.number("revision")), int64(r.number("sequence"))
	return v
}

// Revision moves with every edit, sequence with what a calendar must know,
// version with everything; none of them moves because somebody answered, but version.
func TestRevisionSequenceAndVersion(t *testing.T) {
	t.Parallel()
	r := start(t)
	auth := r.signUp("owner@example.org")
	eventID := r.published(auth, r.organization(auth), nil)
	path := "/v1/events/" + eventID
	before := r.do(request{method: "PATCH", path: path, auth: auth, body: `{"description":"Bring a lamp."}`}).want(http.StatusOK).event()
	r.answer(eventID, "ada", 1).want(http.StatusCreated)
	for _, step := range []struct {
		name, method, path, body    string
		revision, sequence, version int64 // by how much each grows
	}{
		{"new words", "PATCH", path, `{"title":"Lanterns"}`, 1, 0, 2}, // one is the answer above
		{"another time", "PATCH", path, `{"ends_at":"2035-01-01T00:00:00Z","starts_at":"2034-12-31T22:00:00Z"}`, 1, 1, 1},
		{"another place", "PATCH", path, `{"venue":{"name":"The other quay","city":"Kiel","country":"DE"}}`, 1, 1, 1},
		{"more room", "PUT", path + "/capacity", `{"capacity":50}`, 1, 0, 1},
		{"no limit", "PUT", path + "/capacity", `{"capacity":null}`, 1, 0, 1},
		{"nothing new", "PATCH", path, `{"title":"Lanterns"}`, 0, 0, 0},
		{"called off", "POST", path + "/cancel", `{"reason":"Storm"}`, 1, 1, 1},
	} {
		got := r.do(request{method: step.method, path: step.path, auth: auth, body: step.body}).want(http.StatusOK).event()
		if got.Revision != before.Revision+step.revision || got.Sequence != before.Sequence+step.sequence || got.Version != before.Version+step.version {
			t.Errorf("%s: revision %d → %d, sequence %d → %d, version %d → %d", step.name,
				before.Revision, got.Revision, before.Sequence, got.Sequence, before.Version, got.Version)
		}
		before = got
	}
	if before.Status != "cancelled" || before.CancelReason != "Storm" || before.Capacity != nil {
		t.Errorf("in the end: %+v", before)
	}
	r.answer(eventID, "bob", 1).want(http.StatusConflict, "event-cancelled")
	r.do(request{method: "POST", path: path + "/publish", auth: auth}).want(http.StatusConflict)
}

func TestDuplicateAndRepeat(t *testing.T) {
	t.Parallel()
	r := start(t)
	auth := r.signUp("owner@example.org")
	orgID := r.organization(auth)
	// 19:00 in Berlin, in the week before the clocks go back.
	source := r.published(auth, orgID, map[string]any{
		"starts_at": "2030-10-22T19:00:00+02:00", "ends_at": "2030-10-22T21:00:00+02:00", "external_id": "walk-1",
	})
	copied := r.do(request{method: "POST", path: "/v1/events/" + source + "/duplicate", auth: auth, body: `{"title":"Again"}`}).want(http.StatusOK).event()
	if copied.ID == source || copied.Status != "draft" || copied.Title != "Again" || copied.ExternalID != "" || copied.Version != 1 {
		t.Errorf("copy: %+v", copied)
	}
	repeat := request{method: "POST", path: "/v1/events/" + source + "/repeat", auth: auth, key: "r", body: `{"rrule":"FREQ=WEEKLY;COUNT=4"}`}
	got := r.do(repeat).want(http.StatusOK)
	var series struct {
		SeriesID string `json:"series_id"`
		Items    []eventView
	}
	if err := json.Unmarshal(got.body, &series); err != nil || len(series.Items) != 3 {
		t.Fatalf("%s, %v: want the three after the first", got.body, err)
	}
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	slugs := []string{}
	for i, e := range series.Items {
		if e.SeriesID != series.SeriesID || e.Status != "published" {
			t.Errorf("occurrence %d: %+v", i, e)
		}
		if local := e.StartsAt.In(berlin).Format("15:04"); local != "19:00" {
			t.Errorf("occurrence %d starts at %s in Berlin", i, local)
		}
		slugs = append(slugs, e.Slug)
	}
	slices.Sort(slugs)
	if len(slices.Compact(slugs)) != 3 {
		t.Errorf("slugs %v", slugs)
	}
	if again := r.do(repeat); string(again.body) != string(got.body) {
		t.Errorf("repeated: %s", again.body)
	}
	now := r.do(request{method: "PATCH", path: "/v1/events/" + source, auth: auth, body: `{}`}).want(http.StatusOK).event()
	if now.SeriesID != series.SeriesID {
		t.Errorf("the first event is in series %q", now.SeriesID)
	}
	for _, rule := range []string{"", "FREQ=HOURLY;COUNT=3", "FREQ=WEEKLY", "FREQ=WEEKLY;COUNT=100000", "nonsense"} {
		body, _ := json.Marshal(map[string]string{"rrule": rule})
		r.do(request{method: "POST", path: "/v1/events/" + copied.ID + "/repeat", auth: auth, body: body}).want(http.StatusBadRequest)
	}
}

// Pending answers: the guest proves the address, the organizer approves.
func TestConfirmationApprovalAndOffers(t *testing.T) {
	t.Parallel()
	r := start(t)
	auth := r.signUp("owner@example.org")
	orgID := r.organization(auth)
	careful := r.published(auth, orgID, map[string]any{"confirm_address": true, "approval": true})
	ada := r.answer(careful, "ada", 1).want(http.StatusCreated)
	rsvp, mine := "/v1/rsvps/"+ada.text("id"), "Guest "+ada.text("manage_token")
	step := func(path, auth string) string {
		return r.do(request{method: "POST", path: path, auth: auth}).want(http.StatusOK).text("status")
	}
	if ada.text("status") != "pending" || ada.text("pending_expires_at") == "" {
		t.Errorf("new: %s", ada.body)
	}
	// Who typed the address has not read its mail.
	r.do(request{method: "POST", path: rsvp + "/confirm", auth: mine}).want(http.StatusForbidden, "address-not-proven")
	if got := step(rsvp+"/confirm?token="+r.mailed(ada.text("id")), ""); got != "pending" { // a link carries the token
		t.Errorf("address confirmed: %s", got)
	}
	if got := step(rsvp+"/approve", auth); got != "confirmed" {
		t.Errorf("approved: %s", got)
	}
	bob := r.answer(careful, "bob", 1).want(http.StatusCreated)
	if got := r.do(request{method: "POST", path: "/v1/rsvps/" + bob.text("id") + "/reject", auth: auth, body: `{"reason":"Members only"}`}).want(http.StatusOK); got.text("status") != "cancelled" {
		t.Errorf("rejected: %s", got.body)
	}
	r.do(request{method: "POST", path: rsvp + "/feedback", auth: mine, body: `{"rating":5}`}).want(http.StatusConflict, "event-not-started")

	offers := r.published(auth, orgID, map[string]any{"capacity": 1, "waitlist_policy": "offer", "offer_ttl": "1h"})
	first := r.answer(offers, "ada", 1).want(http.StatusCreated)
	second, third := r.answer(offers, "bob", 1).want(http.StatusCreated), r.answer(offers, "cleo", 1).want(http.StatusCreated)
	r.do(request{method: "DELETE", path: "/v1/rsvps/" + first.text("id"), auth: "Guest " + first.text("manage_token")}).want(http.StatusOK)
	held := r.do(request{method: "PATCH", path: "/v1/rsvps/" + second.text("id"), auth: "Guest " + second.text("manage_token"), body: `{}`}).want(http.StatusOK)
	if held.text("status") != "offered" || held.text("offer_expires_at") == "" {
		t.Errorf("the next of the waitlist: %s", held.body)
	}
	if got := step("/v1/rsvps/"+second.text("id")+"/decline", "Guest "+second.text("manage_token")); got != "cancelled" {
		t.Errorf("declined: %s", got)
	}
	if got := step("/v1/rsvps/"+third.text("id")+"/accept", "Guest "+third.text("manage_token")); got != "confirmed" {
		t.Errorf("accepted: %s", got)
	}
	full := r.published(auth, orgID, map[string]any{"capacity": 1, "waitlist_policy": "none"})
	r.answer(full, "ada", 1).want(http.StatusCreated)
	r.answer(full, "bob", 1).want(http.StatusConflict, "event-full")
}

// A member adds a guest at the door; a member of another organization who
// answers is a guest like everybody.
func TestMembersAddGuests(t *testing.T) {
	t.Parallel()
	r := start(t)
	auth, rival := r.signUp("owner@example.org"), r.signUp("rival@example.org")
	eventID := r.published(auth, r.organization(auth), nil)
	add := func(auth string, body map[string]any) response {
		return r.do(request{method: "POST", path: "/v1/events/" + eventID + "/rsvps", auth: auth, key: unique(t), body: body})
	}
	nameless := guest("walk-in", 1)
	nameless["email"] = ""
	add(auth, nameless).want(http.StatusCreated)
	add(rival, nameless).want(http.StatusBadRequest)
	add(rival, guest("ada", 1)).want(http.StatusCreated)
	add("Bearer x", guest("bob", 1)).want(http.StatusUnauthorized)
}

// mailed is the token of the link in the mail that asks for the address.
func (r *role) mailed(rsvpID string) string {
	r.t.Helper()
	manager, err := token.NewManager(r.ring)
	if err != nil {
		r.t.Fatal(err)
	}
	text, err := manager.MakeMailed(rsvpID, 0)
	if err != nil {
		r.t.Fatal(err)
	}
	return text
}
