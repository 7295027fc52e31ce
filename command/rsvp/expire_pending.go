package rsvp

import (
	"time"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/fault"
)

// ExpirePending ends answers that were not confirmed or approved in time. Those
// of the list that are not pending, or still have time, are left alone, and so
// is everything at a cancelled event.
type ExpirePending struct {
	RSVPIDs []string
}

// Needs of the command.
func (c *ExpirePending) Needs() Needs { return Needs{RSVPIDs: c.RSVPIDs} }

// Decide applies the command.
func (c *ExpirePending) Decide(b *Book, by Actor, now time.Time) (Outcome, error) {
	return b.decide(now, func(now time.Time) (*Row, error) {
		if !by.System {
			return nil, fault.ErrForbidden
		}
		for _, id := range c.RSVPIDs {
			r, sought := b.rows[id]
			if !sought {
				return nil, notLoaded("RSVP", id)
			}
			if r == nil || !pendingOver(&r.RSVP, now) || b.Event.Status == contract.EventCancelled {
				continue
			}
			if err := b.expire(r, now); err != nil {
				return nil, err
			}
		}
		return nil, nil
	})
}

// expire ends a pending RSVP; that PendingExpiresAt stays tells why.
func (b *Book) expire(r *Row, now time.Time) error {
	was := b.touch(r)
	r.RSVP.Status = cancelled
	n := note{by: byExpiry, actor: "system:pending", reason: ReasonOutOfTime, validAt: *r.RSVP.PendingExpiresAt}
	return b.record(r, was, n, now)
}
