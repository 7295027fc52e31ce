package projector

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/turnout-events/turnout/internal/elastic"
	"github.com/turnout-events/turnout/internal/kafkabus"
)

// freshener makes what is written to an index visible soon, which Elasticsearch
// by itself does whenever its interval happens to end: a change is found by a
// search at once when little goes on, and in a good freshEvery when much does.
// The interval stays as the bound that holds without a projector.
//
// The writes do it themselves, now and then one; Elasticsearch's own refreshes
// stand in one line for all indices. Only what was written since the last of
// them, and nothing after it, is refreshed by a request of its own.
type freshener struct {
	client *elastic.Client
	index  string
	log    *slog.Logger
	wake   chan struct{}

	mu    sync.Mutex
	next  time.Time // when a write is to be visible again
	stale time.Time // the end of the last write that nothing made visible; zero: none
}

const (
	freshEvery = 200 * time.Millisecond
	// freshShare is how many times what a visible write took the next one waits.
	freshShare = 2
	// freshAlone is how long a refresh waits for a write that does it: while messages come, one comes after every rest.
	freshAlone = 100 * time.Millisecond
)

func newFreshener(client *elastic.Client, index string, log *slog.Logger) *freshener {
	return &freshener{client: client, index: index, log: log, wake: make(chan struct{}, 1)}
}

// around wraps a handler: what it writes is visible soon.
func (f *freshener) around(handle kafkabus.Handler) kafkabus.Handler {
	return func(ctx context.Context, messages []*message.Message) error {
		began := time.Now()
		var made *atomic.Bool // nil: not asked for
		if f.due(began) {
			ctx, made = elastic.Visible(ctx)
		}
		visible := false
		defer func() { f.done(began, visible) }()
		err := handle(ctx, messages)
		var rejected *kafkabus.Rejected
		visible = made != nil && made.Load() && (err == nil || errors.As(err, &rejected))
		return err
	}
}

// due tells whether what begins now is to be visible; then the next is not, for a while.
func (f *freshener) due(began time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if began.Before(f.next) {
		return false
	}
	f.next = began.Add(freshEvery)
	return true
}

// done keeps what came of it.
func (f *freshener) done(began time.Time, visible bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	if visible {
		f.next = began.Add(max(freshEvery, (1+freshShare)*now.Sub(began)))
		if f.stale.Before(began) {
			f.stale = time.Time{}
			return
		}
	} else {
		f.stale = now
	}
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// run refreshes what no later write has made visible, until ctx ends.
func (f *freshener) run(ctx context.Context) {
	for {
		select {
		case <-f.wake:
		case <-ctx.Done():
			return
		}
		for left := f.left(); left > 0; left = f.left() {
			if pause(ctx, left) != nil {
				return
			}
		}
		began := time.Now()
		if !f.isStale() || !f.due(began) {
			continue
		}
		err := f.client.Refresh(ctx, f.index)
		if err != nil && ctx.Err() == nil {
			f.log.DebugContext(ctx, "not refreshed; the interval will", "index", f.index, "error", err)
		}
		f.done(began, true) // or else it would try again and again
	}
}

// left is how long it takes until what is written is refreshed if no write does it.
func (f *freshener) left() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	return time.Until(f.next.Add(freshAlone))
}

func (f *freshener) isStale() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return !f.stale.IsZero()
}
