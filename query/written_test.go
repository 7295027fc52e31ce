package query_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/document"
	"github.com/turnout-events/turnout/internal/testkit"
	"github.com/turnout-events/turnout/projector/analytics"
	"github.com/turnout-events/turnout/projector/feed"
	"github.com/turnout-events/turnout/projector/guestlist"
	"github.com/turnout-events/turnout/projector/listing"
)

// Who has just queued reads the place in the queue that the answer said.
func TestThePlaceInTheQueueIsOfTheVersionAskedFor(t *testing.T) {
	t.Parallel()
	r := start(t)
	e := r.event(newID(t), "Crowded", func(e *contract.Event) { e.Capacity = n(0) })
	r.publish(e, contract.Counters{Capacity: n(0)})
	for place := range 6 {
		g := contract.RSVP{ID: newID(t), EventID: e.ID, OrganizationID: e.OrganizationID, Response: contract.Going, Status: contract.StatusWaitlisted,
			PartySize: 1, QueuedVersion: int64(place + 2)}
		v := r.answer(contract.RSVPWaitlistedV1, g, contract.Personal{Name: "Ada"}, contract.Counters{Capacity: n(0), Waitlisted: place + 1})
		link, err := r.manage.Make(g.ID, 0)
		must(t, err)
		got := ok[struct{ Position int }](t, r.get("/v1/rsvps/"+g.ID, append(atLeast(e.ID, v), "Authorization", "Guest "+link)...))
		if got.Position != place+1 {
			t.Errorf("place %d reads as %d", place+1, got.Position)
		}
	}
}

// A large party learns that smaller ones from behind were moved up; who was
// before it, never queued or has left is none of them.
func TestWhoWasPassedOverIsTold(t *testing.T) {
	t.Parallel()
	r := start(t)
	e := r.event(newID(t), "Crowded")
	seats := contract.Counters{Capacity: n(10), Going: 9, Held: 1, Waitlisted: 4}
	r.publish(e, seats)
	waiting := contract.RSVP{ID: newID(t), EventID: e.ID, OrganizationID: e.OrganizationID, Response: contract.Going,
		Status: contract.StatusWaitlisted, PartySize: 4, QueuedVersion: 20}
	for _, other := range []struct {
		name, status string
		queued       int64
	}{
		{contract.RSVPPromotedV1, contract.StatusConfirmed, 30}, {contract.RSVPOfferedV1, contract.StatusOffered, 31}, // these two
		{contract.RSVPPromotedV1, contract.StatusConfirmed, 10}, {contract.RSVPConfirmedV1, contract.StatusConfirmed, 0},
		{contract.RSVPWaitlistedV1, contract.StatusWaitlisted, 32}, {contract.RSVPOfferLapsedV1, contract.StatusCancelled, 33},
	} {
		g := waiting
		g.ID, g.Status, g.PartySize, g.QueuedVersion = newID(t), other.status, 1, other.queued
		r.answer(other.name, g, contract.Personal{Name: "Ada"}, seats)
	}
	v := r.answer(contract.RSVPWaitlistedV1, waiting, contract.Personal{Name: "Grace"}, seats)
	link, err := r.manage.Make(waiting.ID, 0)
	must(t, err)
	got := ok[struct {
		Why   string
		Queue struct {
			PassedOverBy int `json:"passed_over_by"`
		}
	}](t, r.get("/v1/rsvps/"+waiting.ID, append(atLeast(e.ID, v), "Authorization", "Guest "+link)...))
	if got.Queue.PassedOverBy != 2 || !strings.Contains(got.Why, "2 smaller parties behind you were moved up") {
		t.Errorf("%+v", got)
	}
}

// An RSVP that must exist and is not there yet is not denied.
func TestAnRSVPThatIsNotThereYetIsNotDenied(t *testing.T) {
	t.Parallel()
	r := start(t)
	s := r.story()
	late := newID(t)
	link, err := r.manage.Make(late, 0)
	must(t, err)
	for _, c := range []struct {
		name, id string
		status   int
		headers  []string
	}{
		{"by its own link", late, http.StatusConflict, []string{"Authorization", "Guest " + link}},
		{"by a member who saw a later version", late, http.StatusConflict, append(s.member(), atLeast(s.event.ID, s.version+1)...)},
		{"by a member who saw what is here", late, http.StatusNotFound, append(s.member(), atLeast(s.event.ID, s.version)...)},
		{"by a member", late, http.StatusNotFound, s.member()},
	} {
		ask := r.get
		if c.status == http.StatusConflict {
			ask = r.late
		}
		if got := ask("/v1/rsvps/"+c.id, c.headers...); got.status != c.status {
			t.Errorf("%s: %d %s, want %d", c.name, got.status, got.body, c.status)
		}
	}
}

