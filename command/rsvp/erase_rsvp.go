package rsvp

import (
	"time"
)

// EraseRSVP destroys what tells who the guest is. A seat, an offer, a place in
// the queue, a maybe at an event that has not started is cancelled first;
// afterwards, and for who is inside already, the RSVP keeps its state, so that
// the counts stay true. Erasing twice changes nothing.
type EraseRSVP struct {
	RSVPID string
	Reason string
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
		if _, leaves := moves[move{byErase, r.RSVP.Status, cancelled}]; leaves && r.RSVP.Status != cancelled &&
			now.Before(b.Event.StartsAt) && r.RSVP.CheckedIn == 0 {
			if err := b.leave(r, n, now); err != nil {
				return nil, err
			}
		}
		return r, b.erase(r, n, now)
	})
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
