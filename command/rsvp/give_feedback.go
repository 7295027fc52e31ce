package rsvp

import (
	"bytes"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
)

// GiveFeedback is a rating by a guest who had a seat, once the event has
// started; a later one replaces it.
type GiveFeedback struct {
	RSVPID string
	Rating int    // 1–5
	Sealed []byte // contract.Personal with the comment and the survey's answers; nil leaves it
	Base   []byte // the RSVP.Sealed that Sealed was made from; another one by now is ErrStale
}

// Needs of the command.
func (c *GiveFeedback) Needs() Needs { return Needs{RSVPIDs: []string{c.RSVPID}} }

// Decide applies the command.
func (c *GiveFeedback) Decide(b *Book, by Actor, now time.Time) (Outcome, error) {
	return b.decide(now, func(now time.Time) (*Row, error) {
		r, err := b.own(c.RSVPID, by)
		if err != nil {
			return nil, err
		}
		if c.Rating < 1 || c.Rating > 5 {
			return nil, invalid("/rating", "is from 1 to 5")
		}
		switch {
		case b.Event.Status == contract.EventCancelled:
			return nil, ErrEventCancelled
		case now.Before(b.Event.StartsAt):
			return nil, ErrNotStarted
		}
		if _, err := messageOf(byFeedback, r.RSVP.Status, r.RSVP.Status); err != nil {
			return nil, err
		}
		if c.Sealed != nil && c.Base != nil && !bytes.Equal(c.Base, r.RSVP.Sealed) {
			return nil, ErrStale
		}
		was := b.touch(r)
		r.RSVP.Rating = c.Rating
		if c.Sealed != nil {
			r.RSVP.Sealed = c.Sealed
		}
		return r, b.record(r, was, note{by: byFeedback, actor: by.ID}, now)
	})
}
