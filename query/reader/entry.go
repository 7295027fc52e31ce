package reader

import (
	"sync"
	"time"
)

// entryFresh bounds how old an entry may be. The subscription keeps it new; this
// is for a message lost by pub/sub, which promises nothing.
const entryFresh = time.Second

// entry is the seats of one event as they were last heard of, and who views them.
type entry struct {
	mu      sync.Mutex
	seats   Seats
	read    time.Time // when it was last read from the store; zero: not yet
	repairs int       // how often the seats were replaced whatever their version
	viewers map[chan struct{}]struct{}
}

func (e *entry) get(now time.Time) (Seats, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.seats, !e.read.IsZero() && now.Sub(e.read) < entryFresh
}

// set keeps what was read from the store, unless memory is newer, and gives
// what is kept.
func (e *entry) set(s Seats, at time.Time) Seats {
	e.mu.Lock()
	defer e.mu.Unlock()
	if s.Version >= e.seats.Version {
		grew := s.Version > e.seats.Version
		e.seats = s
		if grew {
			e.wake()
		}
	}
	e.seats.Event = s.Event
	e.read = at
	return e.seats
}

func (e *entry) update(body []byte, version int64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if version > e.seats.Version {
		e.seats.Body, e.seats.Version, e.seats.Degraded = body, version, ""
		e.wake()
	}
}

// repair takes what is in the place of something wrong, though its version may
// be lower.
func (e *entry) repair(body []byte, version int64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.seats.Body, e.seats.Version, e.seats.Degraded = body, version, ""
	e.repairs++
	e.wake()
}

func (e *entry) wake() {
	for v := range e.viewers {
		select {
		case v <- struct{}{}:
		default: // it will look anyway
		}
	}
}

// View is told by its channel whenever the event's seats have changed; Latest
// gives them.
type View struct {
	hub     *Hub
	entry   *entry
	repairs int // of the entry, that Latest has told of
	Changed chan struct{}
}

// Watch opens a view; Close it.
func (h *Hub) Watch(eventID string) *View {
	v := &View{hub: h, Changed: make(chan struct{}, 1)}
	h.mu.Lock() // an entry that nobody views may be forgotten
	v.entry = h.present(eventID)
	v.entry.mu.Lock()
	v.entry.viewers[v.Changed] = struct{}{}
	v.repairs = v.entry.repairs
	v.entry.mu.Unlock()
	h.mu.Unlock()
	h.viewers.Inc()
	return v
}

// Latest gives the seats as last heard of. Repaired: they have taken the place
// of something wrong since Latest was last called, and their version may be no
// higher.
func (v *View) Latest() (s Seats, repaired bool) {
	v.entry.mu.Lock()
	defer v.entry.mu.Unlock()
	repaired = v.repairs != v.entry.repairs
	v.repairs = v.entry.repairs
	return v.entry.seats, repaired
}

// Close ends the view.
func (v *View) Close() {
	v.entry.mu.Lock()
	delete(v.entry.viewers, v.Changed)
	v.entry.mu.Unlock()
	v.hub.viewers.Dec()
}
