// Package kafkabus publishes Watermill messages to Kafka in batches and consumes them in ordered batches. It knows no
// business word.
//
// Watermill's own Kafka adapter waits for each message it publishes (330–900 messages/s measured here) and hands over
// one message per partition at a time; both keep the Watermill message type and its Publisher interface, so this
// package keeps them too and puts sarama's batches underneath.
package kafkabus

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/IBM/sarama"
)

// Config says which cluster, and under which names.
type Config struct {
	// Brokers are host:port pairs to start from. Required.
	Brokers []string `env:"TURNOUT_KAFKA_BROKERS" envDefault:"127.0.0.1:29092" envSeparator:","`
	// Namespace goes before every topic and group with a dot. Required.
	Namespace string `env:"TURNOUT_NAMESPACE" envDefault:"turnout"`
	// ClientID is shown in the broker's logs and metrics; empty means the namespace.
	ClientID string
}

// Validate says what is wrong with the settings.
func (c Config) Validate() error {
	if len(c.Brokers) == 0 {
		return errors.New("kafka: TURNOUT_KAFKA_BROKERS is empty")
	}
	for _, b := range c.Brokers {
		if !strings.Contains(b, ":") {
			return fmt.Errorf("kafka: broker %q in TURNOUT_KAFKA_BROKERS is not host:port", b)
		}
	}
	if c.Namespace == "" {
		return errors.New("kafka: TURNOUT_NAMESPACE is empty")
	}
	return nil
}

// Topic is the full name of a topic. A full name stays as it is, so every function here takes either.
func (c Config) Topic(name string) string {
	if strings.HasPrefix(name, c.Namespace+".") {
		return name
	}
	return c.Namespace + "." + name
}

// Group is the full id of a consumer group; the same rule as Topic.
func (c Config) Group(name string) string { return c.Topic(name) }

// DLQ is the dead-letter topic of a consumer group.
func (c Config) DLQ(group string) string { return c.Group(group) + ".dlq" }

// protocolVersion caps what the client speaks; brokers older than this are not supported. Sarama lowers it per request
// to what the broker offers.
var protocolVersion = sarama.V3_6_0_0

// saramaConfig is the one place that sets sarama's options. Its defaults lose data (acks of the leader only, five
// requests in flight, a new group starts at the newest message), so AssertSafe checks what comes out.
func (c Config) saramaConfig() (*sarama.Config, error) {
	sc := sarama.NewConfig()
	sc.Version = protocolVersion
	sc.ClientID = c.ClientID
	if sc.ClientID == "" {
		sc.ClientID = c.Namespace
	}
	sc.ApiVersionsRequest = true
	// Without it a consumer that is faster than the deployment creates the topic with one partition.
	sc.Metadata.AllowAutoTopicCreation = false
	sc.Metadata.RefreshFrequency = time.Minute
	sc.Metadata.Timeout = 10 * time.Second
	sc.Net.DialTimeout = 5 * time.Second
	sc.Net.ReadTimeout = 20 * time.Second
	sc.Net.WriteTimeout = 20 * time.Second
	sc.Admin.Timeout = 10 * time.Second

	sc.Producer.RequiredAcks = sarama.WaitForAll
	sc.Producer.Idempotent = true
	sc.Net.MaxOpenRequests = 1
	sc.Producer.Return.Successes = true
	sc.Producer.Return.Errors = true
	sc.Producer.Compression = sarama.CompressionLZ4
	sc.Producer.MaxMessageBytes = 1 << 20
	sc.Producer.Timeout = 10 * time.Second
	sc.Producer.Flush.MaxMessages = 5000
	sc.Producer.Retry.Max = 10
	sc.Producer.Retry.BackoffFunc = func(retries, _ int) time.Duration {
		return min(50*time.Millisecond<<min(retries, 5), time.Second)
	}
	// FNV of the key. Changing it, or a topic's number of partitions, breaks the order per key.
	sc.Producer.Partitioner = sarama.NewHashPartitioner

	sc.Consumer.Offsets.Initial = sarama.OffsetOldest
	sc.Consumer.Offsets.AutoCommit.Enable = true
	sc.Consumer.Offsets.AutoCommit.Interval = time.Second
	sc.Consumer.Return.Errors = true
	sc.Consumer.Fetch.Default = 1 << 20
	sc.Consumer.MaxWaitTime = 250 * time.Millisecond
	sc.Consumer.MaxProcessingTime = 2 * time.Second
	sc.ChannelBufferSize = 512
	sc.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{sarama.NewBalanceStrategySticky()}
	sc.Consumer.Group.Rebalance.Timeout = 20 * time.Second
	sc.Consumer.Group.Session.Timeout = 10 * time.Second
	sc.Consumer.Group.Heartbeat.Interval = 2 * time.Second
	if err := AssertSafe(sc); err != nil {
		return nil, err
	}
	return sc, sc.Validate()
}

// AssertSafe refuses options under which acknowledged messages can be lost or reordered.
func AssertSafe(sc *sarama.Config) error {
	switch {
	case sc.Producer.RequiredAcks != sarama.WaitForAll:
		return fmt.Errorf("kafka: unsafe: acks=%d, want all", sc.Producer.RequiredAcks)
	case !sc.Producer.Idempotent:
		return errors.New("kafka: unsafe: producer is not idempotent")
	case sc.Net.MaxOpenRequests != 1:
		return fmt.Errorf("kafka: unsafe: %d requests in flight reorder on retry, want 1", sc.Net.MaxOpenRequests)
	case sc.Consumer.Offsets.Initial != sarama.OffsetOldest:
		return errors.New("kafka: unsafe: a new group would skip history, want the oldest offset")
	}
	return nil
}

// client opens a sarama client, with an error of one line.
func (c Config) client() (sarama.Client, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	sc, err := c.saramaConfig()
	if err != nil {
		return nil, err
	}
	client, err := sarama.NewClient(c.Brokers, sc)
	if err != nil {
		return nil, fmt.Errorf("kafka at %s (TURNOUT_KAFKA_BROKERS): %w", strings.Join(c.Brokers, ","), err)
	}
	return client, nil
}

// within runs f, which sarama gives no context, and returns earlier when ctx ends; f then ends by sarama's own
// timeouts.
func within(ctx context.Context, f func() error) error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
