package kafkabus_test

import (
	"context"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

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

// BenchmarkArrival is one message at a time: from Publish to the handler of an idle consumer.
func BenchmarkArrival(b *testing.B) {
	cfg := kafkabus.Config{Brokers: testkit.Engines(b).Kafka, Namespace: testkit.Namespace(b)}
	if err := kafkabus.EnsureTopics(b.Context(), cfg, []kafkabus.TopicSpec{{Name: "log", Partitions: 12}}); err != nil {
		b.Fatal(err)
	}
	p, err := kafkabus.NewPublisher(cfg, testkit.Logger(b))
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	arrived := make(chan struct{}, 100)
	done := make(chan error, 1)
	go func() {
		done <- kafkabus.Consume(ctx, cfg, "g", []string{"log"}, func(_ context.Context, messages []*message.Message) error {
			for range messages {
				arrived <- struct{}{}
			}
			return nil
		}, kafkabus.ConsumeOptions{})
	}()
	one := numbered(50, 50)
	if err := p.Publish("log", one[0]); err != nil {
		b.Fatal(err)
	}
	<-arrived // the consumer is there
	var worst time.Duration
	n := 0
	for b.Loop() {
		began := time.Now()
		n++
		if err := p.Publish("log", one[n%len(one)]); err != nil {
			b.Fatal(err)
		}
		<-arrived
		worst = max(worst, time.Since(began))
	}
	b.ReportMetric(float64(worst.Microseconds())/1000, "worst-ms")
	cancel()
	if err := <-done; err != nil {
		b.Error(err)
	}
	if err := p.Close(); err != nil {
		b.Error(err)
	}
}
