package pgstore

import (
	"sync"

	"github.com/turnout-events/turnout/internal/contract"
)

// bodies keeps events by their revision, so that a batch need not read a body that did not change. It has two
// generations: what is used moves to the young one, and when that is full the old one is forgotten. An event in here
// is shared: whoever changes one replaces its slices and pointers and never writes through them.
type bodies struct {
	mu         sync.Mutex
	size       int
	young, old map[string]contract.Event
}

func newBodies(size int) *bodies {
	return &bodies{size: size, young: map[string]contract.Event{}, old: map[string]contract.Event{}}
}

func (b *bodies) get(id string) (contract.Event, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e, ok := b.young[id]; ok {
		return e, true
	}
	e, ok := b.old[id]
	if ok {
		b.keep(e)
	}
	return e, ok
}

func (b *bodies) put(e contract.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.keep(e)
}

func (b *bodies) drop(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.young, id)
	delete(b.old, id)
}

func (b *bodies) keep(e contract.Event) {
	if len(b.young) >= b.size {
		b.old, b.young = b.young, make(map[string]contract.Event, b.size)
	}
	b.young[e.ID] = e
}
