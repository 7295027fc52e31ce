package projector_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/document"
	"github.com/turnout-events/turnout/internal/kafkabus"
	"github.com/turnout-events/turnout/internal/testkit"
	"github.com/turnout-events/turnout/projector"
)

// live is a projector over Kafka, with a made-up history on it.
type live struct {
	*stores
	world *world
	kafka kafkabus.Config
}

func newLive(t *testing.T) *live {
	t.Helper()
	w := newWorld(t, rand.New(rand.NewPCG(1, 2)))
	l := &live{stores: open(t, w), world: w} // its indices refresh once a minute
	l.kafka = kafkabus.Config{Brokers: testkit.Engines(t).Kafka, Namespace: l.ns}
	must(t, kafkabus.EnsureTopics(t.Context(), l.kafka, []kafkabus.TopicSpec{
		{Name: contract.TopicRegistrations, Partitions: contract.RegistrationPartitions},
		{Name: contract.TopicOrganizations, Partitions: 1}, {Name: contract.TopicNotifications, Partitions: 1},
	}))
	out, err := kafkabus.NewPublisher(l.kafka, nil)
	must(t, err)
	t.Cleanup(func() { must(t, out.Close()) })
	registrations, _ := w.messages()
	for i, m := range registrations {
		m.Metadata.Set(kafkabus.MetaKey, w.log[i].Subject)
	}
	must(t, out.Publish(contract.TopicRegistrations, registrations...))
	return l
}

// start runs the groups, until the test ends or stop is called.
func (l *live) start(groups ...string) (stop func()) {
	t := l.t
	p, err := projector.New(t.Context(), projector.Config{Refresh: time.Minute, MaxBatch: 50, Groups: groups}, projector.Deps{
		Log: testkit.Logger(t), Registry: prometheus.NewRegistry(), Kafka: l.kafka, Elastic: l.elastic, Redis: l.redis, Keys: l.world,
	})
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	stop = sync.OnceFunc(func() { cancel(); must(t, <-ended) })
	t.Cleanup(stop)
	return stop
}

// found waits until an index has so many documents.
func (l *live) found(index string, want int, refresh bool) {
	l.t.Helper()
	testkit.Eventually(l.t, time.Minute, 50*time.Millisecond, func() error {
		if refresh {
			if err := l.elastic.Refresh(l.t.Context(), index); err != nil {
				return err
			}
		}
		n, err := l.elastic.Count(l.t.Context(), index, nil)
		if err == nil && n != int64(want) {
			err = fmt.Errorf("%d of %d documents of %s found", n, want, index)
		}
		return err
	})
}

// What is written to the listing is found soon, however long the index would wait by itself; and everything that lies
// on Kafka gets into every store, although partitions write together.
func TestWhatIsWrittenIsFoundSoon(t *testing.T) {
	t.Parallel()
	l := newLive(t)
	l.start()
	l.found(document.Listings, 4, false)
	l.found(document.Facts, len(l.world.log), true)
	l.found(document.GuestList, len(l.world.rsvps), true)
}

// An index that somebody deletes is filled from the log again, while the projector runs and when it starts.
func TestADeletedIndexIsFilledAgain(t *testing.T) {
	t.Parallel()
	l := newLive(t)
	stop := l.start(document.Facts)
	l.found(document.Facts, len(l.world.log), true)
	remove := func() {
		behind, err := l.elastic.Behind(t.Context(), document.Facts)
		must(t, err)
		for _, name := range behind {
			must(t, l.elastic.DeleteIndex(t.Context(), name))
		}
	}
	remove()
	l.found(document.Facts, len(l.world.log), true)
	// The offsets are committed once a second, and when the projector stops.
	stop()
	remove()
	l.start(document.Facts)
	l.found(document.Facts, len(l.world.log), true)
}

func TestOnlyTheGroupsThatAreNamedRun(t *testing.T) {
	t.Parallel()
	_, err := projector.New(t.Context(), projector.Config{Refresh: time.Second, MaxBatch: 1, Groups: []string{"none"}},
		projector.Deps{Registry: prometheus.NewRegistry(), Log: testkit.Logger(t)})
	if err == nil {
		t.Error("an unknown group is taken")
	}
}
