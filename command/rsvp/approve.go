package rsvp

import "time"

// Approve lets a guest in whom the organizer has to approve: to a seat or to
// the queue, as it is now. Members may do so until the event's end.
type Approve struct {
	RSVPID string
}

// Needs of the command.
func (c *Approve) Needs() Needs { return Needs{RSVPIDs: []string{c.RSVPID}, Waiting: true} }

// Decide applies the command.
func (c *Approve) Decide(b *Book, by Actor, now time.Time) (Outcome, error) {
	return b.decide(now, func(now time.Time) (*Row, error) {
		r, err := b.members(c.RSVPID, by)
		if err != nil {
			return nil, err
		}
		next := r.RSVP
		next.Approved = true
		return r, b.admit(r, next, byApprove, by, now)
	})
}
