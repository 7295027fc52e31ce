package rsvp

import (
	"bytes"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
)

// ChangeRSVP changes what a guest answered; nil leaves a field as it is.
//
// A guest who withdrew or declined may come back by it, and queues anew. Who
// gives a seat back may do so until the event's end, also when answers are no
// longer taken. A party with a seat grows only by seats that are free; a
// waiting party that grows joins the queue anew, one that shrinks keeps its
// place; an offer is not taken by it but by AcceptOffer.
type ChangeRSVP struct {
	RSVPID    string
	Response  *string
	PartySize *int
	Sealed    []byte
	Base      []byte // the RSVP.Sealed that Sealed was made from; another one by now is ErrStale
	Locale    *string
	TimeZone  *string
	Updates   *bool // consents: what changes gets the time of the change
	Marketing *bool
	Reminders *bool
	Checked   int64 // revision of the event that the answers were checked against; 0: none
}

// Needs of the command.
func (c *ChangeRSVP) Needs() Needs { return Needs{RSVPIDs: []string{c.RSVPID}, Waiting: true} }

// Decide applies the command.
func (c *ChangeRSVP) Decide(b *Book, by Actor, now time.Time) (Outcome, error) {
	return b.decide(now, func(now time.Time) (*Row, error) { return c.apply(b, by, now) })
}

func (c *ChangeRSVP) apply(b *Book, by Actor, now time.Time) (*Row, error) {
	r, err := b.own(c.RSVPID, by)
	if err != nil {
		return nil, err
	}
	if err := b.asksStill(c.Checked); err != nil {
		return nil, err
	}
	next := r.RSVP
	if err := c.fields(&next, now); err != nil {
		return nil, err
	}
	n := note{by: byChange, actor: by.ID}
	status := next.Status
	if c.Response != nil || c.PartySize != nil {
		if status, err = c.answer(b, &r.RSVP, &next, by, now); err != nil {
			return nil, err
		}
	}
	rejoins := status == waitlisted && r.RSVP.Status == waitlisted && next.PartySize > r.RSVP.PartySize
	if rejoins {
		n.by = byGrowth
	}
	stays := status == r.RSVP.Status && !rejoins
	if stays && c.Sealed == nil && same(&r.RSVP, &next) {
		return r, nil // nothing to tell
	}
	was := b.touch(r)
	if next.PartySize > was.PartySize {
		next.Grew = grown(next.Grew, contract.Growth{At: now, From: was.PartySize})
	}
	if stays && status == waitlisted {
		b.smallest = min(b.smallest, next.PartySize)
	}
	r.RSVP = next
	if !stays {
		b.enter(r, status, now)
	}
	return r, b.record(r, was, n, now)
}

// fields takes over what is neither answer nor party.
func (c *ChangeRSVP) fields(next *contract.RSVP, now time.Time) error {
	if c.Sealed != nil {
		if c.Base != nil && !bytes.Equal(c.Base, next.Sealed) {
			return ErrStale
		}
		next.Sealed = c.Sealed
	}
	if c.Locale != nil {
		next.Locale = *c.Locale
	}
	if c.TimeZone != nil {
		next.TimeZone = *c.TimeZone
	}
	if c.Updates != nil && *c.Updates != next.Consents.Updates {
		next.Consents.Updates, next.Consents.UpdatesAt = *c.Updates, &now
	}
	if c.Marketing != nil && *c.Marketing != next.Consents.Marketing {
		next.Consents.Marketing, next.Consents.MarketingAt = *c.Marketing, &now
	}
	if c.Reminders != nil {
		next.Reminders = *c.Reminders
	}
	return nil
}

// same tells whether next says nothing new.
func same(old, next *contract.RSVP) bool {
	return old.Response == next.Response && old.PartySize == next.PartySize && old.Approved == next.Approved &&
		old.Locale == next.Locale && old.TimeZone == next.TimeZone &&
		old.Consents == next.Consents && old.Reminders == next.Reminders
}

// answer decides about a new response or party size.
func (c *ChangeRSVP) answer(b *Book, old, next *contract.RSVP, by Actor, now time.Time) (string, error) {
	if c.Response != nil {
		if err := checkResponse(*c.Response); err != nil {
			return "", err
		}
		next.Response = *c.Response
	}
	if c.PartySize != nil {
		next.PartySize = *c.PartySize
	}
	if next.PartySize < 1 || next.PartySize > old.PartySize {
		if err := b.partyFits(next.PartySize); err != nil {
			return "", err
		}
	}
	if old.CheckedIn > 0 && (next.Response != contract.Going || next.PartySize < old.CheckedIn) {
		return "", ErrCheckedIn.Detailf("%d of the party are inside", old.CheckedIn)
	}
	if err := b.running(by, now); err != nil {
		return "", err
	}
	if next.Response == contract.Going && (old.Status == confirmed || old.Status == offered || old.Status == waitlisted) {
		return c.resize(b, old, next, by, now)
	}
	leaves := next.Response == contract.NotGoing ||
		next.Response == contract.Maybe && (old.Status == confirmed || old.Status == offered || old.Status == waitlisted)
	if !leaves {
		if err := b.open(by, now); err != nil {
			return "", err
		}
		if next.Response == contract.Going {
			if err := b.partyFits(next.PartySize); err != nil {
				return "", err
			}
		}
	}
	switch {
	case old.Status == cancelled && c.Response == nil:
		return "", ErrWrongState.Detailf("the answer is cancelled: give a response to come back").
			With("from", old.Status).With("to", old.Status)
	case old.Status == pending && next.Response == old.Response && !(by.Member && c.Response != nil):
		return pending, nil // still waits for what it waits for
	}
	next.Approved = next.Approved || by.Member && next.Response == contract.Going
	return b.settleChange(old, next, by, now)
}

// settleChange is settle, but that a maybe who leaves a seat needs no proof of
// the address again, and a pending answer stays pending by what it waits for.
func (b *Book) settleChange(old, next *contract.RSVP, by Actor, now time.Time) (string, error) {
	switch old.Status {
	case confirmed, offered, waitlisted, maybe:
		proven := *next
		proven.AddressConfirmed = true
		return b.settle(&proven, by, now)
	}
	return b.settle(next, by, now)
}

// resize is a party that has a seat, an offer or a place in the queue and
// still wants to come.
func (c *ChangeRSVP) resize(b *Book, old, next *contract.RSVP, by Actor, now time.Time) (string, error) {
	more := next.PartySize - old.PartySize
	if old.Status == waitlisted && by.Member && !b.promotes(now) {
		// The queue stands still after the start; at the door a member may
		// seat who waits, if there is room.
		seat, err := b.seatFor(next.PartySize, now)
		if err == nil && !seat {
			free, _ := b.free()
			err = ErrEventFull.With("remaining", free)
		}
		return confirmed, err
	}
	if more <= 0 {
		return old.Status, nil
	}
	if err := b.open(by, now); err != nil {
		return "", err
	}
	if old.Status == waitlisted {
		return waitlisted, nil
	}
	seat, err := b.seatFor(more, now)
	if err == nil && !seat {
		free, _ := b.free()
		err = ErrNotEnoughSeats.Detailf("%d more are wanted, %d are free", more, max(free, 0)).With("remaining", free)
	}
	return old.Status, err
}
