package rsvp

import (
	"errors"
	"testing"

	"github.com/turnout-events/turnout/internal/contract"
)

// The messages of one decision each carry the counters after it, not those at
// the end.
func TestEveryMessageCarriesTheCountersAfterIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	w.going(1, "a", "b", "c", "d")
	v := w.version
	w.setCapacity(4)
	var got [][2]int
	for _, d := range w.log[v:] {
		switch m := d.Payload.(type) {
		case contract.EventMessage:
			got = append(got, [2]int{m.Counters.Going, m.Counters.Waitlisted})
		case contract.RSVPMessage:
			got = append(got, [2]int{m.Counters.Going, m.Counters.Waitlisted})
		}
	}
	want := [][2]int{{2, 2}, {3, 1}, {4, 0}}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("got %v, want %v", got, want)
		}
	}
}

// What a message carried does not change when the book goes on.
func TestAMessageStaysAsItWas(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 5)
	s, c := submit("a", contract.Going, 1), &CheckIn{RSVPID: "a", EntryID: "1"}
	u, e := &UndoCheckIn{RSVPID: "a", EntryID: "2"}, &EditEvent{Limits: DefaultLimits(), Input: EventInput{Title: Some("New")}}
	b := w.load(s, c, u, e)
	for _, step := range []struct {
		c  Command
		by Actor
	}{{s, GuestActor("a")}, {c, member}, {u, member}, {e, member}} {
		if _, err := step.c.Decide(b, step.by, w.now); err != nil {
			t.Fatal(err)
		}
	}
	m := b.Messages()
	if r := m[0].Payload.(contract.RSVPMessage).RSVP; r.Door != nil || r.CheckedIn != 0 {
		t.Fatalf("%+v", r)
	}
	if r := m[1].Payload.(contract.RSVPMessage).RSVP; len(r.Door) != 1 || r.CheckedIn != 1 {
		t.Fatalf("%+v", r)
	}
	if e := m[3].Payload.(contract.EventMessage).Event; e.Title != "New" || w.event.Title != "Evening" {
		t.Fatalf("%+v", e)
	}
	if !errors.Is(ErrEventFull.Detailf("x"), ErrEventFull) {
		t.Fatal("a fault with a detail is still its declaration")
	}
}
