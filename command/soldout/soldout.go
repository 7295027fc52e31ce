// Package soldout refuses those who ask for a seat at a sold-out event, which is most who press the button, without a
// place in the event's queue, a data key or a look at their own rows.
//
// What a process remembers of an event is wrong as soon as another process frees a seat. So nobody is refused from memory
// alone: a look at the database that began after the request came has found the version that is remembered, and every
// change of the event or of an answer raises it. One look serves all who wait for it. Whoever has answered before, or sent
// the same key, or is not refused, goes to the desk like everybody.
package soldout

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/turnout-events/turnout/command/pgstore"
)

const (
	// most bounds the memory for one event (about 100 bytes each), maxEvents that for all; beyond it the desk refuses.
	most      = 20_000
	maxEvents = 1_000
	// share of the time that is spent on the census of an event that changes all the time: in between the desk refuses.
	share = 10
	// lookWithin bounds a look. Without an answer the desk decides, which has a bound of its own.
	lookWithin = 250 * time.Millisecond
)

// Store looks; *pgstore.Store is one.
type Store interface {
	Version(ctx context.Context, eventID string) (int64, error)
	Census(ctx context.Context, eventID, scope string, most int) (*pgstore.Census, error)
}

// Ask is a guest's first answer.
type Ask struct {
	EventID, Key string
	Scope        string // of the key: the same for every guest of the event
	Address      []byte // HMAC
	Response     string
	People       int // 0 means 1
}

// Board knows the events that are sold out. It is safe for concurrent use.
type Board struct {
	store   Store
	dress   func(error) error
	refused prometheus.Counter

	mu     sync.Mutex
	events map[string]*watched
}

// New makes a board that knows nothing. dress makes of the refusal of a full event what is given to those refused: it is
// called once per version of the event.
func New(store Store, dress func(error) error, registry prometheus.Registerer) (*Board, error) {
	refused := prometheus.NewCounter(prometheus.CounterOpts{
		Name: "turnout_command_soldout_refusals_total", Help: "Refusals at sold-out events that took no place in the queue.",
	})
	if err := registry.Register(refused); err != nil {
		return nil, err
	}
	return &Board{store: store, dress: dress, refused: refused, events: map[string]*watched{}}, nil
}

// Mark says that the event has refused somebody because it is full.
func (b *Board) Mark(eventID string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.events[eventID] != nil {
		return
	}
	if len(b.events) >= maxEvents {
		b.events = map[string]*watched{}
	}
	b.events[eventID] = &watched{}
}

func (b *Board) watched(eventID string) *watched {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.events[eventID]
}

func (b *Board) forget(eventID string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.events, eventID)
}

// Refuse tells why the guest gets no seat; nil: ask the desk. looked says that it took some time to find out.
func (b *Board) Refuse(ctx context.Context, a Ask, now func() time.Time) (looked bool, err error) {
	w := b.watched(a.EventID)
	if w == nil {
		return false, nil
	}
	l := w.join()
	select {
	case <-l.done:
	case <-l.lead:
		b.look(ctx, w, l, a)
	}
	if l.seen == nil {
		return true, nil
	}
	if err = l.seen.refuse(a, now()); err != nil {
		b.refused.Inc()
	}
	return true, err
}

// look looks for everybody who waits for l.
func (b *Board) look(ctx context.Context, w *watched, l *look, a Ask) {
	w.begin()
	defer w.end(l)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookWithin) // one client's leaving is not the others'
	defer cancel()
	version, err := b.store.Version(ctx, a.EventID)
	if err != nil {
		b.forget(a.EventID)
		return
	}
	if w.seen != nil && w.seen.version == version {
		l.seen = w.seen
		return
	}
	if began := time.Now(); !began.Before(w.pause) {
		census, err := b.store.Census(ctx, a.EventID, a.Scope, most)
		w.seen, w.pause = seenOf(census, b.dress), began.Add(share*time.Since(began))
		if err != nil || w.seen == nil {
			b.forget(a.EventID)
		}
		l.seen = w.seen // the counters were read after everybody who waits had come
	}
}
