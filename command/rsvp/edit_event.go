package rsvp

import (
	"time"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/fault"
)

// EditEvent changes what an event says. Moving it in time or place raises its
// sequence; a changed capacity is a message of its own. An edit that changes
// nothing leaves no message.
type EditEvent struct {
	Input    EventInput
	Revision int64 // of If-Match; 0: whatever it is
	Limits   Limits
}

// Needs of the command.
func (c *EditEvent) Needs() Needs { return Needs{All: c.Input.mayPromote()} }

// Decide applies the command.
func (c *EditEvent) Decide(b *Book, by Actor, now time.Time) (Outcome, error) {
	return b.decide(now, func(now time.Time) (*Row, error) {
		if err := b.editable(by, c.Revision); err != nil {
			return nil, err
		}
		old, next := b.Event, b.Event
		fields := append(c.Input.apply(&next), c.Input.fixed(&old)...)
		if err := check(&next, &old, fields, c.Limits, now); err != nil {
			return nil, err
		}
		capacity := next.Capacity
		next.Capacity = old.Capacity // has its own message
		moved := movedInTimeOrPlace(&old, &next)
		edited := moved || !sameWords(&old, &next)
		resized := !sameNumber(old.Capacity, capacity)
		if !edited && !resized {
			return nil, nil
		}
		next.Revision++
		next.UpdatedAt = now
		b.revise()
		b.Event = next
		switch {
		case moved:
			b.Event.Sequence++
			b.tell(contract.EventRescheduledV1, by, "", now)
		case edited:
			b.tell(contract.EventEditedV1, by, "", now)
		}
		if resized {
			b.resize(capacity, by, now)
		}
		return nil, nil
	})
}

// editable guards what an organizer does to an event: who, If-Match, and that
// nothing happens to a cancelled one.
func (b *Book) editable(by Actor, revision int64) error {
	if !by.Member && !by.System {
		return fault.ErrForbidden
	}
	if err := CheckRevision(&b.Event, revision); err != nil {
		return err
	}
	if b.Event.Status == contract.EventCancelled {
		return ErrEventCancelled
	}
	return nil
}

// CheckRevision refuses a client that has seen another revision of the event
// (If-Match); 0: whatever it is.
func CheckRevision(e *contract.Event, seen int64) error {
	if seen == 0 || seen == e.Revision {
		return nil
	}
	return ErrRevision.Detailf("you have seen revision %d, it is %d now", seen, e.Revision).With("revision", e.Revision)
}

// edited raises the revision after a change of the event that revise announced.
func (b *Book) edited(now time.Time) {
	b.Event.Revision++
	b.Event.UpdatedAt = now
}

// resize sets the capacity. The seats that it adds are given out after the
// command, like all free seats.
func (b *Book) resize(capacity *int, by Actor, now time.Time) {
	b.Event.Capacity, b.Counters.Capacity = capacity, capacity
	b.tell(contract.CapacityChangedV1, by, "", now)
}

func movedInTimeOrPlace(a, b *contract.Event) bool {
	return !a.StartsAt.Equal(b.StartsAt) || !a.EndsAt.Equal(b.EndsAt) || a.TimeZone != b.TimeZone ||
		!sameVenue(a.Venue, b.Venue) || a.OnlineURL != b.OnlineURL || a.Online != b.Online
}
