package kafkabus

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/IBM/sarama"
	"github.com/ThreeDotsLabs/watermill/message"
)

// Publisher is a Watermill message.Publisher whose Publish sends all its messages as one batch, in their order per
// key, and returns when every in-sync replica has them. It is safe for concurrent use; order holds within one call.
type Publisher struct {
	cfg      Config
	log      *slog.Logger
	client   sarama.Client
	producer sarama.SyncProducer
}

var _ message.Publisher = (*Publisher)(nil)

// NewPublisher connects.
func NewPublisher(cfg Config, log *slog.Logger) (*Publisher, error) {
	client, err := cfg.client()
	if err != nil {
		return nil, err
	}
	producer, err := sarama.NewSyncProducerFromClient(client)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("kafka: %w", err), client.Close())
	}
	return &Publisher{cfg: cfg, log: log, client: client, producer: producer}, nil
}

// Publish sends the messages to the topic (short or full name). The key is the metadata MetaKey, everything else in
// the metadata becomes a header. Nil means all are acknowledged; otherwise the error is a *PublishError that says
// which are, unless nothing was sent at all. It is bounded by sarama's retries (about 10 s), not by a context.
func (p *Publisher) Publish(topic string, messages ...*message.Message) error {
	if len(messages) == 0 {
		return nil
	}
	topic = p.cfg.Topic(topic)
	records := make([]*sarama.ProducerMessage, len(messages))
	for i, msg := range messages {
		records[i] = toKafka(topic, msg, i)
	}
	err := p.producer.SendMessages(records)
	if err == nil {
		return nil
	}
	var failures sarama.ProducerErrors
	if !errors.As(err, &failures) {
		return fmt.Errorf("publish %d messages to %s: %w", len(messages), topic, err)
	}
	failed := &PublishError{Topic: topic, Failed: make(map[int]error, len(failures)), keys: make([]string, len(messages))}
	for i, msg := range messages {
		failed.keys[i] = msg.Metadata[MetaKey]
	}
	for _, f := range failures {
		if i, ok := f.Msg.Metadata.(int); ok {
			failed.Failed[i] = f.Err
		}
	}
	return failed
}

// Close waits for what is in flight and disconnects.
func (p *Publisher) Close() error {
	return errors.Join(p.producer.Close(), p.client.Close())
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
// that is not. An acknowledged message behind a failed one of its key must be sent again, after it: forgetting it would
// leave the failed one, with its older version, as the last that consumers see.
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
