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

// fetchVersion is the one that protocolVersion makes sarama's consumers speak.
const fetchVersion = 12

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
	next, late := from, false
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
			next, late = cm.Offset+1, false
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
			left, err := holds(ctx, client, topic, partition, next, to)
			switch {
			case err != nil:
				return next, fmt.Errorf("what %s/%d holds from offset %d: %w", topic, partition, next, err)
			case !left:
				return to, nil
			case late:
				return next, fmt.Errorf("no message of %s/%d from offset %d within %s", topic, partition, next, stall)
			}
			late = true // the broker hung, or this process: what is there will come
			quiet.Reset(stall)
		}
	}
	return next, nil
}

// holds fetches once more to see whether a message is in [from, to). Silence is no proof, nor is the end that a consumer
// knows: it asks for that one before its first fetch.
func holds(ctx context.Context, client sarama.Client, topic string, partition int32, from, to int64) (bool, error) {
	for from < to {
		block, err := fromLeader(ctx, func() (*sarama.FetchResponseBlock, error) { return fetchBlock(client, topic, partition, from) })
		if err != nil {
			return false, err
		}
		if block.Partial {
			return true, nil
		}
		before := from
		for _, records := range block.RecordsSet {
			batch := records.RecordBatch
			if batch == nil || batch.PartialTrailingRecord { // of an older format, or larger than what was fetched
				return true, nil
			}
			for _, record := range batch.Records {
				if at := batch.FirstOffset + record.OffsetDelta; at >= from && at < to && !batch.Control {
					return true, nil
				}
			}
			from = max(from, batch.LastOffset()+1)
		}
		if from == before { // nothing at all
			return false, nil
		}
	}
	return false, nil
}

func fetchBlock(client sarama.Client, topic string, partition int32, from int64) (*sarama.FetchResponseBlock, error) {
	leader, err := client.Leader(topic, partition)
	if err != nil {
		return nil, err
	}
	limit := client.Config().Consumer.Fetch.Default
	const none = -1 // no session, and whatever epoch the leader is in
	request := &sarama.FetchRequest{Version: fetchVersion, MinBytes: 1, MaxBytes: limit, SessionEpoch: none}
	request.AddBlock(topic, partition, from, limit, none)
	response, err := leader.Fetch(request)
	if err != nil {
		return nil, err
	}
	block := response.GetBlock(topic, partition)
	switch {
	case block == nil:
		return nil, sarama.ErrIncompleteResponse
	case !errors.Is(block.Err, sarama.ErrNoError):
		_ = client.RefreshMetadata(topic) // the leader may be another one
		return nil, block.Err
	}
	return block, nil
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
