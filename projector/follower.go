package projector

import (
	"context"
	"sync"

	"github.com/turnout-events/turnout/internal/kafkabus"
)

// follower reads a topic to its end, and when asked again from there to the end
// of that time. It belongs to no group.
type follower struct {
	deps     Deps
	topic    string
	only     []int32 // partitions; none means all
	batch    int
	progress func(done, total int64, rejected map[int]error)

	mu   sync.Mutex
	from map[int32]int64
}

// read hands over what has come since. What a live store had before the call is
// part of it: nothing reaches a store that the log does not have.
func (f *follower) read(ctx context.Context, handle kafkabus.Handler) error {
	f.mu.Lock()
	from := f.from
	f.from = map[int32]int64{}
	f.mu.Unlock()
	return kafkabus.Replay(ctx, f.deps.Kafka, f.topic, patient(handle), kafkabus.ReplayOptions{
		From: from, Only: f.only, MaxBatch: f.batch, OnProgress: f.progress,
		OnEnd: func(partition int32, next int64) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.from[partition] = next
		},
	})
}
