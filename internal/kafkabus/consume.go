package kafkabus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sort"
	"sync"
	"time"

	"github.com/IBM/sarama"
	"github.com/ThreeDotsLabs/watermill/message"
)

// Handler gets the next messages of one partition in order. Partitions run concurrently, so it must be safe for that.
//
// Nil moves the offset past all of them. A *Rejected sends the named ones to the dead-letter topic and moves the
// offset past all. Any other error, or a panic, hands the same messages over again after a back-off, for ever.
// ctx ends when the partition is taken away or the consumer closes; what the handler returns then moves nothing
// unless it is nil. Repeats are normal: a handler sets by version, it never adds.
type Handler func(ctx context.Context, messages []*message.Message) error

// Rejected says that the messages with these indices can never succeed (undecodable, refused by the mapping) and that
// all others of the batch are applied.
type Rejected struct {
	Reasons map[int]error
}

func (e *Rejected) Error() string {
	for i, reason := range e.Reasons {
		if len(e.Reasons) == 1 {
			return fmt.Sprintf("message %d of the batch rejected: %v", i, reason)
		}
		return fmt.Sprintf("%d messages of the batch rejected, one of them (%d): %v", len(e.Reasons), i, reason)
	}
	return "no message rejected"
}

// indices gives the rejected indices within a batch of n, in order; an index outside is a bug of the handler.
func (e *Rejected) indices(n int) ([]int, error) {
	out := make([]int, 0, len(e.Reasons))
	for i := range e.Reasons {
		if i < 0 || i >= n {
			return nil, fmt.Errorf("handler rejected message %d of a batch of %d", i, n)
		}
		out = append(out, i)
	}
	sort.Ints(out)
	return out, nil
}

// BatchStats describes a batch that the offset has moved past.
type BatchStats struct {
	Topic     string
	Partition int32
	Size      int
	Took      time.Duration // from the first attempt to the mark, back-offs included
	Retries   int
	Rejected  int
	Oldest    time.Time // the timestamp of the batch's first message
}

// ConsumeOptions are all optional.
type ConsumeOptions struct {
	// MaxBatch is the largest number of messages handed over at once; 0 means 500.
	MaxBatch int
	// Linger is how long to wait for more once a message is there; 0, the default, takes what is buffered and goes.
	Linger time.Duration
	// MinBackoff and MaxBackoff bound the pause between attempts; 0 means 100 ms and 15 s.
	MinBackoff, MaxBackoff time.Duration
	// Log gets rebalances, retries and dead letters; nil means silence.
	Log *slog.Logger
	// OnBatch is called after each batch, concurrently for several partitions.
	OnBatch func(BatchStats)
	// OnRetry is called before each back-off with the handler's error.
	OnRetry func(topic string, partition int32, err error)
	// OnAssigned is called when the group's session starts, with the partitions of this member by full topic name.
	OnAssigned func(partitions map[string][]int32)
	// InstanceID makes the member static (KIP-345): its restart within 10 s causes no rebalance. Unique per process.
	InstanceID string
}

func (o ConsumeOptions) withDefaults() ConsumeOptions {
	if o.MaxBatch <= 0 {
		o.MaxBatch = 500
	}
	if o.MinBackoff <= 0 {
		o.MinBackoff = 100 * time.Millisecond
	}
	if o.MaxBackoff <= 0 {
		o.MaxBackoff = 15 * time.Second
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Consume runs a member of the consumer group on the topics (short or full names) until ctx ends, and then returns
// nil. It starts at the oldest message when the group has no offset. While Kafka is away it keeps trying; only settings
// that can never work are an error. The group's dead-letter topic is made if missing.
func Consume(ctx context.Context, cfg Config, group string, topics []string, handle Handler, opts ConsumeOptions) error {
	opts = opts.withDefaults()
	if err := cfg.Validate(); err != nil {
		return err
	}
	full := make([]string, len(topics))
	for i, t := range topics {
		full[i] = cfg.Topic(t)
	}
	log := opts.Log.With("group", cfg.Group(group))
	for ctx.Err() == nil {
		// A broker that is back, or a topic that is there at last, should not wait as long as a store that is away may.
		wait := newBackoff(opts.MinBackoff, min(opts.MaxBackoff, 2*time.Second))
		if err := consumeOnce(ctx, cfg, group, full, handle, opts, log, wait); ctx.Err() == nil {
			log.WarnContext(ctx, "consumer disconnected, trying again", "error", err)
			wait.pause(ctx)
		}
	}
	return nil
}

// freshAfter failed sessions in a row, a member is given up for a new client. It is a guard only: keeping the member
// keeps its id, and a broker that is back lets it in at once, where a stranger waits until the old id has timed out.
const freshAfter = 30

// consumeOnce holds one client until it fails or ctx ends.
func consumeOnce(ctx context.Context, cfg Config, group string, topics []string, handle Handler, opts ConsumeOptions, log *slog.Logger, wait *backoff) error {
	sc, err := cfg.saramaConfig()
	if err != nil {
		return err
	}
	sc.Consumer.Group.InstanceId = opts.InstanceID
	client, err := sarama.NewClient(cfg.Brokers, sc)
	if err != nil {
		return fmt.Errorf("kafka at %v: %w", cfg.Brokers, err)
	}
	defer func() { _ = client.Close() }()
	letters, err := newDeadLetters(ctx, cfg, group, client)
	if err != nil {
		return err
	}
	defer letters.close()
	member, err := sarama.NewConsumerGroupFromClient(cfg.Group(group), client)
	if err != nil {
		return fmt.Errorf("join group: %w", err)
	}
	var drained sync.WaitGroup
	drained.Add(1)
	go func() { // sarama blocks when nobody reads its errors
		defer drained.Done()
		for err := range member.Errors() {
			level := slog.LevelWarn
			var partition *sarama.ConsumerError
			if errors.As(err, &partition) || ctx.Err() != nil {
				level = slog.LevelDebug // one per partition and try while a broker is away; the session's end is said below
			}
			log.Log(ctx, level, "consumer group", "error", err)
		}
	}()
	defer drained.Wait()
	defer func() { _ = member.Close() }()

	failures := 0
	session := &session{cfg: cfg, handle: handle, opts: opts, log: log, letters: letters,
		healthy: func() { wait.reset(); failures = 0 }}
	for ctx.Err() == nil {
		// Consume returns at every rebalance, and has to be called again.
		err := member.Consume(ctx, topics, session)
		if err == nil {
			continue
		}
		if failures++; errors.Is(err, sarama.ErrClosedConsumerGroup) || failures >= freshAfter {
			return fmt.Errorf("group session: %w", err)
		}
		if ctx.Err() == nil {
			log.WarnContext(ctx, "no group session, trying again", "error", err)
			wait.pause(ctx)
		}
	}
	return nil
}
