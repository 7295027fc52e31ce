// Package breaker keeps a side that is away from being hammered.
package breaker

import (
	"sync"
	"time"
)

// Breaker is open for a while after a failure: half a second at first, twice as
// long with each failure that follows, at most Max. Then the next try decides.
// The zero value is closed. Safe for concurrent use.
type Breaker struct {
	mu    sync.Mutex
	until time.Time
	pause time.Duration
}

const (
	first = 500 * time.Millisecond
	// Max is the longest pause.
	Max = 15 * time.Second
)

// Open tells whether nothing should be tried at now.
func (b *Breaker) Open(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return now.Before(b.until)
}

// Failed opens it. Failures while it is open are the same failure.
func (b *Breaker) Failed(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !now.Before(b.until) {
		b.open(now)
	}
}

func (b *Breaker) open(now time.Time) {
	b.pause = min(max(2*b.pause, first), Max)
	b.until = now.Add(b.pause)
}

// Probe is Open for a side that is in doubt: who finds it closed opens it for
// the others, and is the one to try.
func (b *Breaker) Probe(now time.Time) (try bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now.Before(b.until) {
		return false
	}
	b.open(now)
	return true
}

// Worked closes it.
func (b *Breaker) Worked() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.pause, b.until = 0, time.Time{}
}
