package notifier

import (
	"fmt"
	"testing"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/turnout-events/turnout/internal/testkit"
)

// BenchmarkPlan is what a batch of 500 new answers costs: per answer a guest,
// a confirmation, two reminders and a thank-you.
func BenchmarkPlan(b *testing.B) {
	w := newWorld(b)
	n, err := New(b.Context(), w.cfg, Deps{Log: testkit.Logger(b), Pool: w.pool, Keys: w.keys, Ring: w.ring, Clock: w.clock})
	if err != nil {
		b.Fatal(err)
	}
	w.n = n
	w.publish()
	batches := 0
	for b.Loop() {
		b.StopTimer()
		messages := make([]*message.Message, 500)
		for i := range messages {
			messages[i] = w.going(fmt.Sprintf("g%d-%d", batches, i))
		}
		batches++
		b.StartTimer()
		w.hear(messages...)
	}
	b.ReportMetric(float64(500*batches)/b.Elapsed().Seconds(), "answers/s")
}
