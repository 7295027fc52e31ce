package rsvp

import (
	"bytes"
	"time"
)

// CancelRSVP withdraws an answer, by its guest or by a member, until the
// event's end. What it held goes to those who wait. Whom a member removes comes
// back by the organizer's approval only, where the event asks for one.
type CancelRSVP struct {
	RSVPID string
	// Reason is a member's. It stays in the log as it is, so a guest's own words are in Sealed instead, which erasing takes.
	Reason string
	Sealed []byte // contract.Personal with a guest's reason as comment; nil leaves what is there
	Base   []byte // the RSVP.Sealed that Sealed was made from; with another one by now only the reason is lost
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
		n := note{by: byCancel, actor: by.ID}
		if by.Member || by.System {
			n.reason = c.Reason
		}
		if by.Member {
			b.touch(r)
			r.RSVP.Approved = false
		}
		if c.Sealed != nil && bytes.Equal(c.Base, r.RSVP.Sealed) {
			b.touch(r)
			r.RSVP.Sealed = c.Sealed
		}
		return r, b.leave(r, n, now)
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
