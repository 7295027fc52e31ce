package query_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/turnout-events/turnout/internal/contract"
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
		if got := r.get("/v1/rsvps/"+c.id, c.headers...); got.status != c.status {
			t.Errorf("%s: %d %s, want %d", c.name, got.status, got.body, c.status)
		}
	}
}

// Of a public series the unlisted events are for who was given their address.
func TestASeriesDoesNotTellWhatIsUnlisted(t *testing.T) {
	t.Parallel()
	r := start(t)
	series, private := newID(t), newID(t)
	var v int64
	var last string
	for i, visibility := range []string{contract.VisibilityPublic, contract.VisibilityUnlisted, contract.VisibilityPublic, contract.VisibilityUnlisted, contract.VisibilityUnlisted} {
		e := r.event(newID(t), fmt.Sprintf("Part %d", i), func(e *contract.Event) {
			e.Visibility = visibility
			if e.SeriesID = series; i > 2 {
				e.SeriesID = private
			}
		})
		v, last = r.publish(e, contract.Counters{}), e.ID
	}
	ok[found](t, r.get("/v1/series/"+private, atLeast(last, v)...))
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
