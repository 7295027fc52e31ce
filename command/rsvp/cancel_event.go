package rsvp

import (
	"time"

	"github.com/turnout-events/turnout/internal/contract"
)

// CancelEvent calls an event off that is not over: one message, RSVPs keep
// their state. There is no way back. A draft that is cancelled stays its
// organization's business.
type CancelEvent struct {
	Revision int64 // of If-Match; 0: whatever it is
	Reason   string
}

// Needs of the command.
func (c *CancelEvent) Needs() Needs { return Needs{} }

// Decide applies the command.
func (c *CancelEvent) Decide(b *Book, by Actor, now time.Time) (Outcome, error) {
	return b.decide(now, func(now time.Time) (*Row, error) {
		if err := b.editable(by, c.Revision); err != nil {
			return nil, err
		}
		reason := tidy(c.Reason)
		if err := checkReason(reason); err != nil {
			return nil, err
		}
		if !now.Before(b.Event.EndsAt) {
			return nil, ErrEventEnded
		}
		b.revise()
		b.edited(now)
		b.Event.Status, b.Event.CancelReason = contract.EventCancelled, reason
		b.Event.Sequence++
		b.tell(contract.EventCancelledV1, by, reason, now)
		return nil, nil
	})
}
