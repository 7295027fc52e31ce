package rsvp

import (
	"sort"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
)

// free is how many seats are neither taken nor held; negative when the
// capacity was lowered below that. limited is false for an unlimited event.
func (b *Book) free() (seats int, limited bool) {
	if b.Counters.Capacity == nil {
		return 0, false
	}
	return *b.Counters.Capacity - b.Counters.Going - b.Counters.Held, true
}

// promotes tells whether waiting parties may get seats at all.
func (b *Book) promotes(now time.Time) bool {
	return b.Event.Status == contract.EventPublished && now.Before(b.Event.StartsAt)
}

func lapsed(r *Row, now time.Time) bool {
	return r.RSVP.Status == contract.StatusOffered && r.RSVP.OfferExpiresAt != nil && !now.Before(*r.RSVP.OfferExpiresAt)
}

// enqueue keeps the queue in the order of QueuedVersion; who joins now comes
// last, so this is an append but for rows that the store gives out of order.
func (b *Book) enqueue(r *Row) {
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
