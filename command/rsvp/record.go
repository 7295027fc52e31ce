package rsvp

import (
	"time"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/fault"
)

// decide is how every command runs: offers past their time lapse first, then
// the command's own rule, then seats that are free go to those who wait. The
// row that the rule gives is what the caller gets to know.
func (b *Book) decide(now time.Time, rule func(now time.Time) (*Row, error)) (Outcome, error) {
	now = contract.Time(now)
	b.begin()
	err := b.lapse(now)
	var about *Row
	if err == nil {
		about, err = rule(now)
	}
	if err == nil {
		err = b.promote(now)
	}
	if err != nil {
		b.rollback()
		return Outcome{}, err
	}
	return b.outcome(about), nil
}

func (b *Book) outcome(about *Row) Outcome {
	o := Outcome{Event: b.eventNow(), Counters: b.Counters, Version: b.Version}
	if about != nil {
		r := about.RSVP
		o.RSVP, o.Position = &r, b.position(about)
	}
	return o
}

// eventNow is a copy of the event that stays as it is.
func (b *Book) eventNow() *contract.Event {
	if b.snapshot == nil {
		e := b.Event
		b.snapshot = &e
	}
	return b.snapshot
}

// find gives a stored RSVP that a command names.
func (b *Book) find(rsvpID string) (*Row, error) {
	r, sought := b.rows[rsvpID]
	switch {
	case r != nil:
		return r, nil
	case sought:
		return nil, fault.ErrNotFound
	default:
		return nil, notLoaded("RSVP", rsvpID)
	}
}

// own gives the RSVP if by may act for it and it still has personal data.
func (b *Book) own(rsvpID string, by Actor) (*Row, error) {
	r, err := b.find(rsvpID)
	switch {
	case err != nil:
		return nil, err
	case !by.mayActFor(rsvpID):
		return nil, fault.ErrNotFound // of which one may not know
	case r.RSVP.Erased:
		return nil, ErrErased
	}
	return r, nil
}

// members gives the RSVP to a member.
func (b *Book) members(rsvpID string, by Actor) (*Row, error) {
	if !by.Member && !by.System {
		return nil, fault.ErrForbidden
	}
	return b.own(rsvpID, by)
}

// note is what a message says beside the RSVP.
type note struct {
	by      string // of the table
	actor   string
	reason  string
	checkIn *contract.CheckIn
	validAt time.Time // zero: now
}

// record looks the move up, brings the counters after it and appends its
// message. The row was touched before and is now as it shall be.
func (b *Book) record(r *Row, was contract.Change, n note, now time.Time) error {
	message, err := messageOf(n.by, was.Status, r.RSVP.Status)
	if err != nil {
		return err
	}
	r.RSVP.UpdatedAt = now
	if r.RSVP.Status == confirmed && was.Status != confirmed && was.Status != "" {
		at := now // or each first answer would have its time on the heap
		r.RSVP.SeatedAt = &at
	}
	b.count(was, -1)
	b.count(contract.Change{Status: r.RSVP.Status, PartySize: r.RSVP.PartySize, CheckedIn: r.RSVP.CheckedIn}, +1)
	if n.validAt.IsZero() {
		n.validAt = now
	}
	b.append(Draft{
		Type: message, ValidAt: n.validAt, Actor: n.actor, Reason: n.reason,
		Payload: contract.RSVPMessage{RSVP: r.RSVP, Before: was, Counters: b.Counters, CheckIn: n.checkIn},
	})
	return nil
}

// tell appends a message about the event.
func (b *Book) tell(message string, by Actor, reason string, now time.Time) {
	b.append(Draft{
		Type: message, ValidAt: now, Actor: by.ID, Reason: reason,
		Payload: contract.EventMessage{Event: b.Event, Counters: b.Counters},
	})
}

func (b *Book) append(d Draft) {
	b.Version++
	d.Version = b.Version
	b.messages = append(b.messages, d)
}

// count adds (sign 1) or takes away (-1) what an RSVP brings to the counters.
func (b *Book) count(c contract.Change, sign int) {
	people := sign * c.PartySize
	switch c.Status {
	case confirmed:
		b.Counters.Going += people
	case maybe:
		b.Counters.Maybe += people
	case offered:
		b.Counters.Held += people
	case waitlisted:
		b.Counters.Waitlisted += people
		if b.waiting >= 0 {
			b.waiting += sign
		}
	}
	b.Counters.CheckedIn += sign * c.CheckedIn
}

// Recount computes the counters from all rows of an event: what the counters
// kept along the way must be equal to.
func Recount(capacity *int, rows []contract.RSVP) contract.Counters {
	b := Book{Counters: contract.Counters{Capacity: capacity}}
	for _, r := range rows {
		b.count(contract.Change{Status: r.Status, PartySize: r.PartySize, CheckedIn: r.CheckedIn}, +1)
	}
	return b.Counters
}

// Move brings the counters after what one message tells of an RSVP: what it
// was is taken away, what it is added. Messages that are left out leave no
// trace, so this tells an event's counters as of a time, where a message's own
// counters are those of when it was recorded.
func Move(c *contract.Counters, m *contract.RSVPMessage) {
	b := Book{Counters: *c}
	b.count(m.Before, -1)
	b.count(contract.Change{Status: m.RSVP.Status, PartySize: m.RSVP.PartySize, CheckedIn: m.RSVP.CheckedIn}, +1)
	*c = b.Counters
}

func days(n int) time.Duration { return time.Duration(n) * 24 * time.Hour }
