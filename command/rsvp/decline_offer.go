package rsvp

import "time"

// DeclineOffer gives the held seat back; the next who fits gets it.
type DeclineOffer struct {
	RSVPID string
}

// Needs of the command.
func (c *DeclineOffer) Needs() Needs { return Needs{RSVPIDs: []string{c.RSVPID}} }

// Decide applies the command.
func (c *DeclineOffer) Decide(b *Book, by Actor, now time.Time) (Outcome, error) {
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
		return r, b.leave(r, note{by: byDecline, actor: by.ID, reason: ReasonDeclined}, now)
	})
}
