package relay_test

import (
	"errors"
	"testing"
	"time"

	"github.com/turnout-events/turnout/command/relay"
	"github.com/turnout-events/turnout/internal/testkit"
)

var errLeft = errors.New("messages are left")

// BenchmarkDrain is how fast a backlog of one event and of many goes to Kafka.
func BenchmarkDrain(b *testing.B) {
	f := newFixture(b)
	const batch = 500
	for range 20 {
		event := f.event(b)
		for n := 0; n < b.N/20; n += batch {
			must(b, f.say(b.Context(), event, min(batch, b.N/20-n)))
		}
	}
	b.ResetTimer()
	f.start(b, f.connect)
	testkit.Eventually(b, 2*time.Minute, 20*time.Millisecond, func() error {
		left, err := relay.Pending(b.Context(), f.pool)
		if err == nil && left.Messages > 0 {
			err = errLeft
		}
		return err
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
}
