package main

import (
	"strings"
	"testing"
	"time"

	"github.com/turnout-events/turnout/projector"
)

// An operator rebuilds every store beside running roles, takes all of it back,
// and repairs one event; each store says what it found.
func TestRebuildOnTheCommandLine(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.serveHere()
	w.organizer()
	event, _ := w.event("Rebuilt", 20*24*time.Hour, nil)
	// What the log has and a store has not yet is extra in the new one, and what a projector is about to make is in the way:
	// every store is to be there and to have come to its end.
	published := event + "@2"
	w.read("/v1/organizations/"+w.org+"/members", "")
	figures := "/v1/organizations/" + w.org + "/analytics/overview"
	w.read(figures, "")
	w.want(200, "GET", figures, nil, "Turnout-Min-Version", published)
	w.want(200, "GET", "/v1/events/"+event, nil, "Turnout-Min-Version", published)
	w.read("/v1/events/"+event+"/guests", "")
	w.seats(event, published)
	for _, args := range [][]string{{"rebuild", "all"}, {"rebuild", "all", "--rollback"}} {
		said, err := w.program(t, args...)
		if err != nil {
			t.Fatalf("%v: %v: %s", args, err, said)
		}
		for _, store := range projector.Rebuildable {
			if !strings.Contains(said, store+": ") {
				t.Errorf("%v says nothing of %s: %s", args, store, said)
			}
		}
		if strings.Count(said, "0 older, 0 missing, 0 extra, 0 differ") != len(projector.Rebuildable) {
			t.Errorf("%v: %s", args, said)
		}
	}
	if said, err := w.program(t, "rebuild", "--event", event); err != nil {
		t.Errorf("%v: %s", err, said)
	}
	if said, err := w.program(t, "verify", "-wait", "2m"); err != nil {
		t.Errorf("%v: %s", err, said)
	}
}
