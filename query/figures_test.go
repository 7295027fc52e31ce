package query_test

import (
	"testing"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/document"
	"github.com/turnout-events/turnout/internal/elastic"
)

// The curve shows when guests stood at the door, though a device without a
// network told it hours later.
func TestCheckInCurveIsOfTheDoorsTime(t *testing.T) {
	t.Parallel()
	r := start(t)
	org, owner := newID(t), newID(t)
	r.organization(org, contract.Member{AccountID: owner, Role: contract.RoleOwner})
	e := r.event(org, "Without a network")
	r.publish(e, contract.Counters{})
	noon := time.Now().UTC().Truncate(24 * time.Hour).Add(-12 * time.Hour)
	var last int64
	for i, at := range []time.Duration{2 * time.Minute, 14 * time.Minute, 31 * time.Minute} {
		v := contract.RSVP{ID: newID(t), Response: contract.Going, EventID: e.ID, OrganizationID: org, Status: contract.StatusConfirmed, PartySize: 1}
		r.answer(contract.RSVPConfirmedV1, v, contract.Personal{Name: "A"}, contract.Counters{Going: i + 1})
		v.CheckedIn = 1
		env := r.sealed(contract.CheckedInV1, v, contract.Personal{Name: "A"}, contract.Counters{Going: i + 1, CheckedIn: i + 1})
		body, err := env.RSVP()
		must(t, err)
		body.Before = contract.Change{Status: contract.StatusConfirmed, PartySize: 1}
		env.Payload, env.ValidAt = encode(t, body), noon.Add(at)
		r.send(contract.TopicRegistrations, env)
		last = env.Version
	}
	got := ok[struct {
		Curve []struct {
			At     time.Time
			People int
		} `json:"check_in_curve"`
	}](t, r.get("/v1/events/"+e.ID+"/analytics", append(atLeast(e.ID, last), "Authorization", "Bearer account:"+owner)...)).Curve
	if len(got) != 2 || !got[0].At.Equal(noon) || got[0].People != 2 || !got[1].At.Equal(noon.Add(30*time.Minute)) || got[1].People != 1 {
		t.Errorf("they came at 12:02, 12:14 and 12:31: %+v", got)
	}
}

// An organization's figures are of all of its events, also of more than are
// read at a time.
func TestFiguresAreOfAllEvents(t *testing.T) {
	t.Parallel()
	r := start(t)
	ctx := t.Context()
	org, owner := newID(t), newID(t)
	r.organization(org, contract.Member{AccountID: owner, Role: contract.RoleOwner})
	const many = 1101 // more than are read at a time
	var ops []elastic.Op
	for i := range many {
		e := r.event(org, "One of many", func(e *contract.Event) {
			e.StartsAt = e.StartsAt.Add(time.Duration((i+1)/2) * time.Minute) // two at a time, and two about the page's end
			e.EndsAt = e.StartsAt.Add(time.Hour)
		})
		doc := document.Listing{EventID: e.ID}
		doc.SetDetails(1, encode(t, e))
		doc.SetSeats(1, contract.Counters{Capacity: n(4), Going: 1 + i%2})
		must(t, doc.Derive())
		ops = append(ops, elastic.Op{Index: document.Listings, ID: e.ID, Version: 1, Doc: doc})
	}
	results, err := r.elastic.Bulk(ctx, ops)
	must(t, err)
	_, err = elastic.Sum(results)
	must(t, err)
	must(t, r.elastic.Refresh(ctx, document.Listings))
	base, asOwner := "/v1/organizations/"+org+"/analytics/", []string{"Authorization", "Bearer account:" + owner}
	got := ok[struct {
		Events, Seats int
		Taken         int `json:"seats_taken"`
	}](t, r.get(base+"overview", asOwner...))
	if got.Events != many || got.Seats != 4*many || got.Taken != many+many/2 {
		t.Errorf("overview of %d events: %+v", many, got)
	}
	items := ok[struct {
		Items []struct {
			ID       string    `json:"event_id"`
			StartsAt time.Time `json:"starts_at"`
		}
	}](t, r.get(base+"utilization", asOwner...)).Items
	seen := map[string]bool{}
	for i, e := range items {
		if seen[e.ID] || i > 0 && e.StartsAt.Before(items[i-1].StartsAt) {
			t.Fatalf("event %d is there twice or before one that starts earlier", i)
		}
		seen[e.ID] = true
	}
	if len(items) != many {
		t.Errorf("%d of %d events", len(items), many)
	}
}
