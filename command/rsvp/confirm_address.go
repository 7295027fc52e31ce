package rsvp

import (
	"time"

	"github.com/turnout-events/turnout/internal/contract"
)

// ConfirmAddress is the guest's proof that the address is theirs. What the
// RSVP becomes is decided now: a place in the queue counts from here. Where the
// organizer must approve as well, another PendingTTL begins. Confirming twice
// changes nothing: mail scanners follow links, and people press them again.
type ConfirmAddress struct {
	RSVPID string
}

// Needs of the command.
func (c *ConfirmAddress) Needs() Needs { return Needs{RSVPIDs: []string{c.RSVPID}, Waiting: true} }

// Decide applies the command.
func (c *ConfirmAddress) Decide(b *Book, by Actor, now time.Time) (Outcome, error) {
	return b.decide(now, func(now time.Time) (*Row, error) {
		r, err := b.own(c.RSVPID, by)
		if err != nil {
			return nil, err
		}
		if r.RSVP.AddressConfirmed {
			return r, nil
		}
		next := r.RSVP
		next.AddressConfirmed = true
		return r, b.admit(r, next, byAddress, by, now)
	})
}

// admit settles a pending RSVP of which one more thing is known now.
func (b *Book) admit(r *Row, next contract.RSVP, through string, by Actor, now time.Time) error {
	if pendingOver(&r.RSVP, now) || r.RSVP.Status == cancelled && r.RSVP.PendingExpiresAt != nil {
		return ErrPendingExpired
	}
	if _, err := messageOf(through, r.RSVP.Status, confirmed); err != nil {
		return err
	}
	if err := b.open(by, now); err != nil {
		return err
	}
	// The member's right is to approve, not to confirm an address instead of
	// the guest.
	status, err := b.settle(&next, Actor{ID: by.ID}, now)
	if err != nil {
		return err
	}
	if _, err := messageOf(through, pending, status); err != nil {
		return err
	}
	was := b.touch(r)
	r.RSVP = next
	b.enter(r, status, now)
	return b.record(r, was, note{by: through, actor: by.ID}, now)
}

// pendingOver tells whether a pending RSVP's time has run out.
func pendingOver(r *contract.RSVP, now time.Time) bool {
	return r.Status == pending && r.PendingExpiresAt != nil && !now.Before(*r.PendingExpiresAt)
}
