package rsvp

import (
	"time"
)

// CancelRSVP withdraws an answer, by its guest or by a member, until the
// event's end. What it held goes to those who wait.
type CancelRSVP struct {
	RSVPID string
	Reason string
}

// Needs of the command.
func (c *CancelRSVP) Needs() Needs { return Needs{RSVPIDs: []string{c.RSVPID}} }

// Decide applies the command.
func (c *CancelRSVP) Decide(b *Book, by Actor, now time.Time) (Outcome, error) {
	return b.decide(now, func(now time.Time) (*Row, error) {
		r, err := b.own(c.RSVPID, by)
		if err != nil {
			return nil, err
		}
		if err := checkReason(c.Reason); err != nil {
			return nil, err
		}
		if err := b.running(by, now); err != nil {
			return nil, err
		}
		if r.RSVP.CheckedIn > 0 {
			return nil, ErrCheckedIn.Detailf("%d of the party are inside", r.RSVP.CheckedIn)
		}
		return r, b.leave(r, note{by: byCancel, actor: by.ID, reason: c.Reason}, now)
	})
}

// leave makes an RSVP cancelled, if n.by may.
func (b *Book) leave(r *Row, n note, now time.Time) error {
	if _, err := messageOf(n.by, r.RSVP.Status, cancelled); err != nil {
		return err
	}
	was := b.touch(r)
	b.enter(r, cancelled, now)
	return b.record(r, was, n, now)
}
