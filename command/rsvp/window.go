package rsvp

import (
	"time"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/fault"
)

// running tells whether RSVPs of the event may change at all.
func (b *Book) running(by Actor, now time.Time) error {
	switch {
	case !b.Event.Announced() && !by.Member && !by.System:
		return fault.ErrNotFound // guests may not know of a draft
	case b.Event.Status == contract.EventCancelled:
		return ErrEventCancelled
	case b.Event.Status != contract.EventPublished:
		return ErrNotPublished
	case !now.Before(b.Event.EndsAt):
		return ErrEventEnded
	}
	return nil
}

// open tells whether answers that may take a seat are accepted: from guests
// in the event's window, from members until its end.
func (b *Book) open(by Actor, now time.Time) error {
	if err := b.running(by, now); err != nil {
		return err
	}
	switch e := &b.Event; {
	case by.Member:
		return nil
	case e.RSVPOpensAt != nil && now.Before(*e.RSVPOpensAt):
		return ErrNotOpenYet.With("opens_at", *e.RSVPOpensAt)
	case !now.Before(e.RSVPClosesAt):
		return ErrClosed.With("closed_at", e.RSVPClosesAt)
	}
	return nil
}

// partyFits checks a party that is to come against the event's limit.
func (b *Book) partyFits(people int) error {
	if people < 1 || people > b.Event.MaxParty {
		return invalid("/party_size", "a party here is from 1 to %d people", b.Event.MaxParty)
	}
	return nil
}
