package outcome_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/id"
	"github.com/turnout-events/turnout/internal/kafkabus"
	"github.com/turnout-events/turnout/internal/postgres"
	"github.com/turnout-events/turnout/internal/testkit"
	"github.com/turnout-events/turnout/migrations"
	"github.com/turnout-events/turnout/notifier/outcome"
)

// childPostgres makes this test binary a relay that gets stuck between Kafka's
// acknowledgement and the deletion, until it is killed.
const childPostgres, childNamespace, childKafka = "TURNOUT_TEST_OUTCOME_POSTGRES", "TURNOUT_TEST_OUTCOME_NAMESPACE", "TURNOUT_TEST_OUTCOME_KAFKA"

func TestMain(m *testing.M) {
	if url := os.Getenv(childPostgres); url != "" {
		if err := beChild(url); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func beChild(url string) error {
	ctx := context.Background()
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	pool, err := postgres.Open(ctx, postgres.Config{URL: url}, log)
	if err != nil {
		return err
	}
	cfg := kafkabus.Config{Brokers: strings.Split(os.Getenv(childKafka), ","), Namespace: os.Getenv(childNamespace)}
	r, err := outcome.New(pool, func() (message.Publisher, error) {
		p, err := kafkabus.NewPublisher(cfg, log)
		return stuck{p}, err
	}, log, prometheus.NewRegistry())
	if err != nil {
		return err
	}
	return r.Run(ctx)
}

// stuck publishes, says so, and never comes back.
type stuck struct{ message.Publisher }

func (s stuck) Publish(topic string, messages ...*message.Message) error {
	if err := s.Publisher.Publish(topic, messages...); err != nil {
		return err
	}
	fmt.Println("published")
	select {}
}

type fixture struct {
	t     *testing.T
	pool  *pgxpool.Pool
	kafka kafkabus.Config
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	url := testkit.Database(t, func(ctx context.Context, url string) error { return postgres.Migrate(ctx, url, migrations.FS) })
	pool, err := postgres.Open(t.Context(), postgres.Config{URL: url}, testkit.Logger(t))
	must(t, err)
	t.Cleanup(pool.Close)
	f := &fixture{t: t, pool: pool, kafka: kafkabus.Config{Brokers: testkit.Engines(t).Kafka, Namespace: testkit.Namespace(t)}}
	must(t, kafkabus.EnsureTopics(t.Context(), f.kafka, []kafkabus.TopicSpec{{Name: contract.TopicNotifications, Partitions: contract.NotificationPartitions}}))
	return f
}

// plan adds n notifications that wait, and gives their ids.
func (f *fixture) plan(n int) []string {
	f.t.Helper()
	event, err := id.New()
	must(f.t, err)
	rows, err := f.pool.Query(f.t.Context(), `
		INSERT INTO notifier.notification (id, event_id, organization_id, rsvp_id, kind, channel, occurrence, lane, due_at, next_at,
			epoch, state, reason, cause_type, cause_version, detail, planned_at)
		SELECT gen_random_uuid(), $1, $1, gen_random_uuid(), 'reminder', 'mail', 'v1', 2, now(), now(), 0, 'planned', 'before-start',
			'rsvp.confirmed.v1', 1, '{}', now()
		FROM generate_series(1, $2) RETURNING id::text`, event, n)
	must(f.t, err)
	defer rows.Close()
	var ids []string
	for rows.Next() {
		var one string
		must(f.t, rows.Scan(&one))
		ids = append(ids, one)
	}
	must(f.t, rows.Err())
	return ids
}

func (f *fixture) set(state string, ids ...string) {
	f.t.Helper()
	_, err := f.pool.Exec(f.t.Context(), `
		UPDATE notifier.notification SET state = $1, finished_at = CASE WHEN $1 IN ('planned', 'claimed', 'failed') THEN NULL ELSE now() END
		WHERE id = ANY($2::uuid[])`, state, ids)
	must(f.t, err)
}

func (f *fixture) run() (stop func()) {
	f.t.Helper()
	r, err := outcome.New(f.pool, func() (message.Publisher, error) { return kafkabus.NewPublisher(f.kafka, testkit.Logger(f.t)) },
		testkit.Logger(f.t), prometheus.NewRegistry())
	must(f.t, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(f.t.Context()))
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			f.t.Error(err)
		}
	})
	f.t.Cleanup(stop)
	return stop
}

func (f *fixture) drained() {
	f.t.Helper()
	testkit.Eventually(f.t, 30*time.Second, 20*time.Millisecond, func() error {
		var left int
		err := f.pool.QueryRow(f.t.Context(), `SELECT count(*) FROM notifier.outbox`).Scan(&left)
		if err == nil && left > 0 {
			err = fmt.Errorf("%d outcomes are left", left)
		}
		return err
	})
}

