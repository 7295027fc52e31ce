package rsvp

import (
	"time"

	"github.com/turnout-events/turnout/internal/fault"
)

// ExpireOffers gives back the seats of offers that are past their time, which
// the book always carries. The sweep sends it for published events; every
// other command does the same first.
type ExpireOffers struct{}

// Needs of the command.
func (c *ExpireOffers) Needs() Needs { return Needs{} }

// Decide applies the command.
func (c *ExpireOffers) Decide(b *Book, by Actor, now time.Time) (Outcome, error) {
	return b.decide(now, func(time.Time) (*Row, error) {
		if !by.System {
			return nil, fault.ErrForbidden
		}
		return nil, nil
	})
}
