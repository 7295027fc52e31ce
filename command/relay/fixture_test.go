package relay_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/turnout-events/turnout/command/pgstore"
	"github.com/turnout-events/turnout/command/relay"
	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/id"
	"github.com/turnout-events/turnout/internal/kafkabus"
	"github.com/turnout-events/turnout/internal/postgres"
	"github.com/turnout-events/turnout/internal/testkit"
	"github.com/turnout-events/turnout/migrations"
)

type fixture struct {
	url   string
	pool  *pgxpool.Pool
	store *pgstore.Store
	kafka kafkabus.Config
	org   string
	// beforeEnds may keep the relay from looking at the ends of the topics; nil does not.
	beforeEnds func() error
	registry   *prometheus.Registry // of the relay that was started last
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	f := &fixture{org: newID(t)}
	f.url = testkit.Database(t, func(ctx context.Context, url string) error {
		return postgres.Migrate(ctx, url, migrations.FS)
	})
	var err error
	f.pool, err = postgres.Open(t.Context(), postgres.Config{URL: f.url, MaxConns: 10,
		LockTimeout: time.Minute, StatementTimeout: time.Minute, IdleInTransactionTimeout: time.Minute}, testkit.Logger(t))
	must(t, err)
	t.Cleanup(f.pool.Close)
	f.store = pgstore.New(f.pool)
	f.kafka = kafkabus.Config{Brokers: testkit.Engines(t).Kafka, Namespace: testkit.Namespace(t)}
	must(t, kafkabus.EnsureTopics(t.Context(), f.kafka, topicsOf()))
	_, err = f.pool.Exec(t.Context(), `INSERT INTO organization (id, slug, body, version, chain, recorded_at, created_at)
		VALUES ($1, 'org', '{}', 0, '', now(), now())`, f.org)
	must(t, err)
	return f
}

func topicsOf() []kafkabus.TopicSpec {
	return []kafkabus.TopicSpec{
		{Name: contract.TopicRegistrations, Partitions: contract.RegistrationPartitions},
		{Name: contract.TopicOrganizations, Partitions: 1},
	}
}

func (f *fixture) connect() (message.Publisher, error) { return kafkabus.NewPublisher(f.kafka, nil) }

func (f *fixture) ends(ctx context.Context, topic string) ([]*message.Message, error) {
	if f.beforeEnds != nil {
		if err := f.beforeEnds(); err != nil {
			return nil, err
		}
	}
	return kafkabus.Ends(ctx, f.kafka, topic)
}

// start runs a relay as another process would, until the test ends or stop is called.
func (f *fixture) start(t testing.TB, connect func() (message.Publisher, error)) (r *relay.Relay, stop func()) {
	t.Helper()
	cfg := relay.DefaultConfig()
	cfg.ShareEvery = 100 * time.Millisecond
	return f.startWith(t, cfg, connect)
}

func (f *fixture) startWith(t testing.TB, cfg relay.Config, connect func() (message.Publisher, error)) (r *relay.Relay, stop func()) {
	t.Helper()
	registry := prometheus.NewRegistry()
	r, err := relay.New(cfg, relay.Deps{Pool: f.pool, Connect: connect, Ends: f.ends, Log: testkit.Logger(t), Registerer: registry})
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("relay: %v", err)
		}
	})
	t.Cleanup(stop)
	f.registry = registry
	return r, stop
}

func (f *fixture) event(t testing.TB) string {
	t.Helper()
	now := contract.Time(time.Now())
	e := contract.Event{ID: newID(t), OrganizationID: f.org, Status: contract.EventDraft, StartsAt: now, EndsAt: now.Add(time.Hour), Revision: 1, CreatedAt: now}
	e.Slug = e.ID
	_, err := f.store.Create(t.Context(), pgstore.Creation{
		Events: []pgstore.NewEvent{{Event: e, Messages: []contract.Envelope{f.message(e.ID, 1)}}},
		Answer: pgstore.NewAnswer{Key: pgstore.Key{Scope: "test", Key: e.ID}, CreatedAt: now, Answer: pgstore.Answer{RequestHash: []byte{1}, Sealed: []byte{1}}},
	})
	must(t, err)
	return e.ID
}

func (f *fixture) message(event string, version int64) contract.Envelope {
	now := contract.Time(time.Now())
	return contract.Envelope{
		Subject: event, Version: version, Type: contract.EventEditedV1, Org: f.org, ValidAt: now, RecordedAt: now,
		Actor: "system:test", Payload: fmt.Appendf(nil, `{"counters":{},"n":%d}`, version),
	}
}

// say logs n more messages of an event in one transaction.
func (f *fixture) say(ctx context.Context, event string, n int) error {
	_, err := f.store.Admit(ctx, pgstore.Want{EventID: event}, func(_ context.Context, l *pgstore.Locked) (*pgstore.Save, error) {
		save := &pgstore.Save{Counters: l.Counters, RecordedAt: pgstore.RecordedAt(time.Now(), l.RecordedAt)}
		for i := range n {
			save.Messages = append(save.Messages, f.message(event, l.Version+int64(i)+1))
		}
		return save, nil
	})
	return err
}

// read gives what Kafka has: per event the versions, in the order in which they lie.
func (f *fixture) read(t testing.TB) map[string][]int64 {
	t.Helper()
	var mu sync.Mutex
	got := map[string][]int64{}
	err := kafkabus.Replay(t.Context(), f.kafka, contract.TopicRegistrations, func(_ context.Context, messages []*message.Message) error {
		mu.Lock()
		defer mu.Unlock()
		for _, m := range messages {
			e, err := contract.Decode(m.Metadata, m.Payload)
			if err != nil {
				return err
			}
			if m.Metadata[kafkabus.MetaKey] != e.Subject {
				return fmt.Errorf("%s has the key %q", e.ID(), m.Metadata[kafkabus.MetaKey])
			}
			got[e.Subject] = append(got[e.Subject], e.Version)
		}
		return nil
	}, kafkabus.ReplayOptions{})
	must(t, err)
	return got
}

// check finds every version from 1 to last of every event on Kafka, first sights in order; it gives the repeats.
func check(t testing.TB, got map[string][]int64, last map[string]int64) (repeats int) {
	t.Helper()
	for event, want := range last {
		var seen int64
		for _, v := range got[event] {
			switch {
			case v <= seen:
				repeats++
			case v == seen+1:
				seen = v
			default:
				t.Fatalf("event %s: version %d after %d: a gap", event, v, seen)
			}
		}
		if seen != want {
			t.Fatalf("event %s: Kafka has it up to version %d of %d", event, seen, want)
		}
	}
	return repeats
}

func (f *fixture) drained(t testing.TB) {
	t.Helper()
	testkit.Eventually(t, 30*time.Second, 20*time.Millisecond, func() error {
		b, err := relay.Pending(t.Context(), f.pool)
		if err == nil && b.Messages > 0 {
			err = fmt.Errorf("%d messages are still in the outbox", b.Messages)
		}
		return err
	})
}

func newID(t testing.TB) string {
	t.Helper()
	s, err := id.New()
	must(t, err)
	return s
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
