package kafkabus_test

import (
	"testing"

	"github.com/turnout-events/turnout/internal/kafkabus"
	"github.com/turnout-events/turnout/internal/testkit"
)

// BenchmarkPublish sends batches of 1,000 messages of 700 bytes to 12 partitions: the relay's work without its database.
func BenchmarkPublish(b *testing.B) {
	cfg := kafkabus.Config{Brokers: testkit.Engines(b).Kafka, Namespace: testkit.Namespace(b)}
	if err := kafkabus.EnsureTopics(b.Context(), cfg, []kafkabus.TopicSpec{{Name: "log", Partitions: 12}}); err != nil {
		b.Fatal(err)
	}
	p, err := kafkabus.NewPublisher(cfg, testkit.Logger(b))
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := p.Close(); err != nil {
			b.Error(err)
		}
	}()
	messages := numbered(1000, 100)
	for i, m := range messages {
		payload := make([]byte, 700)
		copy(payload, m.Payload)
		for n := 20; n < len(payload); n++ {
			payload[n] = byte(n * i)
		}
		m.Payload = payload
	}
	for b.Loop() {
		if err := p.Publish("log", messages...); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*len(messages))/b.Elapsed().Seconds(), "messages/s")
}
