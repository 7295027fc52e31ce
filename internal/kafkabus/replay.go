package kafkabus

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/IBM/sarama"
)

// ReplayOptions are all optional.
type ReplayOptions struct {
	// MaxBatch is the largest number of messages handed over at once; 0 means 500.
	MaxBatch int
	// OnProgress is called after each batch, concurrently, with what is done of all and the batch's rejected ones.
	OnProgress func(done, total int64, rejected map[int]error)
}

// Replay hands everything that a topic (short or full name) holds at the time of the call to handle: each partition in
// order from its oldest message, partitions side by side. It belongs to no group and moves no offset. It returns when
// the end that was there at the start is reached; the handler's first error but *Rejected ends it.
func Replay(ctx context.Context, cfg Config, topic string, handle Handler, opts ReplayOptions) error {
	if opts.MaxBatch <= 0 {
		opts.MaxBatch = 500
	}
	client, err := cfg.client()
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	topic = cfg.Topic(topic)
	parts, total, err := spans(client, topic)
	if err != nil {
		return err
	}
	consumer, err := sarama.NewConsumerFromClient(client)
	if err != nil {
		return fmt.Errorf("replay %s: %w", topic, err)
	}
	defer func() { _ = consumer.Close() }()

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r := &replay{handle: handle, opts: opts, total: total}
	var wait sync.WaitGroup
	failed := make([]error, len(parts))
	for i, part := range parts {
		wait.Go(func() {
			if failed[i] = r.partition(ctx, consumer, topic, part); failed[i] != nil {
				cancel()
			}
		})
	}
	wait.Wait()
	for _, err := range failed {
		if err != nil && !errors.Is(err, context.Canceled) {
			return err
		}
	}
	return errors.Join(failed...)
}

// span is what a partition holds: [from, to).
type span struct {
	partition int32
	from, to  int64
}

func spans(client sarama.Client, topic string) (parts []span, total int64, err error) {
	ids, err := client.Partitions(topic)
	if err != nil {
		return nil, 0, fmt.Errorf("partitions of %s: %w", topic, err)
	}
	for _, p := range ids {
		s := span{partition: p}
		if s.from, err = client.GetOffset(topic, p, sarama.OffsetOldest); err != nil {
			return nil, 0, fmt.Errorf("oldest offset of %s/%d: %w", topic, p, err)
		}
		if s.to, err = client.GetOffset(topic, p, sarama.OffsetNewest); err != nil {
			return nil, 0, fmt.Errorf("newest offset of %s/%d: %w", topic, p, err)
		}
		if s.to > s.from {
			parts, total = append(parts, s), total+s.to-s.from
		}
	}
	return parts, total, nil
}

type replay struct {
	handle Handler
	opts   ReplayOptions
	total  int64
	done   atomic.Int64
}

func (r *replay) partition(ctx context.Context, consumer sarama.Consumer, topic string, s span) error {
	pc, err := consumer.ConsumePartition(topic, s.partition, s.from)
	if err != nil {
		return fmt.Errorf("replay %s/%d: %w", topic, s.partition, err)
	}
	var drained sync.WaitGroup
	drained.Go(func() { // sarama blocks when nobody reads its errors; it tries again by itself
		for range pc.Errors() {
		}
	})
	defer drained.Wait()
	defer func() { _ = pc.Close() }()
	next := s.from
	for next < s.to {
		records, more := nextBatch(ctx, pc.Messages(), r.opts.MaxBatch, 0)
		if len(records) > 0 {
			err := callHandler(ctx, r.handle, records)
			var rejected *Rejected
			if err != nil && !errors.As(err, &rejected) {
				return fmt.Errorf("replay %s/%d at offset %d: %w", topic, s.partition, records[0].Offset, err)
			}
			next = records[len(records)-1].Offset + 1
			done := r.done.Add(int64(len(records)))
			if r.opts.OnProgress != nil {
				var reasons map[int]error
				if rejected != nil {
					reasons = rejected.Reasons
				}
				r.opts.OnProgress(min(done, r.total), r.total, reasons)
			}
		}
		if !more && next < s.to {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return fmt.Errorf("replay %s/%d: ended at offset %d of %d", topic, s.partition, next, s.to)
		}
	}
	return nil
}
