package kafkabus

import (
	"context"
	"math/rand/v2"
	"time"
)

// backoff doubles from low to high, with jitter, so that members do not return in step.
type backoff struct {
	low, high, next time.Duration
}

func newBackoff(low, high time.Duration) *backoff { return &backoff{low: low, high: high, next: low} }

func (b *backoff) reset() { b.next = b.low }

// pause waits; false means ctx ended first.
func (b *backoff) pause(ctx context.Context) bool {
	d := b.next/2 + rand.N(b.next/2+1) // jitter, not a secret
	b.next = min(b.next*2, b.high)
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
