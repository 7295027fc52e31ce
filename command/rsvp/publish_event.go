package rsvp

import (
	"time"

	"github.com/turnout-events/turnout/internal/contract"
)

// PublishEvent opens a draft to its guests, unless it is over.
type PublishEvent struct {
	Revision int64 // of If-Match; 0: whatever it is
}

// Needs of the command.
func (c *PublishEvent) Needs() Needs { return Needs{} }

// Decide applies the command.
func (c *PublishEvent) Decide(b *Book, by Actor, now time.Time) (Outcome, error) {
	return b.decide(now, func(now time.Time) (*Row, error) {
		if err := b.editable(by, c.Revision); err != nil {
			return nil, err
		}
		return nil, b.publish(by, now)
	})
}

func (b *Book) publish(by Actor, now time.Time) error {
	switch {
	case b.Event.Status != contract.EventDraft:
		return ErrWrongState.Detailf("the event is %s already", b.Event.Status).
			With("from", b.Event.Status).With("to", contract.EventPublished)
	case !now.Before(b.Event.EndsAt):
		return ErrEventEnded
	}
	b.revise()
	b.edited(now)
	b.Event.Status, b.Event.PublishedAt = contract.EventPublished, &now
	b.Event.Sequence++
	b.tell(contract.EventPublishedV1, by, "", now)
	return nil
}
