package kafkabus

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/IBM/sarama"
)

// Headers that a dead letter has beside those of the original record. Renaming one hides old letters from operators.
const (
	HeaderDLQGroup     = "dlq_group"
	HeaderDLQTopic     = "dlq_topic"
	HeaderDLQPartition = "dlq_partition"
	HeaderDLQOffset    = "dlq_offset"
	HeaderDLQTime      = "dlq_time"   // the original record's timestamp, RFC 3339
	HeaderDLQAt        = "dlq_at"     // when it was rejected, RFC 3339
	HeaderDLQReason    = "dlq_reason" // the error, in words

	// HeaderDLQResolved marks a record that is no letter but says that one is dealt with: its place, partition:offset.
	HeaderDLQResolved = "dlq_resolved"
)

// maxReason keeps an error that quotes its input from making the record too large for the broker.
const maxReason = 4 << 10

type deadLetter struct {
	record *sarama.ConsumerMessage
	reason error
}

// deadLetters publishes to the dead-letter topic of one group.
type deadLetters struct {
	group    string
	topic    string
	producer sarama.SyncProducer
}

func newDeadLetters(ctx context.Context, cfg Config, group string, client sarama.Client) (*deadLetters, error) {
	topic := cfg.DLQ(group)
	if err := ensureTopics(ctx, client, []TopicSpec{{Name: topic, Partitions: 1}}); err != nil {
		return nil, fmt.Errorf("dead-letter topic: %w", err)
	}
	producer, err := sarama.NewSyncProducerFromClient(client)
	if err != nil {
		return nil, fmt.Errorf("dead-letter producer: %w", err)
	}
	return &deadLetters{group: cfg.Group(group), topic: topic, producer: producer}, nil
}

func (d *deadLetters) close() { _ = d.producer.Close() }

// send returns nil once every in-sync replica has all of them. After an error it is called again with all: a letter
// may be there twice then, which operators see as the same original offset.
func (d *deadLetters) send(letters []deadLetter) error {
	if len(letters) == 0 {
		return nil
	}
	records := make([]*sarama.ProducerMessage, len(letters))
	for i, l := range letters {
		records[i] = d.record(l, time.Now())
	}
	if err := d.producer.SendMessages(records); err != nil {
		return fmt.Errorf("write %d dead letters to %s: %w", len(letters), d.topic, err)
	}
	return nil
}

func (d *deadLetters) record(l deadLetter, now time.Time) *sarama.ProducerMessage {
	r := l.record
	pm := &sarama.ProducerMessage{Topic: d.topic, Value: sarama.ByteEncoder(r.Value)}
	if r.Key != nil {
		pm.Key = sarama.ByteEncoder(r.Key)
	}
	for _, h := range r.Headers {
		if h != nil {
			pm.Headers = append(pm.Headers, *h)
		}
	}
	reason := "no reason given"
	if l.reason != nil {
		reason = l.reason.Error()
	}
	if len(reason) > maxReason {
		reason = reason[:maxReason] + "…"
	}
	for _, h := range [][2]string{
		{HeaderDLQGroup, d.group},
		{HeaderDLQTopic, r.Topic},
		{HeaderDLQPartition, strconv.FormatInt(int64(r.Partition), 10)},
		{HeaderDLQOffset, strconv.FormatInt(r.Offset, 10)},
		{HeaderDLQTime, r.Timestamp.UTC().Format(time.RFC3339Nano)},
		{HeaderDLQAt, now.UTC().Format(time.RFC3339Nano)},
		{HeaderDLQReason, reason},
	} {
		pm.Headers = append(pm.Headers, sarama.RecordHeader{Key: []byte(h[0]), Value: []byte(h[1])})
	}
	return pm
}
