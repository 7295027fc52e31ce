package rsvp

import "time"

// Reject turns a guest down who waits for the organizer's approval. With the
// link the guest may ask again, and is pending again.
type Reject struct {
	RSVPID string
	Reason string
}

// Needs of the command.
func (c *Reject) Needs() Needs { return Needs{RSVPIDs: []string{c.RSVPID}} }

// Decide applies the command.
func (c *Reject) Decide(b *Book, by Actor, now time.Time) (Outcome, error) {
	return b.decide(now, func(now time.Time) (*Row, error) {
		r, err := b.members(c.RSVPID, by)
		if err != nil {
			return nil, err
		}
		if err := checkReason(c.Reason); err != nil {
			return nil, err
		}
		if err := b.running(by, now); err != nil {
			return nil, err
		}
		return r, b.leave(r, note{by: byReject, actor: by.ID, reason: c.Reason}, now)
	})
}
