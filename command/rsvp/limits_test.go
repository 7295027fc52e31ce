package rsvp

import (
	"testing"

	"github.com/turnout-events/turnout/internal/contract"
)

// A low limit bounds what is asked for, not what nobody said.
func TestADefaultKeepsToTheLimit(t *testing.T) {
	t.Parallel()
	for limit, want := range map[int]int{1: 1, 8: 8, 10: 10, 11: 10} {
		b, err := NewEvent(input(t, ""), Birth{EventID: "e1", Suffix: "abc123"}, Limits{MaxCapacity: limit}, member, today)
		if err != nil {
			t.Fatalf("a limit of %d: %v", limit, err)
		}
		if b.Event.MaxParty != want {
			t.Errorf("a limit of %d: parties of up to %d, want %d", limit, b.Event.MaxParty, want)
		}
	}
}

// Who lowers the limit does not keep organizers from editing what was made before.
func TestTheLimitIsForWhatChanges(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 30, func(e *contract.Event) { e.MaxParty = 20 })
	limits := Limits{MaxCapacity: 8}
	edit := func(body string) Command { return &EditEvent{Input: *read(t, body), Limits: limits} }
	w.must(edit(`{"title":"Later"}`), member)
	w.must(edit(`{"title":"Later still","capacity":30,"max_party":20}`), member) // as a form sends it
	w.must(&SetCapacity{Capacity: ptr(30), Limits: limits}, member)
	w.refused(errInvalidInput, edit(`{"capacity":29}`), member)
	w.refused(errInvalidInput, edit(`{"max_party":19}`), member)
	w.refused(errInvalidInput, &SetCapacity{Capacity: ptr(29), Limits: limits}, member)
	w.must(edit(`{"capacity":8,"max_party":8}`), member)
	if *w.event.Capacity != 8 || w.event.MaxParty != 8 {
		t.Errorf("capacity %d, parties of up to %d", *w.event.Capacity, w.event.MaxParty)
	}
}
