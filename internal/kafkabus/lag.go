package kafkabus

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

// PartitionLag is how far a group is behind on one partition.
type PartitionLag struct {
	Group     string // as asked
	Topic     string // full name
	Partition int32
	Committed int64 // the next offset the group will read; -1: it has never committed, and starts at the oldest
	End       int64 // the offset that the next message will get
	Messages  int64 // messages behind
	// Seconds behind: the age of the first message that is not committed; 0 when there is none. Offsets are committed
	// once a second, so a group that keeps up shows up to about that.
	Seconds float64
	// Since is that message's timestamp; zero when there is none.
	Since time.Time
}

// LagReader answers Lag again and again over one connection, and remembers timestamps it has read.
type LagReader struct {
	cfg    Config
	mu     sync.Mutex // one question at a time
	client sarama.Client
	seen   map[place]stamp
}

type place struct {
	topic     string
	partition int32
}

type stamp struct {
	offset int64
	at     time.Time
}

// NewLagReader connects.
func NewLagReader(cfg Config) (*LagReader, error) {
	client, err := cfg.client()
	if err != nil {
		return nil, err
	}
	return &LagReader{cfg: cfg, client: client, seen: map[place]stamp{}}, nil
}

// Close disconnects.
func (r *LagReader) Close() error { return r.client.Close() }

// Lag asks once; see LagReader.Lag.
func Lag(ctx context.Context, cfg Config, groups map[string][]string) ([]PartitionLag, error) {
	var lags []PartitionLag
	err := within(ctx, func() error {
		r, err := NewLagReader(cfg)
		if err != nil {
			return err
		}
		found, err := r.Lag(ctx, groups)
		err = errors.Join(err, r.Close())
		if err == nil {
			lags = found
		}
		return err
	})
	if err != nil {
		return nil, err // who left while it was asked must not look at what is still being written
	}
	return lags, nil
}

// Lag says how far each group is behind on each partition of its topics (short or full names), ordered by group, topic
// and partition. A topic that does not exist yet has no rows.
func (r *LagReader) Lag(ctx context.Context, groups map[string][]string) ([]PartitionLag, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	admin, err := sarama.NewClusterAdminFromClient(r.client)
	if err != nil {
		return nil, fmt.Errorf("lag: %w", err)
	}
	ends := map[place][2]int64{} // oldest and end
	var all []PartitionLag
	for group, topics := range groups {
		wanted := map[string][]int32{}
		for _, name := range topics {
			topic := r.cfg.Topic(name)
			partitions, err := r.bounds(topic, ends)
			if err != nil {
				return nil, err
			}
			if len(partitions) > 0 {
				wanted[topic] = partitions
			}
		}
		if len(wanted) == 0 {
			continue
		}
		committed, err := admin.ListConsumerGroupOffsets(r.cfg.Group(group), wanted)
		if err != nil {
			return nil, fmt.Errorf("lag: offsets of group %s: %w", r.cfg.Group(group), err)
		}
		for topic, partitions := range wanted {
			for _, p := range partitions {
				lag := PartitionLag{Group: group, Topic: topic, Partition: p, Committed: -1}
				if block := committed.GetBlock(topic, p); block != nil {
					if block.Err != sarama.ErrNoError {
						return nil, fmt.Errorf("lag: offset of group %s, %s/%d: %w", r.cfg.Group(group), topic, p, block.Err)
					}
					lag.Committed = block.Offset
				}
				if err := r.fill(ctx, &lag, ends[place{topic, p}]); err != nil {
					return nil, err
				}
				all = append(all, lag)
			}
		}
	}
	sort.Slice(all, func(i, j int) bool {
		a, b := all[i], all[j]
		switch {
		case a.Group != b.Group:
			return a.Group < b.Group
		case a.Topic != b.Topic:
			return a.Topic < b.Topic
		}
		return a.Partition < b.Partition
	})
	return all, nil
}

// bounds reads the oldest offset and the end of every partition of a topic, once per question.
func (r *LagReader) bounds(topic string, ends map[place][2]int64) ([]int32, error) {
	if err := r.client.RefreshMetadata(topic); errors.Is(err, sarama.ErrUnknownTopicOrPartition) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("lag: metadata of %s: %w", topic, err)
	}
	partitions, err := r.client.Partitions(topic)
	if err != nil {
		return nil, fmt.Errorf("lag: partitions of %s: %w", topic, err)
	}
	for _, p := range partitions {
		if _, known := ends[place{topic, p}]; known {
			continue
		}
		oldest, err := r.client.GetOffset(topic, p, sarama.OffsetOldest)
		if err != nil {
			return nil, fmt.Errorf("lag: oldest offset of %s/%d: %w", topic, p, err)
		}
		end, err := r.client.GetOffset(topic, p, sarama.OffsetNewest)
		if err != nil {
			return nil, fmt.Errorf("lag: end of %s/%d: %w", topic, p, err)
		}
		ends[place{topic, p}] = [2]int64{oldest, end}
	}
	return partitions, nil
}

func (r *LagReader) fill(ctx context.Context, lag *PartitionLag, bounds [2]int64) error {
	from := max(lag.Committed, bounds[0]) // never committed, or fallen out of the log: it would start at the oldest
	lag.End = bounds[1]
	lag.Messages = max(0, lag.End-from)
	if lag.Messages == 0 {
		return nil
	}
	at, err := r.timestamp(ctx, place{lag.Topic, lag.Partition}, from)
	if err != nil || at.IsZero() {
		return err
	}
	lag.Since = at
	lag.Seconds = max(0, time.Since(at).Seconds())
	return nil
}

// timestamp is that of the first message at or after offset; zero if none comes within 5 s (only control records
// there).
func (r *LagReader) timestamp(ctx context.Context, at place, offset int64) (time.Time, error) {
	if s, ok := r.seen[at]; ok && s.offset == offset {
		return s.at, nil
	}
	var found time.Time
	_, err := readPartition(ctx, r.client, at.topic, at.partition, offset, offset+1, func(cm *sarama.ConsumerMessage) error {
		found = cm.Timestamp
		return errStop
	})
	if err != nil {
		return time.Time{}, fmt.Errorf("lag: first message of %s/%d: %w", at.topic, at.partition, err)
	}
	if !found.IsZero() {
		r.seen[at] = stamp{offset: offset, at: found}
	}
	return found, nil
}
