package soldout

import (
	"sync"
	"time"

	"github.com/turnout-events/turnout/command/pgstore"
	"github.com/turnout-events/turnout/command/rsvp"
)

// look is one look at the database and those who wait for it. Whoever takes what lead holds does it for all.
type look struct {
	done chan struct{}
	lead chan struct{} // holds one
	seen *seen         // set before done is closed; nil: nothing that refuses
}

// watched is an event that was full. Whoever comes while somebody looks waits for the next look: what the present one
// finds may be older than their request.
type watched struct {
	mu   sync.Mutex
	next *look // that has not begun
	busy bool  // somebody looks, or is to

	// Of whoever looks:
	seen  *seen
	pause time.Time // no census before it
}

func (w *watched) join() *look {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.next == nil {
		w.next = &look{done: make(chan struct{}), lead: make(chan struct{}, 1)}
		if !w.busy {
			w.busy = true
			w.next.lead <- struct{}{}
		}
	}
	return w.next
}

func (w *watched) begin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.next = nil
}

// end hands on to those who came meanwhile.
func (w *watched) end(l *look) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.busy = w.next != nil; w.busy {
		w.next.lead <- struct{}{}
	}
	close(l.done)
}

// seen is a sold-out event at a version.
type seen struct {
	version         int64
	event           *rsvp.SoldOut
	full            error // what is said of a full event, dressed
	addresses, keys map[string]struct{}
}

// seenOf is nil if the event is not sold out.
func seenOf(c *pgstore.Census, dress func(error) error) *seen {
	if c == nil {
		return nil
	}
	event := rsvp.NewSoldOut(c.Event, c.Counters)
	if event == nil {
		return nil
	}
	return &seen{version: c.Version, event: event, full: dress(event.Full()), addresses: c.Addresses, keys: c.Keys}
}

func (s *seen) refuse(a Ask, now time.Time) error {
	if _, before := s.addresses[string(a.Address)]; before {
		return nil
	}
	if _, before := s.keys[a.Key]; before {
		return nil
	}
	err := s.event.Refuse(a.Response, a.People, now)
	if err == s.event.Full() { //nolint:errorlint // that very error, not one like it
		return s.full
	}
	return err
}
