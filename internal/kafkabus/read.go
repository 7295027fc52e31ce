package kafkabus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/IBM/sarama"
)

// errStop ends a readPartition without an error.
var errStop = errors.New("stop")

// stall is how long a read waits for a message that the partition's end says is there: what lies between the last
// message and the end may be control records, or compacted away.
const stall = 5 * time.Second

// readPartition calls f for the messages in [from, to) and returns the offset after the last one. f may return errStop.
func readPartition(ctx context.Context, client sarama.Client, topic string, partition int32, from, to int64, f func(*sarama.ConsumerMessage) error) (int64, error) {
	if from >= to {
		return from, nil
	}
	consumer, err := sarama.NewConsumerFromClient(client)
	if err != nil {
		return from, err
	}
	defer func() { _ = consumer.Close() }() // leaves the client open
	pc, err := fromLeader(ctx, func() (sarama.PartitionConsumer, error) { return consumer.ConsumePartition(topic, partition, from) })
	if err != nil {
		return from, err
	}
	defer closePartition(pc)
	quiet := time.NewTimer(stall)
	defer quiet.Stop()
	next := from
	for next < to {
		select {
		case <-ctx.Done():
			return next, ctx.Err()
		case cm, ok := <-pc.Messages():
			if !ok {
				return next, errors.New("partition consumer ended")
			}
			if cm.Offset >= to {
				return to, nil
			}
			next = cm.Offset + 1
			switch err := f(cm); {
			case errors.Is(err, errStop):
				return next, nil
			case err != nil:
				return next, err
			}
			quiet.Reset(stall)
		case err, ok := <-pc.Errors():
			if ok && err != nil {
				return next, err.Err
			}
		case <-quiet.C:
			if pc.HighWaterMarkOffset() >= to { // the broker answers, there is just nothing more to read
				return to, nil
			}
			return next, fmt.Errorf("no message of %s/%d from offset %d within %s", topic, partition, next, stall)
		}
	}
	return next, nil
}

// closePartition also reads what is buffered: sarama's feeder blocks on a full channel otherwise.
func closePartition(pc sarama.PartitionConsumer) {
	pc.AsyncClose()
	for range pc.Messages() {
	}
	for range pc.Errors() {
	}
}

// span is what a partition holds: [from, to).
type span struct {
	partition int32
	from, to  int64
}

// spans gives the partitions of a topic with what each holds now, and the number of messages of all.
func spans(ctx context.Context, client sarama.Client, topic string) (parts []span, total int64, err error) {
	ids, err := client.Partitions(topic)
	if err != nil {
		return nil, 0, fmt.Errorf("partitions of %s: %w", topic, err)
	}
	for _, p := range ids {
		s := span{partition: p}
		if s.from, err = offsetAt(ctx, client, topic, p, sarama.OffsetOldest); err != nil {
			return nil, 0, fmt.Errorf("oldest offset of %s/%d: %w", topic, p, err)
		}
		if s.to, err = offsetAt(ctx, client, topic, p, sarama.OffsetNewest); err != nil {
			return nil, 0, fmt.Errorf("end of %s/%d: %w", topic, p, err)
		}
		parts, total = append(parts, s), total+s.to-s.from
	}
	return parts, total, nil
}

func offsetAt(ctx context.Context, client sarama.Client, topic string, partition int32, at int64) (int64, error) {
	return fromLeader(ctx, func() (int64, error) { return client.GetOffset(topic, partition, at) })
}

// leaderPatience is how long a partition may be without a leader, or its new one not know of it.
const leaderPatience = 10 * time.Second

// fromLeader asks again while a partition's leader changes, as it does when a topic is new or a broker leaves.
func fromLeader[T any](ctx context.Context, ask func() (T, error)) (T, error) {
	pause, until := newBackoff(50*time.Millisecond, time.Second), time.Now().Add(leaderPatience)
	for {
		answer, err := ask()
		if !errors.Is(err, sarama.ErrNotLeaderForPartition) && !errors.Is(err, sarama.ErrLeaderNotAvailable) ||
			time.Now().After(until) || !pause.pause(ctx) {
			return answer, err
		}
	}
}
