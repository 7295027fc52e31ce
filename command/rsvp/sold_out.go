package rsvp

import (
	"time"

	"github.com/turnout-events/turnout/internal/contract"
)

// SoldOut is an event at which a guest who is new to it cannot get a seat: what SubmitRSVP would refuse is refused here
// without a book. It never changes, so any number of callers may share one.
type SoldOut struct {
	book Book
	full error
}

// NewSoldOut is nil for an event where the outcome depends on more than the event and its counters: there is a waitlist
// or a seat left, a seat is held, or an answer may wait to be confirmed or approved.
func NewSoldOut(event contract.Event, counters contract.Counters) *SoldOut {
	s := &SoldOut{book: Book{Event: event, Counters: counters}}
	free, limited := s.book.free()
	switch {
	case !limited, free > 0, counters.Held > 0, counters.Waitlisted > 0:
		return nil
	case event.WaitlistPolicy != contract.WaitlistNone, event.ConfirmAddress, event.Approval:
		return nil
	case event.Status != contract.EventPublished:
		return nil
	}
	s.full = ErrEventFull.With("remaining", free)
	return s
}

// Full is the refusal of those who ask for a seat in time: the same error each time.
func (s *SoldOut) Full() error { return s.full }

// Refuse is what a guest hears whose id and address the event does not know; people: 0 means 1. It is nil if the answer
// takes no seat.
func (s *SoldOut) Refuse(response string, people int, now time.Time) error {
	if response != contract.Going {
		return nil
	}
	if err := s.book.open(Actor{}, contract.Time(now)); err != nil {
		return err
	}
	if people == 0 {
		people = 1
	}
	if err := s.book.partyFits(people); err != nil {
		return err
	}
	return s.full
}
