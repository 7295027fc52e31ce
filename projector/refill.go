package projector

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/document"
	"github.com/turnout-events/turnout/internal/kafkabus"
	"github.com/turnout-events/turnout/projector/access"
	"github.com/turnout-events/turnout/projector/availability"
	"github.com/turnout-events/turnout/projector/feed"
)

// sentinelEvery is how often Redis is asked whether it still has its data.
const sentinelEvery = 3 * time.Second

// refill fills Redis again when its sentinel key is gone: a restart without its
// file, a FLUSHALL, another server. The groups' offsets know nothing of that.
// Until it is done, readers are answered from Elasticsearch.
type refill struct {
	deps  Deps
	seats *availability.Projector
	roles *access.Projector
	count prometheus.Counter
}

func (r *refill) watch(ctx context.Context) {
	tick := time.NewTicker(sentinelEvery)
	defer tick.Stop()
	for {
		if err := r.look(ctx); err != nil && ctx.Err() == nil {
			r.deps.Log.WarnContext(ctx, "redis not checked or not filled, trying again", "error", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (r *refill) look(ctx context.Context) error {
	if err := feed.EnsureEpoch(ctx, r.deps.Redis, r.deps.Kafka); err != nil {
		return fmt.Errorf("epoch of the feed: %w", err)
	}
	key := r.deps.Redis.Key(document.KeySentinel)
	there, err := r.deps.Redis.Exists(ctx, key).Result()
	if err != nil || there == 1 {
		return err
	}
	began := time.Now()
	r.deps.Log.InfoContext(ctx, "redis is empty, filling it from the log")
	err = kafkabus.Replay(ctx, r.deps.Kafka, contract.TopicRegistrations, r.seats.Handle, kafkabus.ReplayOptions{})
	if err != nil {
		return fmt.Errorf("fill seats: %w", err)
	}
	err = kafkabus.Replay(ctx, r.deps.Kafka, contract.TopicOrganizations, r.roles.Handle, kafkabus.ReplayOptions{})
	if err != nil {
		return fmt.Errorf("fill roles: %w", err)
	}
	if err := r.deps.Redis.Set(ctx, key, began.UTC().Format(time.RFC3339), 0).Err(); err != nil {
		return err
	}
	r.count.Inc()
	r.deps.Log.InfoContext(ctx, "redis filled", "took", time.Since(began))
	return nil
}
