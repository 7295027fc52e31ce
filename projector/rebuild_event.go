package projector

import (
	"context"
	"fmt"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/document"
	"github.com/turnout-events/turnout/internal/elastic"
	"github.com/turnout-events/turnout/internal/kafkabus"
	"github.com/turnout-events/turnout/projector/availability"
	"github.com/turnout-events/turnout/projector/feed"
	"github.com/turnout-events/turnout/projector/listing"
)

// settled is the pause after which what a projector had read before a repair is
// written.
const settled = 500 * time.Millisecond

// history is all messages of an event, to the log's end of the last reading.
type history struct {
	event    string
	log      *follower
	messages []*message.Message
}

func (r *Rebuilder) history(ctx context.Context, event string) (*history, error) {
	partition, err := kafkabus.PartitionOf(r.Deps.Kafka, contract.TopicRegistrations, event)
	if err != nil {
		return nil, err
	}
	h := &history{event: event, log: &follower{
		deps: r.Deps, topic: contract.TopicRegistrations, only: []int32{partition}, batch: r.Config.MaxBatch}}
	return h, h.readOn(ctx)
}

func (h *history) readOn(ctx context.Context) error {
	return h.log.read(ctx, func(_ context.Context, messages []*message.Message) error {
		for _, m := range messages {
			if m.Metadata[contract.HeaderSubject] == h.event {
				h.messages = append(h.messages, m.Copy())
			}
		}
		return nil
	})
}

// RebuildEvent writes all that the stores have of one event anew, also where
// their version is right and their content is not. The event may be busy
// meanwhile. It gives the number of messages.
func (r *Rebuilder) RebuildEvent(ctx context.Context, event string) (int, error) {
	h, err := r.history(ctx, event)
	if err != nil {
		return 0, err
	}
	if len(h.messages) == 0 {
		return 0, fmt.Errorf("the log has no event %s", event)
	}
	if err := r.alone(ctx, availability.Group, func(ctx context.Context) error { return r.rebuildKeysOf(ctx, h) }); err != nil {
		return 0, fmt.Errorf("%s: %w", availability.Group, err)
	}
	for _, store := range []string{document.GuestList, document.Facts} {
		if err := r.apply(ctx, r.handler(store, store), h.messages); err != nil {
			return 0, err
		}
	}
	items, _ := feed.Decode(h.messages) // what comes while the listing is rewritten the others need not have
	if err := r.rewriteListing(ctx, h); err != nil {
		return 0, err
	}
	for _, group := range []string{listing.Group, availability.Group, document.GuestList, document.Facts} {
		feed.NewTracker(r.Deps.Redis, group, r.Deps.Log).Applied(ctx, items)
	}
	return len(h.messages), nil
}

func (r *Rebuilder) apply(ctx context.Context, handle kafkabus.Handler, messages []*message.Message) error {
	for from := 0; from < len(messages); from += r.Config.MaxBatch {
		batch := messages[from:min(from+r.Config.MaxBatch, len(messages))]
		if err := ignoreRejected(patient(handle)(ctx, batch)); err != nil {
			return err
		}
	}
	return nil
}

// rebuildKeysOf is rebuildKeys of one event, and keeps nothing to go back to.
func (r *Rebuilder) rebuildKeysOf(ctx context.Context, h *history) error {
	g := generation{deps: r.Deps}
	of := keys{document.KeyAvailability: {h.event: ""}, document.KeyEvent: {h.event: ""}, document.KeySlug: {}}
	items, _ := feed.Decode(h.messages)
	for _, it := range items {
		if body, err := it.Envelope.Event(); err == nil && contract.AboutOf(it.Envelope.Type) == contract.AboutEvent {
			of[document.KeySlug][body.Event.Slug] = ""
		}
	}
	for family, ids := range of {
		for id := range ids { // what a rebuild that died has left
			if err := r.Deps.Redis.Del(ctx, g.key(besideLive, family, id)).Err(); err != nil {
				return err
			}
		}
	}
	if err := g.look(ctx, of); err != nil {
		return err
	}
	if err := h.readOn(ctx); err != nil {
		return err
	}
	seats := g.seats(h.log)
	if err := r.apply(ctx, seats.beside, h.messages); err != nil {
		return err
	}
	if err := g.swap(ctx, of, &Comparison{}); err != nil {
		return err
	}
	swapped := len(h.messages)
	if err := h.readOn(ctx); err != nil {
		return err
	}
	return r.apply(ctx, seats.live, h.messages[swapped:])
}

// rewriteListing looks until the event's document is found right twice: a
// projector that read it before it was mended may write once more.
func (r *Rebuilder) rewriteListing(ctx context.Context, h *history) error {
	const rounds = 20
	var wasRight bool
	for range rounds {
		docs, err := r.Deps.Elastic.MGet(ctx, document.Listings, []string{h.event})
		if err != nil {
			return err
		}
		if err := h.readOn(ctx); err != nil {
			return err
		}
		items, _ := feed.Decode(h.messages)
		right, err := listing.Rewrite(ctx, r.Deps.Elastic, document.Listings, docs[0], items)
		if err != nil {
			return err
		}
		if right && wasRight {
			return notAhead(docs[0], items)
		}
		wasRight = right
		if err := pause(ctx, settled); err != nil {
			return err
		}
	}
	return fmt.Errorf("the document of %s in %s does not hold still", h.event, document.Listings)
}

// notAhead finds a document whose version Elasticsearch will not lower: until
// the event gets there, of two writers at once the later one wins.
func notAhead(stored elastic.Doc, items []feed.Item) error {
	var last int64
	for _, it := range items {
		last = max(last, it.Envelope.Version)
	}
	if stored.Version <= last {
		return nil
	}
	return fmt.Errorf("the document of %s in %s is of version %d, and the log ends with %d: turnout rebuild %s",
		stored.ID, document.Listings, stored.Version, last, document.Listings)
}
