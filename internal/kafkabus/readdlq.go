package kafkabus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/IBM/sarama"
	"github.com/ThreeDotsLabs/watermill/message"
)

// ErrNoDeadLetter is the cause when there is no letter at that place.
var ErrNoDeadLetter = errors.New("no such dead letter")

// DeadLetter is a message that a group rejected.
type DeadLetter struct {
	ID        string // <group>:<partition>:<offset>, stable
	Group     string // short name
	Partition int32  // of the dead-letter topic
	Offset    int64
	At        time.Time // when it was rejected
	Reason    string
	Original  Position // where the group met it
	// Message is the original one as the group's handler got it: payload, headers, and the original position in its
	// metadata. Redriving is to call that handler with it.
	Message *message.Message
}

// ParseDeadLetterID takes an ID apart.
func ParseDeadLetterID(id string) (group string, partition int32, offset int64, err error) {
	parts := strings.Split(id, ":")
	if len(parts) != 3 || parts[0] == "" {
		return "", 0, 0, fmt.Errorf("%q is not the id of a dead letter", id)
	}
	p, err1 := strconv.ParseInt(parts[1], 10, 32)
	o, err2 := strconv.ParseInt(parts[2], 10, 64)
	if err := errors.Join(err1, err2); err != nil || p < 0 || o < 0 {
		return "", 0, 0, fmt.Errorf("%q is not the id of a dead letter", id)
	}
	return parts[0], int32(p), o, nil
}

// dlqWindow bounds how many records of a dead-letter topic ReadDLQ looks at: a topic with more has another problem.
const dlqWindow = 10_000

// ReadDLQ gives the newest dead letters of a group that are not resolved, at most limit, oldest first. A group without
// a dead-letter topic has none.
func ReadDLQ(ctx context.Context, cfg Config, group string, limit int) ([]DeadLetter, error) {
	client, err := cfg.client()
	if err != nil {
		return nil, err
	}
	defer func() { _ = client.Close() }()
	topic := cfg.DLQ(group)
	parts, _, err := spans(ctx, client, topic)
	if errors.Is(err, sarama.ErrUnknownTopicOrPartition) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var letters []DeadLetter
	resolved := map[string]bool{}
	for _, p := range parts {
		_, err = readPartition(ctx, client, topic, p.partition, max(p.from, p.to-dlqWindow), p.to, func(cm *sarama.ConsumerMessage) error {
			if place := resolves(cm); place != "" {
				resolved[place] = true
			} else {
				letters = append(letters, toDeadLetter(group, cm))
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("read %s/%d: %w", topic, p.partition, err)
		}
	}
	letters = slices.DeleteFunc(letters, func(l DeadLetter) bool { return resolved[placeOf(l.Partition, l.Offset)] })
	return letters[max(0, len(letters)-limit):], nil
}

// ResolveDLQ records, behind the letter, that it is dealt with (redriven, or given up), so that ReadDLQ leaves it out.
// The letter itself stays, and FetchDLQ still gives it. note says who and how.
func ResolveDLQ(ctx context.Context, cfg Config, id, note string) error {
	group, partition, offset, err := ParseDeadLetterID(id)
	if err != nil {
		return err
	}
	if _, err := FetchDLQ(ctx, cfg, group, partition, offset); err != nil {
		return err
	}
	client, err := cfg.client()
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	producer, err := sarama.NewSyncProducerFromClient(client)
	if err != nil {
		return fmt.Errorf("resolve %s: %w", id, err)
	}
	defer func() { _ = producer.Close() }()
	_, _, err = producer.SendMessage(&sarama.ProducerMessage{Topic: cfg.DLQ(group), Headers: []sarama.RecordHeader{
		{Key: []byte(HeaderDLQResolved), Value: []byte(placeOf(partition, offset))},
		{Key: []byte(HeaderDLQAt), Value: []byte(time.Now().UTC().Format(time.RFC3339Nano))},
		{Key: []byte(HeaderDLQReason), Value: []byte(note)},
	}})
	if err != nil {
		return fmt.Errorf("resolve %s: %w", id, err)
	}
	return nil
}

func placeOf(partition int32, offset int64) string { return fmt.Sprintf("%d:%d", partition, offset) }

// resolves gives the place of the letter that a record resolves; empty for a letter.
func resolves(cm *sarama.ConsumerMessage) string {
	for _, h := range cm.Headers {
		if h != nil && string(h.Key) == HeaderDLQResolved {
			return string(h.Value)
		}
	}
	return ""
}

// FetchDLQ gives one dead letter by its place; ErrNoDeadLetter is in the chain when there is none.
func FetchDLQ(ctx context.Context, cfg Config, group string, partition int32, offset int64) (DeadLetter, error) {
	client, err := cfg.client()
	if err != nil {
		return DeadLetter{}, err
	}
	defer func() { _ = client.Close() }()
	topic := cfg.DLQ(group)
	end, err := offsetAt(ctx, client, topic, partition, sarama.OffsetNewest)
	if err != nil && !errors.Is(err, sarama.ErrUnknownTopicOrPartition) {
		return DeadLetter{}, fmt.Errorf("read %s/%d: %w", topic, partition, err)
	}
	var found *DeadLetter
	if err == nil && offset < end {
		_, err = readPartition(ctx, client, topic, partition, offset, offset+1, func(cm *sarama.ConsumerMessage) error {
			if resolves(cm) == "" {
				letter := toDeadLetter(group, cm)
				found = &letter
			}
			return errStop
		})
		if err != nil {
			return DeadLetter{}, fmt.Errorf("read %s/%d: %w", topic, partition, err)
		}
	}
	if found == nil || found.Offset != offset {
		return DeadLetter{}, fmt.Errorf("%s/%d at %d: %w", topic, partition, offset, ErrNoDeadLetter)
	}
	return *found, nil
}

func toDeadLetter(group string, cm *sarama.ConsumerMessage) DeadLetter {
	msg := fromKafka(cm, names{})
	get := func(name string) string {
		value := msg.Metadata[name]
		delete(msg.Metadata, name)
		return value
	}
	partition, _ := strconv.ParseInt(get(HeaderDLQPartition), 10, 32)
	offset, _ := strconv.ParseInt(get(HeaderDLQOffset), 10, 64)
	at, _ := time.Parse(time.RFC3339Nano, get(HeaderDLQAt))
	when, _ := time.Parse(time.RFC3339Nano, get(HeaderDLQTime))
	letter := DeadLetter{
		ID:    fmt.Sprintf("%s:%d:%d", group, cm.Partition, cm.Offset),
		Group: group, Partition: cm.Partition, Offset: cm.Offset, At: at, Reason: get(HeaderDLQReason),
		Original: Position{Topic: get(HeaderDLQTopic), Partition: int32(partition), Offset: offset, Time: when},
		Message:  msg,
	}
	get(HeaderDLQGroup)
	msg.Metadata[MetaTopic] = letter.Original.Topic
	msg.Metadata[MetaPartition] = strconv.FormatInt(partition, 10)
	msg.Metadata[MetaOffset] = strconv.FormatInt(offset, 10)
	msg.Metadata[MetaTimestamp] = when.Format(time.RFC3339Nano)
	return letter
}
