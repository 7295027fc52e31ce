package relay_test

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/turnout-events/turnout/command/relay"
	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/testkit"
)

// restore takes an event back to its first versions, as a backup has it, with an empty outbox.
func (f *fixture) restore(t *testing.T, event string, version int64) {
	t.Helper()
	tx, err := f.pool.Begin(t.Context())
	must(t, err)
	for _, sql := range []string{
		`ALTER TABLE event_log DISABLE TRIGGER USER`, `ALTER TABLE event_counter DISABLE TRIGGER USER`,
		fmt.Sprintf(`DELETE FROM event_log WHERE event_id = '%s' AND version > %d`, event, version),
		fmt.Sprintf(`UPDATE event_counter SET version = %d, chain = (SELECT hash FROM event_log WHERE event_id = '%s' AND version = %d)
			WHERE event_id = '%s'`, version, event, version, event),
		`DELETE FROM outbox`,
		`ALTER TABLE event_log ENABLE TRIGGER USER`, `ALTER TABLE event_counter ENABLE TRIGGER USER`,
	} {
		_, err := tx.Exec(t.Context(), sql)
		must(t, err)
	}
	must(t, tx.Commit(t.Context()))
}

// A database that was restored gives versions out anew. Nothing of it goes to the topics that know better, whether it is
// behind them or has come to the same version otherwise, until somebody says so.
func TestARestoredDatabaseIsNotPublished(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	event := f.event(t)
	_, stop := f.start(t, f.connect)
	must(t, f.say(t.Context(), event, 4))
	f.drained(t)
	stop()
	f.restore(t, event, 3)
	for _, n := range []int{1, 1, 1} { // one version behind Kafka's 5, the same, one more
		must(t, f.say(t.Context(), event, n))
		_, stop := f.start(t, f.connect)
		testkit.Eventually(t, 30*time.Second, 10*time.Millisecond, func() error {
			if got := gauge(t, f.registry, "turnout_relay_other_log"); got != 1 {
				return fmt.Errorf("turnout_relay_other_log is %v", got)
			}
			return nil
		})
		stop()
		if got := f.read(t)[event]; len(got) != 5 {
			t.Fatalf("the topic has %v", got)
		}
	}
	cfg := relay.DefaultConfig()
	cfg.AnyLog = true
	f.startWith(t, cfg, f.connect)
	f.drained(t)
	if got := fmt.Sprint(f.read(t)[event]); got != "[1 2 3 4 5 4 5 6]" {
		t.Errorf("the topic has %v", got)
	}
}

// What stands in the way of looking stands in the way of publishing, and no longer.
func TestALogThatCannotBeComparedIsWaitedFor(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	event := f.event(t)
	var looked atomic.Int64
	f.beforeEnds = func() error {
		if looked.Add(1) < 3 {
			return errors.New("Kafka is away")
		}
		return nil
	}
	f.start(t, f.connect)
	must(t, f.say(t.Context(), event, 4))
	f.drained(t)
	check(t, f.read(t), map[string]int64{event: 5})
	if n := looked.Load(); n != 4 { // of the last time for each topic
		t.Errorf("looked %d times", n)
	}
}

// What no log can have said, such as a test message of somebody at the end of a topic, stops nobody.
func TestAMessageOfNoLogProvesNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	event := f.event(t)
	out, err := f.connect()
	must(t, err)
	stray := f.message("hello", 1)
	must(t, out.Publish(contract.TopicOrganizations, relay.Message(&stray)))
	must(t, out.Close())
	f.start(t, f.connect)
	f.drained(t)
	check(t, f.read(t), map[string]int64{event: 1})
}

func gauge(t *testing.T, registry *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := registry.Gather()
	must(t, err)
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatalf("there is no %s", name)
	return 0
}
