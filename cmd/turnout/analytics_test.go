package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/document"
	"github.com/turnout-events/turnout/internal/elastic"
	"github.com/turnout-events/turnout/internal/testkit"
)

// Every figure of the analytics is what a plain count in Postgres gives, over
// answers of every kind; and the check finds a figure that is wrong.
func TestAnalyticsAgreeWithTheLog(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.serveHere()
	w.organizer()
	var events []string
	for i := range 3 {
		id, _ := w.event("Counted "+strconv.Itoa(i), 20*24*time.Hour, map[string]any{"capacity": 3})
		events = append(events, id)
	}
	var rated []string // ids, each with its token
	for i := range 24 {
		var r struct {
			ID          string
			ManageToken string `json:"manage_token"`
		}
		w.want(201, "POST", "/v1/events/"+events[i%3]+"/rsvps", map[string]any{
			"name": "g", "email": "g" + strconv.Itoa(i) + "@example.net", "response": []string{"going", "maybe", "going", "not_going"}[i%4], "party_size": 1 + i%2,
		}, "Idempotency-Key", strconv.Itoa(i), "Authorization", "").decode(t, &r)
		switch {
		case i%5 == 0:
			w.want(200, "DELETE", "/v1/rsvps/"+r.ID, nil, "Authorization", "Guest "+r.ManageToken, "Idempotency-Key", "gone")
		case i%4 == 0:
			w.want(200, "POST", "/v1/events/"+events[i%3]+"/check-ins", map[string]any{"rsvp_id": r.ID, "people": 1,
				"at": time.Now().Add(-time.Duration(i) * time.Hour)}, "Idempotency-Key", strconv.Itoa(i))
			rated = append(rated, r.ID, r.ManageToken)
		}
	}
	w.isOver(events, rated)
	s, err := loadFrom[settings](w.env)
	if err != nil {
		t.Fatal(err)
	}
	report, err := compareAnalytics(t.Context(), s, 2*time.Minute, testkit.Logger(t))
	if err != nil {
		t.Fatal(err)
	}
	w.mailIsCounted(events[0])
	if len(report.Differ) > 0 || report.Organizations != 1 || report.Events != 3 || report.Figures == 0 {
		t.Errorf("%+v", report)
	}
	// A fact that the log does not have is found.
	sys, err := newSystem(w.env, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	defer sys.close()
	es, err := sys.elastic(t.Context(), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if err := forge(t, es, w.org, events[0]); err != nil {
		t.Fatal(err)
	}
	report, err = compareAnalytics(t.Context(), s, 0, testkit.Logger(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, forged := range []string{"answers", "mail of organization", "popular of", "events of organization", "utilization of event", "seats of event",
		"by_status of", "ratings of", "check_in_curve of", "lead_time of", "answers_over_time of"} {
		if !slices.ContainsFunc(report.Differ, func(d string) bool { return strings.Contains(strings.ToLower(d), forged) }) {
			t.Errorf("what is forged in %s is not found: %v", forged, report.Differ)
		}
	}
}

// While answers and mail go on, the two counts are of two moments: only a
// difference that stays the same is one.
func TestAFigureThatMovesIsNoFinding(t *testing.T) {
	t.Parallel()
	began := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	seen := map[string]time.Time{}
	look := func(after time.Duration, differ ...string) []string {
		return (&analyticsReport{Differ: differ}).stood(seen, began.Add(after), 10*time.Second)
	}
	for _, at := range []struct {
		after  time.Duration
		differ []string
		want   []string
	}{
		{0, []string{"lost: 1, 2", "mail: 47, 50"}, nil},
		{5 * time.Second, []string{"lost: 1, 2", "mail: 52, 53", "late: 3, 4"}, nil},
		{10 * time.Second, []string{"lost: 1, 2", "mail: 60, 61"}, []string{"lost: 1, 2"}},
		{15 * time.Second, []string{"lost: 1, 2", "late: 3, 4"}, []string{"lost: 1, 2"}}, // late was right in between
		{25 * time.Second, []string{"late: 3, 4"}, []string{"late: 3, 4"}},
	} {
		if got := look(at.after, at.differ...); !slices.Equal(got, at.want) {
			t.Errorf("after %s: %q, want %q", at.after, got, at.want)
		}
	}
	if got := (&analyticsReport{Differ: []string{"new"}}).stood(seen, began, 0); len(got) != 1 {
		t.Errorf("who does not wait sees every difference: %q", got)
	}
}

// isOver moves events into the past and has guests rate them.
func (w *world) isOver(events, rated []string) {
	w.t.Helper()
	for _, e := range events {
		begin := time.Now().Add(15 * time.Second) // still ahead when it is decided
		w.want(200, "PATCH", "/v1/events/"+e, map[string]any{"starts_at": begin, "ends_at": begin.Add(time.Second)}, "Idempotency-Key", "soon")
	}
	for i := 0; i < len(rated); i += 2 {
		testkit.Eventually(w.t, 2*time.Minute, 100*time.Millisecond, func() error {
			got, err := w.call("POST", "/v1/rsvps/"+rated[i]+"/feedback", map[string]any{"rating": 1 + i%5}, "Authorization", "Guest "+rated[i+1])
			if err == nil && got.Status != 200 {
				err = fmt.Errorf("%d %s", got.Status, got.Body)
			}
			return err
		})
	}
	testkit.Eventually(w.t, 2*time.Minute, 100*time.Millisecond, func() error {
		var got struct {
			NoShowRate *float64 `json:"no_show_rate"`
		}
		a, err := w.call("GET", "/v1/organizations/"+w.org+"/analytics/overview", nil)
		if err != nil {
			return err
		}
		if a.Status != 200 {
			return fmt.Errorf("%d %s", a.Status, a.Body)
		}
		if a.decode(w.t, &got); got.NoShowRate == nil {
			return errors.New("the events are not over")
		}
		return nil
	})
}

// mailIsCounted: what the notifier sent shows in the event's figures.
func (w *world) mailIsCounted(event string) {
	w.t.Helper()
	testkit.Eventually(w.t, 2*time.Minute, 100*time.Millisecond, func() error {
		var got struct {
			Mail []struct {
				Kind       string
				Sent, Void int
			}
		}
		w.want(200, "GET", "/v1/events/"+event+"/analytics", nil).decode(w.t, &got)
		sent, void := 0, 0
		for _, m := range got.Mail {
			sent, void = sent+m.Sent, void+m.Void
		}
		if sent < 6 || void == 0 { // eight answers; reminders of those who cancelled
			return fmt.Errorf("mail: %+v", got.Mail)
		}
		return nil
	})
}

// forge alters a document of every store, each as if its event had had more.
func forge(t *testing.T, es *elastic.Client, org, event string) error {
	t.Helper()
	listed, err := es.Get(t.Context(), document.Listings, event)
	if err != nil {
		return err
	}
	var listing document.Listing
	if err := json.Unmarshal(listed.Source, &listing); err != nil {
		return err
	}
	listing.Seats.Going++
	early := time.Now().Add(-1000 * time.Hour)
	results, err := es.Bulk(t.Context(), []elastic.Op{{Index: document.Facts, ID: "forged", Doc: document.Fact{
		EventID: event, OrganizationID: org, Type: contract.RSVPConfirmedV1, Status: contract.StatusConfirmed, First: true, PartySize: 1, CheckInDelta: 1,
		At: early, ValidAt: early, Payload: []byte("{}"),
	}}, {Index: document.Facts, ID: "elsewhere", Doc: document.Fact{
		EventID: org, OrganizationID: org, Type: contract.RSVPConfirmedV1, Status: contract.StatusConfirmed, At: early, ValidAt: early, Payload: []byte("{}"),
	}}, {Index: document.Outcomes, ID: "forged", Doc: document.Outcome{
		EventID: event, OrganizationID: org, Kind: "reminder", Channel: "mail", State: "bounced", FinishedAt: new(time.Time),
	}}, {Index: document.GuestList, ID: "forged", Doc: document.Guest{
		EventID: event, OrganizationID: org, Status: contract.StatusConfirmed, PartySize: 1, Rating: 5,
	}}, {Index: document.Listings, ID: event, Version: listing.Version, Doc: listing}})
	if err != nil {
		return err
	}
	_, err = elastic.Sum(results)
	return err
}