// A guest list of a version has what was written before it, also where the
// version's own guest is there first.
func TestAGuestListHasWhatCameBefore(t *testing.T) {
	t.Parallel()
	r := start(t)
	ctx, log := t.Context(), testkit.Logger(t)
	org, owner := newID(t), newID(t)
	r.organization(org, contract.Member{AccountID: owner, Role: contract.RoleOwner})
	nothing := func(context.Context, []feed.Item) {}
	facts := analytics.New(r.elastic, feed.To(document.Facts), nothing, nil)
	listed := listing.New(r.elastic, feed.To(document.Listings), nothing, log)
	some := guestlist.New(r.elastic, r.keys, feed.To(document.GuestList), nothing, log)
	all := guestlist.New(r.elastic, r.keys, feed.To(document.GuestList), feed.NewTracker(r.redis, guestlist.Group, log).Applied, log)
	const rounds = 5
	for round := range rounds {
		e := r.event(org, "Half written")
		path, asOwner := "/v1/events/"+e.ID+"/guests", []string{"Authorization", "Bearer account:" + owner}
		ok[map[string]any](t, r.get(path, append(atLeast(e.ID, r.publish(e, contract.Counters{})), asOwner...)...))
		var messages []*message.Message // which no log has: nobody else applies them
		var last int64
		for _, name := range []string{"Ada", "Grace"} {
			g := contract.RSVP{ID: newID(t), EventID: e.ID, OrganizationID: org, Response: contract.Going, Status: contract.StatusConfirmed, PartySize: 1}
			env := r.sealed(contract.RSVPConfirmedV1, g, contract.Personal{Name: name}, contract.Counters{})
			messages, last = append(messages, messageOf(env)), env.Version
		}
		must(t, errors.Join(listed.Handle(ctx, messages), facts.Handle(ctx, messages), some.Handle(ctx, messages[1:])))
		began := time.Now()
		whole := make(chan error, 1)
		var took time.Duration
		time.AfterFunc(100*time.Millisecond, func() {
			err := all.Handle(ctx, messages)
			took = time.Since(began)
			whole <- err
		})
		got := r.get(path, append(atLeast(e.ID, last), asOwner...)...)
		must(t, <-whole)
		if got.status == http.StatusOK && strings.Contains(string(got.body), "Ada") && strings.Contains(string(got.body), "Grace") {
			return
		}
		if took < 500*time.Millisecond || round == rounds-1 { // else this machine wrote when the mark was waited for no longer
			t.Fatalf("%d %s, and all was written after %s", got.status, got.body, took)
		}
	}
}

// Of a public series the unlisted events are for who was given their address.
func TestASeriesDoesNotTellWhatIsUnlisted(t *testing.T) {
	t.Parallel()
	r := start(t)
	series, private := newID(t), newID(t)
	published := map[string]int64{} // an event's version by its id
	for i, visibility := range []string{contract.VisibilityPublic, contract.VisibilityUnlisted, contract.VisibilityPublic, contract.VisibilityUnlisted, contract.VisibilityUnlisted} {
		e := r.event(newID(t), fmt.Sprintf("Part %d", i), func(e *contract.Event) {
			e.Visibility = visibility
			if e.SeriesID = series; i > 2 {
				e.SeriesID = private
			}
		})
		published[e.ID] = r.publish(e, contract.Counters{})
	}
	for id, v := range published {
		ok[found](t, r.get("/v1/series/"+series, atLeast(id, v)...))
	}
	for id, want := range map[string]int{series: 2, private: 2} {
		path, seen := "/v1/series/"+id+"?limit=1", 0
		for path != "" {
			page := ok[found](t, r.get(path))
			for _, e := range page.Items {
				seen++
				if id == series && e.Title == "Part 1" {
					t.Errorf("%+v is shown", e)
				}
			}
			if path = ""; page.NextCursor != nil {
				path = "/v1/series/" + id + "?limit=1&cursor=" + *page.NextCursor
			}
		}
		if seen != want {
			t.Errorf("%d events of a series, want %d", seen, want)
		}
	}
}

// The price and the picture are told by the event and by searches, as they were written.
func TestReadsTellPriceAndPicture(t *testing.T) {
	t.Parallel()
	r := start(t)
	type told struct {
		Price *contract.Price `json:"price_range"`
		Cover *contract.Cover `json:"cover"`
	}
	cover := contract.Cover{SHA256: strings.Repeat("ab", 32), ContentType: "image/jpeg", Width: 1200, Height: 630}
	for name, price := range map[string]*contract.Price{
		"Range": {Min: 5, Max: 12.5, Currency: "EUR"}, "Single": {Min: 5, Max: 5, Currency: "EUR"}, "Free": {Currency: "EUR"}, "Untold": nil,
	} {
		e := r.event(newID(t), "Priced "+name, func(e *contract.Event) {
			if e.Price = price; price != nil {
				e.Cover = &cover
			}
		})
		v := r.publish(e, contract.Counters{})
		got := ok[told](t, r.get("/v1/events/"+e.ID, atLeast(e.ID, v)...))
		list := ok[struct{ Items []told }](t, r.get("/v1/events?q=priced+"+name, atLeast(e.ID, v)...))
		for _, got := range append(list.Items, got) {
			if (got.Price == nil) != (price == nil) || price != nil && (*got.Price != *price || got.Cover == nil || *got.Cover != cover) {
				t.Errorf("%s: %+v %+v", name, got.Price, got.Cover)
			}
		}
		if len(list.Items) != 1 {
			t.Errorf("%s: found %d", name, len(list.Items))
		}
	}
}
