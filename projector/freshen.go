package projector

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/turnout-events/turnout/internal/elastic"
	"github.com/turnout-events/turnout/internal/kafkabus"
)

// freshener refreshes an index soon after it was written, which Elasticsearch
// by itself does whenever its interval happens to end: a change is found by a
// search in some ten milliseconds when little goes on, and in a good
// freshEvery when much does. The interval stays as the bound that holds
// without a projector.
type freshener struct {
	client  *elastic.Client
	index   string
	log     *slog.Logger
	written chan struct{}
}

const (
	freshEvery = 200 * time.Millisecond
	// freshShare is how many times what a refresh took the next one waits: it takes a third of the time at the most.
	freshShare = 2
)

func newFreshener(client *elastic.Client, index string, log *slog.Logger) *freshener {
	return &freshener{client: client, index: index, log: log, written: make(chan struct{}, 1)}
}

// after wraps a handler: what it wrote is refreshed.
func (f *freshener) after(handle kafkabus.Handler) kafkabus.Handler {
	return func(ctx context.Context, messages []*message.Message) error {
		err := handle(ctx, messages)
		var rejected *kafkabus.Rejected
		if err == nil || errors.As(err, &rejected) {
			select {
			case f.written <- struct{}{}:
			default:
			}
		}
		return err
	}
}

// run refreshes until ctx ends.
func (f *freshener) run(ctx context.Context) {
	for {
		select {
		case <-f.written:
		case <-ctx.Done():
			return
		}
		began := time.Now()
		if err := f.client.Refresh(ctx, f.index); err != nil && ctx.Err() == nil {
			f.log.DebugContext(ctx, "not refreshed; the interval will", "index", f.index, "error", err)
		}
		if pause(ctx, max(freshEvery-time.Since(began), freshShare*time.Since(began))) != nil {
			return
		}
	}
}
