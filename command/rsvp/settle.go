package rsvp

import (
	"time"

	"github.com/turnout-events/turnout/internal/contract"
)

// PendingTTL is how long a guest has to confirm the address, and the organizer
// to approve: each counts from when it is their turn.
const PendingTTL = 24 * time.Hour

// settle decides what an answer becomes that holds no seat now: the seat or
// the place in the queue is given here and nowhere else. It looks only.
func (b *Book) settle(r *contract.RSVP, by Actor, now time.Time) (status string, err error) {
	if r.Response == contract.NotGoing {
		return declined, nil // nothing to protect: it takes no seat
	}
	if b.Event.ConfirmAddress && !r.AddressConfirmed && !by.Member {
		return pending, nil
	}
	if r.Response == contract.Maybe {
		return maybe, nil
	}
	if b.Event.Approval && !r.Approved && !by.Member {
		return pending, nil
	}
	seat, err := b.seatFor(r.PartySize, now)
	switch {
	case err != nil:
		return "", err
	case seat:
		return confirmed, nil
	case b.Event.WaitlistPolicy == contract.WaitlistNone, !b.promotes(now):
		free, _ := b.free()
		return "", ErrEventFull.With("remaining", free)
	default:
		return waitlisted, nil
	}
}

// enter gives an RSVP the state that settle decided, with what belongs to it.
// The message is still to be recorded.
func (b *Book) enter(r *Row, status string, now time.Time) {
	was := r.RSVP.Status
	if was == waitlisted {
		b.dequeue(r)
	}
	r.RSVP.Status = status
	r.RSVP.OfferExpiresAt, r.RSVP.PendingExpiresAt = nil, nil
	r.RSVP.QueuedVersion = 0
	switch status {
	case pending:
		until := now.Add(PendingTTL)
		r.RSVP.PendingExpiresAt = &until
	case waitlisted:
		r.RSVP.QueuedVersion = b.Version + 1 // the message that is recorded next
		b.enqueue(r)
	}
}
