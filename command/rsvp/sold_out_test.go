package rsvp

import (
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/fault"
)

// Whatever the event, its counters and the hour: what SoldOut refuses, SubmitRSVP refuses in the same words, and it never
// refuses who would get a seat.
func TestSoldOutRefusesAsTheRulesDo(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		event := drawSoldOut(t)
		counters := contract.Counters{Capacity: event.Capacity, Going: rapid.IntRange(0, 6).Draw(t, "going"), Held: rapid.SampledFrom([]int{0, 0, 0, 1}).Draw(t, "held")}
		s := NewSoldOut(event, counters)
		if s == nil {
			return
		}
		now := start.Add(time.Duration(rapid.IntRange(-6, 6).Draw(t, "hour")) * time.Hour)
		c := &SubmitRSVP{
			RSVPID: "r1", EmailHMAC: []byte("h"), WrappedKey: []byte("k"), Sealed: []byte("s"),
			PartySize: rapid.IntRange(-1, 12).Draw(t, "party"), Response: rapid.SampledFrom([]string{contract.Going, contract.Maybe, contract.NotGoing, ""}).Draw(t, "response"),
		}
		said := s.Refuse(c.Response, c.PartySize, now)
		book := NewBook(event, counters, 7)
		book.Sought(c.Needs())
		_, refusal := c.Decide(book, GuestActor("r1"), now)
		if said == nil {
			if c.Response == contract.Going {
				t.Fatalf("not refused: %v", refusal)
			}
			return
		}
		if !reflect.DeepEqual(fault.As(said), fault.As(refusal)) {
			t.Fatalf("said %+v, the rules %+v", said, refusal)
		}
	})
}

func drawSoldOut(t *rapid.T) contract.Event {
	hour := func(name string) time.Time {
		return start.Add(time.Duration(rapid.IntRange(-5, 5).Draw(t, name)) * time.Hour)
	}
	w := newWorld(t, rapid.IntRange(-1, 5).Draw(t, "capacity"), policy(rapid.SampledFrom([]string{contract.WaitlistNone, contract.WaitlistNone, contract.WaitlistAuto}).Draw(t, "policy")))
	e := w.event
	e.Status = rapid.SampledFrom([]string{contract.EventPublished, contract.EventPublished, contract.EventDraft, contract.EventCancelled}).Draw(t, "status")
	e.ConfirmAddress = rapid.IntRange(0, 5).Draw(t, "confirm") == 0
	e.Approval = rapid.IntRange(0, 5).Draw(t, "approval") == 0
	e.RSVPClosesAt = hour("closes")
	if rapid.Bool().Draw(t, "opens later") {
		opens := hour("opens")
		e.RSVPOpensAt = &opens
	}
	return e
}
