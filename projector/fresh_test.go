package projector_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/document"
	"github.com/turnout-events/turnout/internal/kafkabus"
	"github.com/turnout-events/turnout/internal/testkit"
	"github.com/turnout-events/turnout/projector"
)

// What is written to the listing is found soon, however long the index would wait by itself; and everything that lies
// on Kafka gets into every store, although partitions write together.
func TestWhatIsWrittenIsFoundSoon(t *testing.T) {
	t.Parallel()
	w := newWorld(t, rand.New(rand.NewPCG(1, 2)))
	s := open(t, w) // indices that refresh once a minute
	cfg := kafkabus.Config{Brokers: testkit.Engines(t).Kafka, Namespace: s.ns}
	must(t, kafkabus.EnsureTopics(t.Context(), cfg, []kafkabus.TopicSpec{
		{Name: contract.TopicRegistrations, Partitions: contract.RegistrationPartitions},
		{Name: contract.TopicOrganizations, Partitions: 1}, {Name: contract.TopicNotifications, Partitions: 1},
	}))
	p, err := projector.New(t.Context(), projector.Config{Refresh: time.Minute, MaxBatch: 50}, projector.Deps{
		Log: testkit.Logger(t), Registry: prometheus.NewRegistry(), Kafka: cfg, Elastic: s.elastic, Redis: s.redis, Keys: w,
	})
	must(t, err)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	t.Cleanup(func() { stop(); must(t, <-ended) })

	out, err := kafkabus.NewPublisher(cfg, nil)
	must(t, err)
	t.Cleanup(func() { must(t, out.Close()) })
	registrations, _ := w.messages()
	for i, m := range registrations {
		m.Metadata.Set(kafkabus.MetaKey, w.log[i].Subject)
	}
	must(t, out.Publish(contract.TopicRegistrations, registrations...))
	found := func(index string, want int64) func() error {
		return func() error {
			n, err := s.elastic.Count(t.Context(), index, nil)
			if err == nil && n != want {
				err = fmt.Errorf("%d of %d documents of %s found", n, want, index)
			}
			return err
		}
	}
	testkit.Eventually(t, 30*time.Second, 20*time.Millisecond, found(document.Listings, 4))
	testkit.Eventually(t, 30*time.Second, 100*time.Millisecond, func() error {
		must(t, s.elastic.Refresh(t.Context(), document.Facts))
		must(t, s.elastic.Refresh(t.Context(), document.GuestList))
		if err := found(document.Facts, int64(len(w.log)))(); err != nil {
			return err
		}
		return found(document.GuestList, int64(len(w.rsvps)))()
	})
}
