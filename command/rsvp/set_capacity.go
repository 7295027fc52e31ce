package rsvp

import (
	"time"

	"github.com/turnout-events/turnout/internal/fault"
)

// SetCapacity changes how many people fit. Lowering it throws nobody out;
// raising it promotes.
type SetCapacity struct {
	Capacity *int  // people; nil: unlimited
	Revision int64 // of If-Match; 0: whatever it is
	Limits   Limits
}

// Needs of the command.
func (c *SetCapacity) Needs() Needs { return Needs{All: true} }

// Decide applies the command.
func (c *SetCapacity) Decide(b *Book, by Actor, now time.Time) (Outcome, error) {
	return b.decide(now, func(now time.Time) (*Row, error) {
		if err := b.editable(by, c.Revision); err != nil {
			return nil, err
		}
		if sameNumber(b.Event.Capacity, c.Capacity) {
			return nil, nil
		}
		if c.Capacity != nil {
			check := &checker{}
			check.between("/capacity", *c.Capacity, 1, c.Limits.MaxCapacity)
			if len(check.fields) > 0 {
				return nil, fault.ErrInvalid.About(check.fields...)
			}
		}
		b.revise()
		b.edited(now)
		b.resize(c.Capacity, by, now)
		return nil, nil
	})
}
