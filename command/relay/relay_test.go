package relay_test

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/turnout-events/turnout/command/pgstore"
	"github.com/turnout-events/turnout/command/relay"
	"github.com/turnout-events/turnout/internal/process"
	"github.com/turnout-events/turnout/internal/testkit"
)

// load has writers say rounds × 5 messages of each event, all at once, and gives the last version of each.
func load(t testing.TB, f *fixture, events, writers, rounds int) map[string]int64 {
	t.Helper()
	last := map[string]int64{}
	var ids []string
	for range events {
		ids = append(ids, f.event(t))
	}
	var wait sync.WaitGroup
	failed := make(chan error, writers)
	for w := range writers {
		wait.Go(func() {
			for r := range rounds {
				if err := f.say(t.Context(), ids[(w+r)%events], 5); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	wait.Wait()
	select {
	case err := <-failed:
		t.Fatal(err)
	default:
	}
	for _, id := range ids {
		e, err := f.store.Event(t.Context(), id)
		must(t, err)
		last[id] = e.Version
	}
	return last
}

func TestEveryMessageArrivesOnceInOrder(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.start(t, f.connect)
	last := load(t, f, 20, 8, 40)
	f.drained(t)
	if repeats := check(t, f.read(t), last); repeats > 0 {
		t.Errorf("%d repeats without any failure", repeats)
	}
}

// Several relays divide the shards; one that dies is replaced; nothing is lost or out of order on the way.
func TestRelaysShareTheShards(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a, stopA := f.start(t, f.connect)
	b, _ := f.start(t, f.connect)
	testkit.Eventually(t, 10*time.Second, 10*time.Millisecond, func() error {
		if x, y := a.Owned(), b.Owned(); x&y != 0 || bits.OnesCount64(x) != 4 || bits.OnesCount64(y) != 4 {
			return fmt.Errorf("shards %b and %b", x, y)
		}
		return nil
	})
	done := make(chan map[string]int64, 1)
	go func() { done <- load(t, f, 30, 6, 60) }()
	stopA()
	testkit.Eventually(t, 10*time.Second, 10*time.Millisecond, func() error {
		if b.Owned() != 1<<pgstore.Shards-1 {
			return fmt.Errorf("the survivor has %b", b.Owned())
		}
		return nil
	})
	last := <-done
	f.drained(t)
	check(t, f.read(t), last)
}

// faulty is a publisher that can fail before or after it has published.
type faulty struct {
	message.Publisher
	fail func(published bool) error
}

func (p *faulty) Publish(topic string, messages ...*message.Message) error {
	if err := p.fail(false); err != nil {
		return err
	}
	if err := p.Publisher.Publish(topic, messages...); err != nil {
		return err
	}
	return p.fail(true)
}

func (f *fixture) faulty(fail func(published bool) error) func() (message.Publisher, error) {
	return func() (message.Publisher, error) {
		out, err := f.connect()
		return &faulty{Publisher: out, fail: fail}, err
	}
}

// A relay that dies between publishing and deleting leaves rows that the next one publishes again: repeats, no gap.
func TestCrashBetweenPublishAndDelete(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var crashes atomic.Int64
	f.start(t, f.faulty(func(published bool) error {
		if published && crashes.Add(1) <= 5 {
			// Its session goes, as with the process: the deletion cannot happen.
			_, err := f.pool.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_locks
				WHERE locktype = 'advisory' AND classid = $1 AND objid = 1000 AND database =
				(SELECT oid FROM pg_database WHERE datname = current_database())`, relay.LockClass)
			return err
		}
		return nil
	}))
	last := load(t, f, 10, 4, 30)
	f.drained(t)
	if repeats := check(t, f.read(t), last); repeats == 0 {
		t.Error("no repeats: the crashes did not happen between publishing and deleting")
	}
}

// While Kafka is away rows stay and commands go on; when it is back everything arrives.
func TestKafkaAwayThenBack(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var away atomic.Bool
	away.Store(true)
	errAway := errors.New("no broker")
	var connects atomic.Int64
	f.start(t, func() (message.Publisher, error) {
		if connects.Add(1); away.Load() {
			return nil, errAway
		}
		return f.faulty(func(bool) error {
			if away.Load() {
				return errAway
			}
			return nil
		})()
	})
	last := load(t, f, 5, 4, 10)
	testkit.Eventually(t, 10*time.Second, 10*time.Millisecond, func() error {
		if connects.Load() < 3 {
			return errors.New("it does not try again")
		}
		return nil
	})
	if b, err := relay.Pending(t.Context(), f.pool); err != nil || b.Messages == 0 {
		t.Fatalf("backlog %+v, %v: the messages must wait", b, err)
	}
	away.Store(false)
	f.drained(t)
	away.Store(true)
	for event := range last {
		must(t, f.say(t.Context(), event, 1))
		last[event]++
	}
	away.Store(false)
	f.drained(t)
	check(t, f.read(t), last)
}

// A row whose id is small but whose transaction ends late must not be passed over by the mark below which the relay
// no longer looks.
func TestLateCommitIsNotPassedOver(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.start(t, f.connect)
	early, other := f.event(t), f.event(t)
	for pgstore.ShardOf(other) != pgstore.ShardOf(early) {
		other = f.event(t)
	}
	release, locked := make(chan struct{}), make(chan struct{})
	late := make(chan error, 1)
	go func() {
		tx, err := f.pool.Begin(t.Context())
		if err != nil {
			late <- err
			return
		}
		defer tx.Rollback(context.WithoutCancel(t.Context())) //nolint:errcheck // after a commit there is nothing to roll back
		m := []any{early, f.org, pgstore.ShardOf(early)}
		for _, sql := range []string{
			`SELECT 1 FROM event_counter WHERE event_id = $1 AND $2::text IS NOT NULL AND $3::int IS NOT NULL FOR NO KEY UPDATE`,
			`INSERT INTO event_log (event_id, version, type, organization_id, valid_at, recorded_at, actor, payload, hash)
				VALUES ($1, 2, 'event.edited.v1', $2::uuid, now(), now(), 'system:test', '{}', '') RETURNING $3::int`,
			`INSERT INTO outbox (shard, topic, subject_id, version) SELECT $3::int, 0, $1::uuid, 2 WHERE $2::text IS NOT NULL`,
		} {
			if _, err := tx.Exec(t.Context(), sql, m...); err != nil {
				late <- err
				return
			}
		}
		close(locked)
		<-release
		late <- tx.Commit(t.Context())
	}()
	select {
	case <-locked:
	case err := <-late:
		t.Fatal(err)
	}
	began := time.Now()
	last := map[string]int64{early: 2, other: 1}
	testkit.Eventually(t, 20*time.Second, time.Millisecond, func() error {
		last[other]++
		if err := f.say(t.Context(), other, 1); err != nil {
			return err
		}
		if time.Since(began) < 4*time.Second { // some fences
			return errors.New("go on")
		}
		return nil
	})
	close(release)
	must(t, <-late)
	f.drained(t)
	check(t, f.read(t), last)
}

// An idle relay is woken by a commit in its process; it need not wait for its poll.
func TestWake(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	event := f.event(t)
	cfg := relay.DefaultConfig()
	cfg.PollMin, cfg.PollMax = time.Hour, time.Hour
	r, _ := f.startWith(t, cfg, f.connect)
	f.drained(t)
	for range 20 {
		must(t, f.say(t.Context(), event, 1))
		r.Wake(pgstore.ShardOf(event))
		f.drained(t)
	}
}

// A broker that never answers does not keep the process from ending.
func TestStopWhileKafkaHangs(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	hang, hanging := make(chan struct{}), make(chan struct{}, 100)
	t.Cleanup(func() { close(hang) })
	_, stop := f.start(t, f.faulty(func(published bool) error {
		if !published {
			hanging <- struct{}{}
			<-hang
		}
		return nil
	}))
	f.event(t)
	<-hanging
	began := time.Now()
	stop()
	if took := time.Since(began); took > process.DrainBound {
		t.Fatalf("it took %s to stop", took)
	}
}
