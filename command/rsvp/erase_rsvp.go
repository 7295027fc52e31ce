package rsvp

import (
	"time"

	"github.com/turnout-events/turnout/internal/contract"
)

// EraseRSVP destroys what tells who the guest is. Before the start a seat or a
// maybe is cancelled first; afterwards, and for who is inside already, it keeps
// its state, so that the counts stay true. Who only waits is cancelled at any
// time: nobody could be told of a seat. Erasing twice changes nothing.
type EraseRSVP struct {
	RSVPID string
	Reason string
	// Withdrawn says, after a restore, that the guest had given the seat back
	// when this was first erased: then it is given back whatever the hour.
	Withdrawn bool
}

// Needs of the command.
func (c *EraseRSVP) Needs() Needs { return Needs{RSVPIDs: []string{c.RSVPID}} }

// Decide applies the command.
func (c *EraseRSVP) Decide(b *Book, by Actor, now time.Time) (Outcome, error) {
	return b.decide(now, func(now time.Time) (*Row, error) {
		r, err := b.own(c.RSVPID, by)
		if err != nil {
			if r, known := b.rows[c.RSVPID]; known && r != nil && r.RSVP.Erased && by.mayActFor(c.RSVPID) {
				return r, nil
			}
			return nil, err
		}
		if err := checkReason(c.Reason); err != nil {
			return nil, err
		}
		n := note{by: byErase, actor: by.ID, reason: c.Reason}
		if c.leaves(&r.RSVP, b.Event.StartsAt, now) {
			if err := b.leave(r, n, now); err != nil {
				return nil, err
			}
		}
		return r, b.erase(r, n, now)
	})
}

func (c *EraseRSVP) leaves(r *contract.RSVP, start, now time.Time) bool {
	switch r.Status {
	case pending, waitlisted, offered:
		return true
	case confirmed, maybe:
		return (c.Withdrawn || now.Before(start)) && r.CheckedIn == 0
	}
	return false
}

// erase drops all personal data of an RSVP; its address may answer again.
func (b *Book) erase(r *Row, n note, now time.Time) error {
	was := b.touch(r)
	if r.EmailHMAC != nil {
		b.name(b.email, string(r.EmailHMAC), nil)
	}
	r.EmailHMAC, r.WrappedKey, r.DestroyKey = nil, nil, true
	r.RSVP.Erased = true
	r.RSVP.Sealed = []byte{}
	r.RSVP.Locale, r.RSVP.TimeZone = "", ""
	r.RSVP.Epoch++ // its links and tickets no longer open anything
	return b.record(r, was, n, now)
}
