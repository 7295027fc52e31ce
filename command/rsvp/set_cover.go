package rsvp

import (
	"time"

	"github.com/turnout-events/turnout/internal/contract"
)

// SetCover gives an event its picture, or takes it away (nil). The caller has
// checked and stored the picture.
type SetCover struct {
	Cover    *contract.Cover
	Revision int64 // of If-Match; 0: whatever it is
}

// Needs of the command.
func (c *SetCover) Needs() Needs { return Needs{} }

// Decide applies the command.
func (c *SetCover) Decide(b *Book, by Actor, now time.Time) (Outcome, error) {
	return b.decide(now, func(now time.Time) (*Row, error) {
		if err := b.editable(by, c.Revision); err != nil {
			return nil, err
		}
		if was := b.Event.Cover; was == c.Cover || was != nil && c.Cover != nil && *was == *c.Cover {
			return nil, nil
		}
		b.revise()
		b.edited(now)
		b.Event.Cover = c.Cover
		b.tell(contract.CoverChangedV1, by, "", now)
		return nil, nil
	})
}