// heard gives what Kafka has: the states of each notification by version, and
// how many messages came again. A version that skips one fails the test.
func (f *fixture) heard() (states map[string][]string, repeats int) {
	f.t.Helper()
	var mu sync.Mutex
	states = map[string][]string{}
	must(f.t, kafkabus.Replay(f.t.Context(), f.kafka, contract.TopicNotifications, func(_ context.Context, messages []*message.Message) error {
		mu.Lock()
		defer mu.Unlock()
		for _, m := range messages {
			e, err := contract.Decode(m.Metadata, m.Payload)
			if err != nil {
				return err
			}
			n, err := e.Notification()
			if err != nil {
				return err
			}
			if m.Metadata[kafkabus.MetaKey] != n.Notification.ID || e.Subject != n.Notification.ID {
				return fmt.Errorf("%s is keyed by %q", e.ID(), m.Metadata[kafkabus.MetaKey])
			}
			known := states[e.Subject]
			switch {
			case e.Version <= int64(len(known)):
				repeats++
			case e.Version == int64(len(known))+1:
				states[e.Subject] = append(known, n.Notification.State)
			default:
				return fmt.Errorf("%s comes after version %d", e.ID(), len(known))
			}
		}
		return nil
	}, kafkabus.ReplayOptions{}))
	return states, repeats
}

// Every state that ends a notification is told, whoever wrote it; what only
// moves it on is not.
func TestEveryOutcomeIsToldInOrder(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ids := f.plan(2500) // more than two batches
	f.set("claimed", ids...)
	f.set("failed", ids[:10]...)
	f.set("sent", ids...)
	f.set("delivered", ids[:500]...)
	f.set("bounced", ids[:100]...)
	f.set("dead", ids[2400:]...)
	f.set("planned", ids[2400:]...) // an operator sends them again
	f.set("claimed", ids[2400:]...)
	f.set("void", ids[2400:]...)
	f.run()
	f.drained()
	states, repeats := f.heard()
	for i, one := range ids {
		want := "[sent]"
		switch {
		case i < 100:
			want = "[sent delivered bounced]"
		case i < 500:
			want = "[sent delivered]"
		case i >= 2400:
			want = "[sent dead planned void]"
		}
		if got := fmt.Sprint(states[one]); got != want {
			t.Fatalf("%d: %s, want %s", i, got, want)
		}
	}
	if repeats > 0 {
		t.Errorf("%d repeats", repeats)
	}
}

// A statement that is taken back tells nothing, and one that adds what is there
// already does not either.
func TestWhatIsTakenBackIsNotTold(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ids := f.plan(2)
	tx, err := f.pool.Begin(t.Context())
	must(t, err)
	_, err = tx.Exec(t.Context(), `UPDATE notifier.notification SET state = 'sent' WHERE id = $1`, ids[0])
	must(t, err)
	must(t, tx.Rollback(t.Context()))
	again := `INSERT INTO notifier.notification SELECT (jsonb_populate_record(n, '{"state": "void"}')).* FROM notifier.notification n
		WHERE n.id = $1 ON CONFLICT (id) DO NOTHING`
	_, err = f.pool.Exec(t.Context(), again, ids[1])
	must(t, err)
	f.run()
	f.drained()
	if states, _ := f.heard(); len(states) > 0 {
		t.Errorf("told: %v", states)
	}
}

// Killed with SIGKILL between the acknowledgement and the deletion, by another
// one whose lock ends with it: repeats, no gaps, nothing lost.
func TestKilledBetweenKafkaAndTheRecord(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ids := f.plan(300)
	f.set("sent", ids...)
	child := exec.Command(os.Args[0], "-test.run=^$")
	child.Env = append(os.Environ(), childPostgres+"="+f.pool.Config().ConnString(), childNamespace+"="+f.kafka.Namespace,
		childKafka+"="+strings.Join(f.kafka.Brokers, ","))
	out, err := child.StdoutPipe()
	must(t, err)
	must(t, child.Start())
	t.Cleanup(func() { _ = child.Process.Kill() })
	word := make([]byte, len("published"))
	if _, err := out.Read(word); err != nil || string(word) != "published" {
		t.Fatalf("the child said %q: %v", word, err)
	}
	stop := f.run() // must wait: the other one has the lock
	f.set("delivered", ids[:50]...)
	must(t, child.Process.Kill())
	_ = child.Wait()
	f.drained()
	stop()
	states, repeats := f.heard()
	for i, one := range ids {
		want := "[sent]"
		if i < 50 {
			want = "[sent delivered]"
		}
		if got := fmt.Sprint(states[one]); got != want {
			t.Errorf("%d: %s, want %s", i, got, want)
		}
	}
	if repeats != 300 {
		t.Errorf("%d repeats of 300 that were acknowledged and not deleted", repeats)
	}
}

// A Kafka that has lost its data gets the last outcome of each.
func TestRefill(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ids := f.plan(1200)
	f.set("sent", ids[:1100]...)
	f.set("bounced", ids[:3]...)
	out, err := kafkabus.NewPublisher(f.kafka, testkit.Logger(t))
	must(t, err)
	defer func() { must(t, out.Close()) }()
	var seen int64
	n, err := outcome.Refill(t.Context(), f.pool, out, func(done, _ int64) { seen = done })
	must(t, err)
	if n != 1100 || seen != 1100 {
		t.Errorf("%d outcomes, progress %d", n, seen)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
