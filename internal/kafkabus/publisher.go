package kafkabus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/IBM/sarama"
	"github.com/ThreeDotsLabs/watermill/message"
)

// ErrBehind is the cause for a message that was not sent because one before it, of the same key, could not be.
var ErrBehind = errors.New("not sent: an earlier message of its key failed")

// ErrTooLarge is the cause for a message that is larger than a record may be.
var ErrTooLarge = errors.New("message too large")

// publishWithin is how long Publish tries before it gives up on what is left, after the first failure.
const publishWithin = 10 * time.Second

// Publisher is a Watermill message.Publisher whose Publish sends all its messages as record batches, one per partition
// and request, and returns when every in-sync replica has them. Per key their order holds whatever happens: a message
// is sent only after the one before it is acknowledged or in the same record batch, which Kafka takes whole or not at
// all.
//
// That is why it is built on sarama's connections and not on its SyncProducer: SendMessages cuts a call into several
// requests, gives each message retries of its own, and so can fail a message and acknowledge the next of the same key
// when a broker returns in between (restart_test.go shows it).
//
// It is safe for concurrent use, one Publish at a time; make one per shard for more.
type Publisher struct {
	log *slog.Logger
	cfg Config

	mu          sync.Mutex
	client      sarama.Client
	partitioner sarama.Partitioner
	identity    identity
}

var _ message.Publisher = (*Publisher)(nil)

// NewPublisher connects.
func NewPublisher(cfg Config, log *slog.Logger) (*Publisher, error) {
	client, err := cfg.client()
	if err != nil {
		return nil, err
	}
	return &Publisher{cfg: cfg, log: log, client: client, partitioner: client.Config().Producer.Partitioner("")}, nil
}

// Publish sends the messages to the topic (short or full name). The key is the metadata MetaKey, everything else in
// the metadata becomes a header. Nil means all are acknowledged; otherwise the error is a *PublishError that says
// which are, unless nothing was sent at all. It gives up 10 s after the first failure, or when the first message's
// context ends.
func (p *Publisher) Publish(topic string, messages ...*message.Message) error {
	if len(messages) == 0 {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	topic = p.cfg.Topic(topic)
	b, err := p.plan(topic, messages)
	if err != nil {
		return fmt.Errorf("publish %d messages to %s: %w", len(messages), topic, err)
	}
	p.deliver(messages[0].Context(), b)
	if len(b.failed) == 0 {
		return nil
	}
	return &PublishError{Topic: topic, Failed: b.failed, keys: b.keys}
}

// Close waits for a Publish under way and disconnects.
func (p *Publisher) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.client.Close()
}

// batch is one Publish.
type batch struct {
	topic   string
	records []*sarama.Record
	keys    []string
	queue   map[int32][]int // per partition, the indices still to be sent, in order
	failed  map[int]error   // by index
	halved  map[int32]bool  // partitions that said that a record batch was too large
}

func (p *Publisher) plan(topic string, messages []*message.Message) (*batch, error) {
	partitions, err := p.client.Partitions(topic)
	if err != nil {
		return nil, err
	}
	b := &batch{topic: topic, records: make([]*sarama.Record, len(messages)), keys: make([]string, len(messages)),
		queue: map[int32][]int{}, failed: map[int]error{}, halved: map[int32]bool{}}
	for i, msg := range messages {
		b.records[i], b.keys[i] = toRecord(msg), msg.Metadata[MetaKey]
		record := &sarama.ProducerMessage{Topic: topic}
		if b.records[i].Key != nil {
			record.Key = sarama.ByteEncoder(b.records[i].Key)
		}
		partition, err := p.partitioner.Partition(record, int32(len(partitions))) // a few dozen
		if err != nil {
			return nil, err
		}
		b.queue[partition] = append(b.queue[partition], i)
	}
	for i, r := range b.records {
		if sizeOf(r) > maxRecord {
			b.fail(i, fmt.Errorf("%w: about %d bytes, at most %d", ErrTooLarge, sizeOf(r), maxRecord))
		}
	}
	return b, nil
}

// fail gives up on a message, and on what is queued behind it with the same key.
func (b *batch) fail(index int, cause error) {
	for partition, queue := range b.queue {
		var left []int
		for _, i := range queue {
			switch {
			case i == index:
				b.failed[i] = cause
			case i > index && b.keys[i] == b.keys[index]:
				if b.failed[i] == nil {
					b.failed[i] = ErrBehind
				}
			default:
				left = append(left, i)
			}
		}
		b.queue[partition] = left
	}
}

// failRest gives up on everything that is left of a partition.
func (b *batch) failRest(partition int32, cause error) {
	for _, i := range b.queue[partition] {
		b.failed[i] = cause
	}
	delete(b.queue, partition)
}

func (b *batch) empty() bool {
	for _, queue := range b.queue {
		if len(queue) > 0 {
			return false
		}
	}
	return true
}

// deliver sends rounds of requests until nothing is left or time is up.
func (p *Publisher) deliver(ctx context.Context, b *batch) {
	wait := newBackoff(20*time.Millisecond, time.Second)
	var until time.Time
	for !b.empty() {
		troubled := p.round(b)
		if len(troubled) == 0 {
			continue
		}
		now := time.Now()
		if until.IsZero() {
			until = now.Add(publishWithin)
		}
		if now.Before(until) && wait.pause(ctx) {
			_ = p.client.RefreshMetadata(b.topic) // the next round says what is wrong
			continue
		}
		for partition, err := range troubled {
			b.failRest(partition, err)
		}
		// What was sent last may be in Kafka or not. Under the same identity the next batch would have to repeat it
		// exactly; a new one is taken whatever comes.
		p.identity = identity{}
		until = time.Time{} // partitions that are well go on
	}
}

// PublishError says which messages of a Publish are not acknowledged. Those may be in Kafka all the same.
type PublishError struct {
	Topic  string
	Failed map[int]error // by index into the messages of the call
	keys   []string
}

func (e *PublishError) Error() string {
	first := len(e.keys)
	for i := range e.Failed {
		first = min(first, i)
	}
	return fmt.Sprintf("publish to %s: %d of %d messages not acknowledged, first (%d): %v",
		e.Topic, len(e.Failed), len(e.keys), first, e.Failed[first])
}

// Unwrap gives the causes.
func (e *PublishError) Unwrap() []error {
	causes := make([]error, 0, len(e.Failed))
	for _, err := range e.Failed {
		causes = append(causes, err)
	}
	return causes
}

// Acked says whether the message of that index is acknowledged.
func (e *PublishError) Acked(index int) bool {
	_, failed := e.Failed[index]
	return !failed
}

// AckedPrefix gives, in order, the indices that count as sent: per key, the acknowledged messages before the first one
// that is not. Forgetting one behind it would leave the failed one, with its older version, as the last that consumers
// see. This Publisher acknowledges nothing behind a failure; the rule holds for whoever does.
func (e *PublishError) AckedPrefix() []int {
	var prefix []int
	broken := map[string]bool{}
	for i, key := range e.keys {
		if !e.Acked(i) {
			broken[key] = true
		}
		if !broken[key] {
			prefix = append(prefix, i)
		}
	}
	return prefix
}
