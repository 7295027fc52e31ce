package rsvp

import (
	"time"

	"github.com/turnout-events/turnout/internal/contract"
)

// SetSeries makes an event part of a series: the one that was repeated. One
// that is part of a series already stays in it.
type SetSeries struct {
	SeriesID string
	Revision int64 // of If-Match; 0: whatever it is
}

// Needs of the command.
func (c *SetSeries) Needs() Needs { return Needs{} }

// Decide applies the command.
func (c *SetSeries) Decide(b *Book, by Actor, now time.Time) (Outcome, error) {
	return b.decide(now, func(now time.Time) (*Row, error) {
		if err := b.editable(by, c.Revision); err != nil {
			return nil, err
		}
		if b.Event.SeriesID != "" {
			return nil, nil
		}
		b.revise()
		b.edited(now)
		b.Event.SeriesID = c.SeriesID
		b.tell(contract.EventEditedV1, by, "", now)
		return nil, nil
	})
}
