package baseline

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"
	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill-kafka/v3/pkg/kafka"
	watermillsql "github.com/ThreeDotsLabs/watermill-sql/v4/pkg/sql"
	"github.com/ThreeDotsLabs/watermill/components/forwarder"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Forwarder is Watermill's own outbox as its documentation sets it up: envelopes in a table of its own, read by
// watermill-sql on pgx with its default schema (the offset of a consumer group, 100 rows at a time), sent by
// watermill-kafka. Only the producer's promises are raised to Turnout's, so that both promise the same.
type Forwarder struct {
	pool    *pgxpool.Pool
	brokers []string
	key     string // the metadata that is the Kafka key
	sent    atomic.Int64
	first   atomic.Int64 // Unix nanoseconds
	last    atomic.Int64
}

// ForwarderTable is the name, in its queue's terms, of the Forwarder's table.
const ForwarderTable = "forwarder_outbox"

// NewForwarder makes one over a database of the baselines.
func NewForwarder(pool *pgxpool.Pool, brokers []string, key string) *Forwarder {
	return &Forwarder{pool: pool, brokers: brokers, key: key}
}

// Fill puts messages for a Kafka topic into the table, as a transaction that emits would.
func (f *Forwarder) Fill(topic string, messages []*message.Message) error {
	table, err := watermillsql.NewPublisher(watermillsql.BeginnerFromPgx(f.pool),
		watermillsql.PublisherConfig{SchemaAdapter: watermillsql.DefaultPostgreSQLSchema{}, AutoInitializeSchema: true}, watermill.NopLogger{})
	if err != nil {
		return err
	}
	out := forwarder.NewPublisher(table, forwarder.PublisherConfig{ForwarderTopic: ForwarderTable})
	for len(messages) > 0 {
		n := min(500, len(messages))
		if err := out.Publish(topic, messages[:n]...); err != nil {
			return fmt.Errorf("fill the forwarder's table: %w", err)
		}
		messages = messages[n:]
	}
	return nil
}

// Drain forwards until n messages are acknowledged and gives the time between the first and the last of them: how long
// it took to notice that there are any is not counted against it.
func (f *Forwarder) Drain(ctx context.Context, n int64) (time.Duration, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	in, err := watermillsql.NewSubscriber(watermillsql.BeginnerFromPgx(f.pool), watermillsql.SubscriberConfig{
		SchemaAdapter: watermillsql.DefaultPostgreSQLSchema{}, OffsetsAdapter: watermillsql.DefaultPostgreSQLOffsetsAdapter{}, InitializeSchema: true,
	}, watermill.NopLogger{})
	if err != nil {
		return 0, err
	}
	cfg := kafka.DefaultSaramaSyncPublisherConfig()
	cfg.Version = sarama.V3_6_0_0
	cfg.Producer.RequiredAcks, cfg.Producer.Idempotent, cfg.Net.MaxOpenRequests = sarama.WaitForAll, true, 1
	cfg.Producer.Compression = sarama.CompressionLZ4
	producer, err := kafka.NewPublisher(kafka.PublisherConfig{
		Brokers: f.brokers, OverwriteSaramaConfig: cfg,
		Marshaler: kafka.NewWithPartitioningMarshaler(func(_ string, m *message.Message) (string, error) { return m.Metadata[f.key], nil }),
	}, watermill.NopLogger{})
	if err != nil {
		return 0, err
	}
	f.sent.Store(0)
	done := make(chan struct{})
	f.first.Store(0)
	w, err := forwarder.NewForwarder(in, counted{producer, f, n, done}, watermill.NopLogger{},
		forwarder.Config{ForwarderTopic: ForwarderTable, CloseTimeout: 5 * time.Second})
	if err != nil {
		return 0, err
	}
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	select {
	case <-done:
	case <-ctx.Done():
	case err := <-ended:
		return 0, errors.Join(errors.New("the forwarder ended"), err)
	}
	cancel()
	err = errors.Join(w.Close(), <-ended, in.Close(), producer.Close())
	return time.Duration(f.last.Load() - f.first.Load()), err
}

// counted tells when the n-th message is acknowledged.
type counted struct {
	message.Publisher
	f    *Forwarder
	n    int64
	done chan struct{}
}

func (c counted) Publish(topic string, messages ...*message.Message) error {
	if c.f.first.Load() == 0 {
		c.f.first.Store(time.Now().UnixNano())
	}
	if err := c.Publisher.Publish(topic, messages...); err != nil {
		return err
	}
	if c.f.sent.Add(int64(len(messages))) == c.n {
		c.f.last.Store(time.Now().UnixNano())
		close(c.done)
	}
	return nil
}
