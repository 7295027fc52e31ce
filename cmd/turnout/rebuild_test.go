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
	if said, err := w.program(t, "verify"); err != nil {
		t.Errorf("%v: %s", err, said)
	}
}
