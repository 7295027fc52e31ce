package rsvp

import (
	"cmp"
	"math"
	"slices"
	"sort"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
)

// Actors and reasons of what follows from a command.
const (
	waitlistActor   = "system:waitlist"
	ReasonOutOfTime = "out-of-time"
	ReasonDeclined  = "declined"
)

// free is how many seats are neither taken nor held; negative when the
// capacity was lowered below that. limited is false for an unlimited event.
func (b *Book) free() (seats int, limited bool) {
	if b.Counters.Capacity == nil {
		return math.MaxInt, false
	}
	return *b.Counters.Capacity - b.Counters.Going - b.Counters.Held, true
}

// promotes tells whether waiting parties may get seats at all.
func (b *Book) promotes(now time.Time) bool {
	return b.Event.Status == contract.EventPublished && now.Before(b.Event.StartsAt)
}

// seatFor tells whether a party that does not wait may take that many seats.
// Before the start, who waits and fits comes first; after it nobody of the
// queue gets in any more, and a walk-in takes what is free.
func (b *Book) seatFor(people int, now time.Time) (bool, error) {
	free, limited := b.free()
	if !limited {
		return true, nil
	}
	if people > free {
		return false, nil
	}
	if !b.promotes(now) {
		return true, nil
	}
	first, err := b.nextFit(free)
	return first == nil, err
}

// nextFit is the first waiting party that fits.
func (b *Book) nextFit(free int) (*Row, error) {
	if b.Counters.Waitlisted == 0 || free < b.smallest || free < 1 {
		return nil, nil
	}
	if b.queueSeats < free {
		return nil, notLoaded("queue", b.Event.ID)
	}
	smallest := math.MaxInt
	for _, r := range b.queue {
		if r.RSVP.PartySize <= free {
			return r, nil
		}
		smallest = min(smallest, r.RSVP.PartySize)
	}
	b.smallest = smallest
	return nil, nil
}

// promote gives free seats to those who wait, in their order; a party that
// does not fit is passed over and keeps its place. A party that waits under a
// policy that has become "none" keeps its right.
func (b *Book) promote(now time.Time) error {
	free, limited := b.free()
	if free < 1 || b.Counters.Waitlisted == 0 || !b.promotes(now) {
		return nil
	}
	if first, err := b.nextFit(free); err != nil || first == nil {
		return err
	}
	var still []*Row
	for i, r := range b.queue {
		if free < 1 {
			still = append(still, b.queue[i:]...)
			break
		}
		if r.RSVP.PartySize > free {
			still = append(still, r)
			continue
		}
		if limited {
			free -= r.RSVP.PartySize
		}
		was := b.touch(r)
		if b.Event.WaitlistPolicy == contract.WaitlistOffer {
			until := now.Add(time.Duration(b.Event.OfferTTL))
			if until.After(b.Event.StartsAt) {
				until = b.Event.StartsAt
			}
			r.RSVP.Status, r.RSVP.OfferExpiresAt = offered, &until
			b.offers = append(b.offers, r)
		} else {
			r.RSVP.Status = confirmed
		}
		if err := b.record(r, was, note{by: byPromotion, actor: waitlistActor}, now); err != nil {
			return err
		}
	}
	b.queue = still
	return nil
}

// lapse ends the offers that are past their time. What they held is given on
// by the promote that follows the command.
func (b *Book) lapse(now time.Time) error {
	if len(b.offers) == 0 || b.Event.Status != contract.EventPublished {
		return nil // a cancelled event leaves RSVPs as they are
	}
	var over, open []*Row
	for _, r := range b.offers {
		switch {
		case b.lapsed(r, now):
			over = append(over, r)
		case r.RSVP.Status == offered:
			open = append(open, r)
		}
	}
	if len(over) == 0 {
		return nil
	}
	// In the order in which they ran out, whatever the order of loading.
	slices.SortFunc(over, func(x, y *Row) int {
		return cmp.Or(b.offerEnd(x).Compare(b.offerEnd(y)), cmp.Compare(x.RSVP.QueuedVersion, y.RSVP.QueuedVersion))
	})
	for _, r := range over {
		if !b.lapsed(r, now) {
			continue // offered twice in this book, so it is in offers twice
		}
		was, end := b.touch(r), b.offerEnd(r)
		r.RSVP.Status, r.RSVP.OfferExpiresAt = cancelled, &end
		n := note{by: byLapse, actor: waitlistActor, reason: ReasonOutOfTime, validAt: end}
		if err := b.record(r, was, n, now); err != nil {
			return err
		}
	}
	b.offers = open
	return b.promote(now)
}

func (b *Book) lapsed(r *Row, now time.Time) bool {
	return r.RSVP.Status == offered && r.RSVP.OfferExpiresAt != nil && !now.Before(b.offerEnd(r))
}

// offerEnd is when an offer ends: at the start at the latest, also of an event
// that was moved up after the offer was made.
func (b *Book) offerEnd(r *Row) time.Time {
	if until := *r.RSVP.OfferExpiresAt; until.Before(b.Event.StartsAt) {
		return until
	}
	return b.Event.StartsAt
}

// enqueue keeps the queue in the order of QueuedVersion; who joins now comes
// last, so this is an append but for rows that the store gives out of order.
func (b *Book) enqueue(r *Row) {
	b.smallest = min(b.smallest, r.RSVP.PartySize)
	n := len(b.queue)
	if n == 0 || b.queue[n-1].RSVP.QueuedVersion <= r.RSVP.QueuedVersion {
		b.queue = append(b.queue, r)
		return
	}
	at := sort.Search(n, func(i int) bool { return b.queue[i].RSVP.QueuedVersion > r.RSVP.QueuedVersion })
	b.queue = append(b.queue, nil)
	copy(b.queue[at+1:], b.queue[at:])
	b.queue[at] = r
}

// dequeue takes a party out; nobody else's place changes.
func (b *Book) dequeue(r *Row) {
	still := make([]*Row, 0, len(b.queue))
	for _, q := range b.queue {
		if q != r {
			still = append(still, q)
		}
	}
	b.queue = still
}

// position is a waiting party's place, 0 when the book cannot know it.
func (b *Book) position(r *Row) int {
	if r.RSVP.Status != waitlisted {
		return 0
	}
	if b.queueSeats == math.MaxInt {
		return 1 + sort.Search(len(b.queue), func(i int) bool {
			return b.queue[i].RSVP.QueuedVersion >= r.RSVP.QueuedVersion
		})
	}
	if n := len(b.queue); b.waiting >= 0 && r.RSVP.QueuedVersion > b.opened && n > 0 && b.queue[n-1] == r {
		return b.waiting
	}
	return 0
}
