package kafkabus

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/IBM/sarama"
	"golang.org/x/sync/errgroup"
)

// errStop ends a readPartition without an error.
var errStop = errors.New("stop")

// stall is how long a read waits for a message that the partition's end says is there: what lies between the last
// message and the end may be control records, or compacted away.
const stall = 5 * time.Second

// Replayed is what a Replay has read.
type Replayed struct {
	Next     map[int32]int64 // per partition, the offset after the last message: where a follow-up begins
	Messages int64
	Rejected int64 // messages the handler refused for good; they are the live group's dead letters already
}

// Replay reads a topic, without a group, from the given offsets (a partition that is not named: from the oldest) to its
// end at the time of the call, and hands batches of ≤ 500 over in order per partition, partitions concurrently. The
// handler's *Rejected is counted and passed over; any other error ends the replay. It is how a read model is rebuilt.
func Replay(ctx context.Context, cfg Config, topic string, from map[int32]int64, handle Handler) (Replayed, error) {
	topic = cfg.Topic(topic)
	client, err := cfg.client()
	if err != nil {
		return Replayed{}, err
	}
	defer func() { _ = client.Close() }()
	partitions, err := client.Partitions(topic)
	if err != nil {
		return Replayed{}, fmt.Errorf("replay %s: %w", topic, err)
	}
	r := replayer{client: client, topic: topic, handle: handle, done: Replayed{Next: map[int32]int64{}}}
	group, ctx := errgroup.WithContext(ctx)
	for _, p := range partitions {
		start, named := from[p]
		if !named {
			start = sarama.OffsetOldest
		}
		group.Go(func() error { return r.partition(ctx, p, start) })
	}
	err = group.Wait()
	return r.done, err
}

type replayer struct {
	client sarama.Client
	topic  string
	handle Handler
	mu     sync.Mutex
	done   Replayed
}

func (r *replayer) partition(ctx context.Context, p int32, start int64) error {
	oldest, err := r.client.GetOffset(r.topic, p, sarama.OffsetOldest)
	if err != nil {
		return fmt.Errorf("replay %s/%d: %w", r.topic, p, err)
	}
	end, err := r.client.GetOffset(r.topic, p, sarama.OffsetNewest)
	if err != nil {
		return fmt.Errorf("replay %s/%d: %w", r.topic, p, err)
	}
	start = max(start, oldest)
	var batch []*sarama.ConsumerMessage
	next, err := readPartition(ctx, r.client, r.topic, p, start, end, func(cm *sarama.ConsumerMessage) error {
		if batch = append(batch, cm); len(batch) < 500 {
			return nil
		}
		err := r.apply(ctx, batch)
		batch = nil
		return err
	})
	if err == nil && len(batch) > 0 {
		err = r.apply(ctx, batch)
	}
	if err != nil {
		return fmt.Errorf("replay %s/%d: %w", r.topic, p, err)
	}
	r.mu.Lock()
	r.done.Next[p] = next
	r.mu.Unlock()
	return nil
}

func (r *replayer) apply(ctx context.Context, batch []*sarama.ConsumerMessage) error {
	err := callHandler(ctx, r.handle, batch)
	var rejected *Rejected
	switch {
	case err == nil:
		rejected = &Rejected{}
	case !errors.As(err, &rejected) || ctx.Err() != nil:
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done.Messages += int64(len(batch))
	r.done.Rejected += int64(len(rejected.Reasons))
	return nil
}

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
	pc, err := consumer.ConsumePartition(topic, partition, from)
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
	for range pc.Messages() { //nolint:revive // drained on purpose
	}
	for range pc.Errors() { //nolint:revive // drained on purpose
	}
}
