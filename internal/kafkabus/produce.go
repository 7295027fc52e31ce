package kafkabus

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

const (
	// maxRecord bounds one message and maxBatch one record batch, in bytes before compression: below the broker's
	// default message.max.bytes of 1 MiB, with room for what sizeOf does not count.
	maxRecord = 1<<20 - 4<<10
	maxBatch  = 900 << 10
	// recordOverhead is more than a record's and a header's lengths and deltas take.
	recordOverhead = 32
)

// identity is the idempotent producer's: Kafka drops a record batch that it has under the same id and sequence, so an
// answer that was lost costs no duplicate.
type identity struct {
	known bool
	id    int64
	epoch int16
	next  map[place]int32
}

func sizeOf(r *sarama.Record) int {
	n := len(r.Key) + len(r.Value) + recordOverhead
	for _, h := range r.Headers {
		n += len(h.Key) + len(h.Value) + recordOverhead
	}
	return n
}

// round sends the next record batch of every partition, one request per broker, and waits for all. It returns the
// partitions whose batch is to be sent again, with the reason.
func (p *Publisher) round(b *batch) (troubled map[int32]error) {
	troubled = map[int32]error{}
	if err := p.identify(); err != nil {
		for partition := range b.queue {
			troubled[partition] = err
		}
		return troubled
	}
	type request struct {
		broker *sarama.Broker
		chunks map[int32]int // messages taken, by partition
		answer *sarama.ProduceResponse
		err    error
	}
	requests := map[int32]*request{} // by broker id
	for partition, queue := range b.queue {
		if len(queue) == 0 {
			continue
		}
		leader, err := p.client.Leader(b.topic, partition)
		if err != nil {
			troubled[partition] = err
			continue
		}
		r := requests[leader.ID()]
		if r == nil {
			r = &request{broker: leader, chunks: map[int32]int{}}
			requests[leader.ID()] = r
		}
		r.chunks[partition] = b.chunk(partition)
	}
	var all sync.WaitGroup
	for _, r := range requests {
		all.Go(func() {
			if r.answer, r.err = r.broker.Produce(p.request(b, r.chunks)); r.err != nil {
				_ = r.broker.Close() // opened again by the next Leader
			}
		})
	}
	all.Wait()
	for _, r := range requests {
		for partition, n := range r.chunks {
			if err := p.settle(b, partition, n, r.answer, r.err); err != nil {
				troubled[partition] = err
			}
		}
	}
	return troubled
}

// identify asks for a producer id unless there is one.
func (p *Publisher) identify() error {
	if p.identity.known {
		return nil
	}
	broker := p.client.LeastLoadedBroker()
	if broker == nil {
		return sarama.ErrOutOfBrokers
	}
	// Version 4 has -1 for "none yet" (KIP-360).
	answer, err := broker.InitProducerID(&sarama.InitProducerIDRequest{Version: 4, ProducerID: -1, ProducerEpoch: -1})
	if err != nil {
		_ = broker.Close()
		return fmt.Errorf("producer id: %w", err)
	}
	if answer.Err != sarama.ErrNoError {
		return fmt.Errorf("producer id: %w", answer.Err)
	}
	p.identity = identity{known: true, id: answer.ProducerID, epoch: answer.ProducerEpoch, next: map[place]int32{}}
	return nil
}

// chunk says how many of a partition's messages go into the next record batch. The same queue gives the same number:
// a batch that is sent again is the same one to Kafka.
func (b *batch) chunk(partition int32) int {
	limit := maxBatch
	if b.halved[partition] {
		limit = 1 // one by one, to find the one that is refused
	}
	size, n := 0, 0
	for _, i := range b.queue[partition] {
		size += sizeOf(b.records[i])
		if n > 0 && size > limit {
			break
		}
		n++
	}
	return n
}

func (p *Publisher) request(b *batch, chunks map[int32]int) *sarama.ProduceRequest {
	config := p.client.Config().Producer
	r := &sarama.ProduceRequest{RequiredAcks: sarama.WaitForAll, Timeout: int32(config.Timeout.Milliseconds()), Version: 7}
	now := time.Now().Truncate(time.Millisecond)
	for partition, n := range chunks {
		records := make([]*sarama.Record, n)
		for at, i := range b.queue[partition][:n] {
			records[at] = &sarama.Record{Key: b.records[i].Key, Value: b.records[i].Value, Headers: b.records[i].Headers, OffsetDelta: int64(at)}
		}
		r.AddBatch(b.topic, partition, &sarama.RecordBatch{
			Version: 2, Codec: config.Compression, CompressionLevel: config.CompressionLevel,
			ProducerID: p.identity.id, ProducerEpoch: p.identity.epoch, FirstSequence: p.identity.next[place{b.topic, partition}],
			FirstTimestamp: now, MaxTimestamp: now, LastOffsetDelta: int32(n - 1), Records: records, // bounded by maxBatch
		})
	}
	return r
}

// settle reads the answer for a partition: done (nil), given up (nil, and noted in failed), or to be sent again.
func (p *Publisher) settle(b *batch, partition int32, n int, answer *sarama.ProduceResponse, failure error) error {
	if failure != nil {
		return failure
	}
	block := answer.GetBlock(b.topic, partition)
	if block == nil {
		return errors.New("the broker's answer leaves the partition out")
	}
	switch block.Err {
	case sarama.ErrNoError, sarama.ErrDuplicateSequenceNumber:
		b.queue[partition] = b.queue[partition][n:]
		at := place{b.topic, partition}
		p.identity.next[at] = int32((int64(p.identity.next[at]) + int64(n)) % (1 << 31)) // wraps to 0 (KIP-98)
		return nil
	case sarama.ErrMessageSizeTooLarge:
		if n == 1 {
			b.fail(b.queue[partition][0], fmt.Errorf("%w: %w", ErrTooLarge, block.Err))
			return nil
		}
		b.halved[partition] = true
		return nil
	case sarama.ErrOutOfOrderSequenceNumber, sarama.ErrUnknownProducerID, sarama.ErrInvalidProducerEpoch, sarama.ErrInvalidProducerIDMapping:
		// The broker lost what it knew of us (its log was truncated, or the id has expired). All other partitions of
		// this round have been answered or will be sent again: a new identity may repeat, but not reorder.
		p.identity.known = false
		return block.Err
	case sarama.ErrInvalidMessage, sarama.ErrUnknownTopicOrPartition, sarama.ErrLeaderNotAvailable, sarama.ErrNotLeaderForPartition,
		sarama.ErrRequestTimedOut, sarama.ErrNotEnoughReplicas, sarama.ErrNotEnoughReplicasAfterAppend, sarama.ErrKafkaStorageError,
		sarama.ErrNetworkException, sarama.ErrFencedLeaderEpoch, sarama.ErrReplicaNotAvailable:
		return block.Err
	default: // not authorized, refused by a policy: waiting does not help
		b.failRest(partition, block.Err)
		return nil
	}
}
