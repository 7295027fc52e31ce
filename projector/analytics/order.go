package analytics

import (
	"context"
	"encoding/json"
	"maps"
	"strconv"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/turnout-events/turnout/internal/document"
	"github.com/turnout-events/turnout/internal/elastic"
	"github.com/turnout-events/turnout/internal/kafkabus"
)

// Marks records the offset of each partition up to which the feed may be read;
// a mark is only raised.
type Marks func(ctx context.Context, upTo map[int32]int64) error

// order keeps the feed's readers from what became visible too early. They go on
// behind the greatest offset seen, so a fact must not be given out before those
// of lower offsets in its partition are visible. The index has one shard and a
// partition's batches come one after the other, so that holds of itself, unless
// a request was applied in part: then everything is refreshed once more before
// the mark goes past it.
type order struct {
	marks Marks

	mu     sync.Mutex
	sure   map[int32]bool // what was applied last was so at the first attempt
	upTo   map[int32]int64
	behind bool // the marks could not be raised; somebody tries again
}

func newOrder(marks Marks) *order {
	return &order{marks: marks, sure: map[int32]bool{}, upTo: map[int32]int64{}}
}

// begin is told of a batch before it is written. A partition without a mark is
// read to its end, so its first batch gives it one that lies before it.
func (o *order) begin(ctx context.Context, read map[int32]span) {
	if o.marks == nil {
		return
	}
	first := map[int32]int64{}
	o.mu.Lock()
	for partition, s := range read {
		if s.first == 0 { // again: the topic was lost and made anew, and the old marks with it
			delete(o.upTo, partition)
			delete(o.sure, partition)
		}
		if _, known := o.upTo[partition]; !known {
			first[partition] = s.first - 1
		}
	}
	o.mu.Unlock()
	if len(first) == 0 || o.marks(ctx, first) != nil {
		return // with the next attempt; done will say it in any case
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for partition, offset := range first {
		if _, there := o.upTo[partition]; !there {
			o.upTo[partition] = offset
		}
	}
}

// failed is told of a batch that may be applied in part.
func (o *order) failed(read map[int32]span) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for partition := range read {
		delete(o.sure, partition)
	}
}

// done is told of a batch that is applied. What an earlier process left is
// unknown, so the first batch of a partition counts as one that had failed.
func (o *order) done(ctx context.Context, read map[int32]span, refresh func(context.Context) error) error {
	if o.marks == nil {
		return nil
	}
	o.mu.Lock()
	sure := true
	for partition := range read {
		sure = sure && o.sure[partition]
	}
	o.mu.Unlock()
	if !sure {
		if err := refresh(ctx); err != nil {
			return err
		}
	}
	o.mu.Lock()
	upTo := make(map[int32]int64, len(read))
	for partition, s := range read {
		o.sure[partition], o.upTo[partition] = true, max(s.last, o.upTo[partition])
		upTo[partition] = o.upTo[partition]
	}
	behind := o.behind
	o.mu.Unlock()
	if behind || len(upTo) == 0 || o.marks(ctx, upTo) == nil {
		return nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.behind {
		o.behind = true
		go o.raise(ctx)
	}
	return nil
}

// raise tries until the marks are raised: their store being away holds up no
// figures, but what it lacks then would be missing until a next message.
func (o *order) raise(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		o.mu.Lock()
		all := maps.Clone(o.upTo)
		o.mu.Unlock()
		if o.marks(ctx, all) != nil {
			continue
		}
		o.mu.Lock()
		over := maps.Equal(all, o.upTo) // else a batch has come meanwhile
		o.behind = !over
		o.mu.Unlock()
		if over {
			return
		}
	}
}

// span is what a batch has of a partition.
type span struct{ first, last int64 }

// spans gives them by partition; a late message belongs to none.
func spans(messages []*message.Message) map[int32]span {
	out := map[int32]span{}
	for _, m := range messages {
		partition, err := strconv.ParseInt(m.Metadata[kafkabus.MetaPartition], 10, 32)
		if err != nil || int32(partition) == document.LateLane {
			continue
		}
		offset, err := strconv.ParseInt(m.Metadata[kafkabus.MetaOffset], 10, 64)
		if err != nil {
			continue
		}
		s, there := out[int32(partition)]
		if !there {
			s.first = offset
		}
		s.last = max(s.last, offset)
		out[int32(partition)] = s
	}
	return out
}

// Late gives a copy of a message whose fact becomes a late one.
func Late(m *message.Message, now time.Time) *message.Message {
	late := m.Copy()
	late.Metadata.Set(kafkabus.MetaPartition, strconv.Itoa(int(document.LateLane)))
	late.Metadata.Set(kafkabus.MetaOffset, strconv.FormatInt(now.UnixNano(), 10))
	return late
}

// KeepLate copies the late facts of an index to one that was filled from the
// log, where they have their old places.
func KeepLate(ctx context.Context, client *elastic.Client, from, to string) error {
	query := map[string]any{"term": map[string]any{"partition": document.LateLane}}
	var ops []elastic.Op
	write := func() error {
		results, err := client.Bulk(ctx, ops)
		if err == nil {
			_, err = elastic.Sum(results)
		}
		ops = ops[:0]
		return err
	}
	err := client.Each(ctx, from, query, keepAtOnce, func(hit elastic.Hit) error {
		var f document.Fact
		if err := json.Unmarshal(hit.Source, &f); err != nil {
			return err
		}
		ops = append(ops, elastic.Op{Index: to, ID: hit.ID, Version: versionOf(f.Partition, f.Offset), Doc: f})
		if len(ops) < keepAtOnce {
			return nil
		}
		return write()
	})
	if err != nil || len(ops) == 0 {
		return err
	}
	return write()
}

const keepAtOnce = 500
