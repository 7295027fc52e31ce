package relay_test

import (
	"testing"

	"github.com/turnout-events/turnout/command/relay"
	"github.com/turnout-events/turnout/internal/kafkabus"
)

// Kafka's data are gone: what the relay had published comes from the log again,
// every version of every event, in order.
func TestRefillBringsBackWhatKafkaLost(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	_, stop := f.start(t, f.connect)
	last := load(t, f, 7, 4, 80) // more than one page
	f.drained(t)
	stop()

	lost := *f // the same database, a Kafka without our topics
	lost.kafka.Namespace += "-anew"
	must(t, kafkabus.EnsureTopics(t.Context(), lost.kafka, topicsOf()))
	out, err := lost.connect()
	must(t, err)
	defer func() { must(t, out.Close()) }()
	var seen, whole int64
	n, err := relay.Refill(t.Context(), f.pool, out, func(done, total int64) { seen, whole = done, total })
	must(t, err)
	if n == 0 || seen != n || whole != n {
		t.Errorf("%d messages, the progress ended at %d of %d", n, seen, whole)
	}
	if repeats := check(t, lost.read(t), last); repeats > 0 {
		t.Errorf("%d repeats", repeats)
	}
}
