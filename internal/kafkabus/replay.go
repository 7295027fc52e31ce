package kafkabus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/IBM/sarama"
	"golang.org/x/sync/errgroup"
)

// ReplayOptions are all optional.
type ReplayOptions struct {
	// From is where to begin, by partition; one that is not named begins at its oldest message.
	From map[int32]int64
	// Only names the partitions to read; none means all.
	Only []int32
	// MaxBatch is the largest number of messages handed over at once; 0 means 500.
	MaxBatch int
	// OnProgress is called after each batch, concurrently, with what is done of all and the batch's rejected ones.
	OnProgress func(done, total int64, rejected map[int]error)
	// OnEnd is called when a partition is read, concurrently for several, with the From of a follow-up.
	OnEnd func(partition int32, next int64)
}

// Replay hands everything that a topic (short or full name) holds at the time of the call to handle: each partition in
// order from its oldest message, partitions side by side. It belongs to no group and moves no offset. It returns when
// the end that was there at the start is reached. The handler's *Rejected is passed over (those are the live group's
// dead letters already); its first other error ends the replay. It is how a read model is rebuilt.
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
	parts, total, err := spans(ctx, client, topic)
	if err != nil {
		return fmt.Errorf("replay: %w", err)
	}
	if len(opts.Only) > 0 {
		parts = slices.DeleteFunc(parts, func(p span) bool { return !slices.Contains(opts.Only, p.partition) })
		total = 0
		for _, p := range parts {
			total += p.to - p.from
		}
	}
	for i, p := range parts {
		if from, named := opts.From[p.partition]; named && from > p.from {
			skipped := min(from, p.to) - p.from
			parts[i].from, total = p.from+skipped, total-skipped
		}
	}
	r := &replay{client: client, topic: topic, handle: handle, opts: opts, total: total}
	group, ctx := errgroup.WithContext(ctx)
	for _, p := range parts {
		group.Go(func() error { return r.partition(ctx, p) })
	}
	return group.Wait()
}

type replay struct {
	client sarama.Client
	topic  string
	handle Handler
	opts   ReplayOptions
	total  int64
	done   atomic.Int64
}

func (r *replay) partition(ctx context.Context, s span) error {
	var batch []*sarama.ConsumerMessage
	next, err := readPartition(ctx, r.client, r.topic, s.partition, s.from, s.to, func(cm *sarama.ConsumerMessage) error {
		if batch = append(batch, cm); len(batch) < r.opts.MaxBatch {
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
		return fmt.Errorf("replay %s/%d: %w", r.topic, s.partition, err)
	}
	if r.opts.OnEnd != nil {
		r.opts.OnEnd(s.partition, next)
	}
	return nil
}

func (r *replay) apply(ctx context.Context, batch []*sarama.ConsumerMessage) error {
	var reasons map[int]error
	if err := callHandler(ctx, r.handle, batch); err != nil {
		var rejected *Rejected
		if !errors.As(err, &rejected) || ctx.Err() != nil {
			return fmt.Errorf("at offset %d: %w", batch[0].Offset, err)
		}
		reasons = rejected.Reasons
	}
	done := r.done.Add(int64(len(batch)))
	if r.opts.OnProgress != nil {
		r.opts.OnProgress(done, r.total, reasons)
	}
	return nil
}
