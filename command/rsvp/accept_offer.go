package rsvp

import "time"

// AcceptOffer takes the seat that is held for a party. Late is late: the seat
// has gone to the next by then, in this very decision if not before.
type AcceptOffer struct {
	RSVPID string
}

// Needs of the command.
func (c *AcceptOffer) Needs() Needs { return Needs{RSVPIDs: []string{c.RSVPID}} }

// Decide applies the command.
func (c *AcceptOffer) Decide(b *Book, by Actor, now time.Time) (Outcome, error) {
	return b.decide(now, func(now time.Time) (*Row, error) {
		r, err := b.own(c.RSVPID, by)
		if err != nil {
			return nil, err
		}
		if err := b.running(by, now); err != nil {
			return nil, err
		}
		if r.RSVP.Status == cancelled && r.RSVP.OfferExpiresAt != nil {
			return nil, ErrOfferLapsed.With("lapsed_at", *r.RSVP.OfferExpiresAt)
		}
		if _, err := messageOf(byAccept, r.RSVP.Status, confirmed); err != nil {
			return nil, err
		}
		if !b.promotes(now) { // the start was moved up while the offer was open
			return nil, ErrOfferLapsed.With("lapsed_at", b.Event.StartsAt)
		}
		was, queued := b.touch(r), r.RSVP.QueuedVersion
		b.enter(r, confirmed, now)
		r.RSVP.QueuedVersion = queued // as of who is promoted at once: the passed over are told of parties from behind
		return r, b.record(r, was, note{by: byAccept, actor: by.ID}, now)
	})
}
