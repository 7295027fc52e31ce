package projector

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/document"
	"github.com/turnout-events/turnout/internal/kafkabus"
	"github.com/turnout-events/turnout/projector/access"
	"github.com/turnout-events/turnout/projector/analytics"
	"github.com/turnout-events/turnout/projector/feed"
	"github.com/turnout-events/turnout/projector/guestlist"
	"github.com/turnout-events/turnout/projector/listing"
	"github.com/turnout-events/turnout/projector/outcomes"
)

// patient tries a batch again while its store is away: a rebuild of an hour
// must not end with a hiccup. After five minutes it is no hiccup.
func patient(handle kafkabus.Handler) kafkabus.Handler {
	return func(ctx context.Context, messages []*message.Message) error {
		wait := 100 * time.Millisecond
		until := time.Now().Add(5 * time.Minute)
		for {
			err := handle(ctx, messages)
			var rejected *kafkabus.Rejected
			if err == nil || errors.As(err, &rejected) || ctx.Err() != nil || time.Now().After(until) {
				return err
			}
			if pauseErr := pause(ctx, wait); pauseErr != nil {
				return pauseErr
			}
			wait = min(2*wait, 5*time.Second)
		}
	}
}

// highest remembers, per event, the last message about the event itself that a
// replay has applied.
type highest struct {
	mu      sync.Mutex
	details map[string]int64
}

func newHighest() *highest { return &highest{details: map[string]int64{}} }

func (h *highest) watch(handle kafkabus.Handler) kafkabus.Handler {
	return func(ctx context.Context, messages []*message.Message) error {
		err := handle(ctx, messages)
		if ignoreRejected(err) != nil {
			return err
		}
		items, rejects := feed.Decode(messages)
		var rejected *kafkabus.Rejected
		if errors.As(err, &rejected) {
			rejects = rejected.Reasons // no document has these
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		for _, it := range rejects.Others(items) {
			if contract.AboutOf(it.Envelope.Type) == contract.AboutEvent {
				h.details[it.Envelope.Subject] = max(h.details[it.Envelope.Subject], it.Envelope.Version)
			}
		}
		return err
	}
}

// mend looks for listing documents that lost their details. The replay and a
// projector may read the same document at the same time; who writes last, with
// the greater version of seats, then takes the other's newer details back. The
// replay is over here, so what is mended stays.
func (r *Rebuilder) mend(ctx context.Context, alias string, seen *highest) error {
	const rounds = 10
	for range rounds {
		// A projector that read before the last write, of the replay or the mending,
		// may write once more: only what is right after a pause stays right.
		if err := pause(ctx, settled); err != nil {
			return err
		}
		lost, err := r.lost(ctx, alias, seen)
		if err != nil || len(lost) == 0 {
			return err
		}
		r.Deps.Log.InfoContext(ctx, "documents to mend", "count", len(lost))
		for _, event := range lost {
			h, err := r.history(ctx, event)
			if err != nil {
				return err
			}
			if err := ignoreRejected(r.handler(document.Listings, alias)(ctx, h.messages)); err != nil {
				return err
			}
		}
	}
	return fmt.Errorf("documents of %s do not hold still", alias)
}

func (r *Rebuilder) lost(ctx context.Context, alias string, seen *highest) ([]string, error) {
	ids := make([]string, 0, len(seen.details))
	for id := range seen.details {
		ids = append(ids, id)
	}
	var lost []string
	for len(ids) > 0 {
		n := min(len(ids), comparePage)
		docs, err := r.Deps.Elastic.MGet(ctx, alias, ids[:n])
		if err != nil {
			return nil, err
		}
		for i, d := range docs {
			var doc document.Listing
			if d.Found {
				if err := json.Unmarshal(d.Source, &doc); err != nil {
					return nil, fmt.Errorf("listing document %s: %w", d.ID, err)
				}
			}
			if doc.DetailsVersion < seen.details[ids[i]] {
				lost = append(lost, ids[i])
			}
		}
		ids = ids[n:]
	}
	return lost, nil
}

// discard deletes an index that was not put behind the alias.
func (r *Rebuilder) discard(ctx context.Context, store, index string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	behind, err := r.Deps.Elastic.Behind(ctx, store)
	if err != nil || slices.Contains(behind, index) {
		return err
	}
	return r.Deps.Elastic.DeleteIndex(ctx, index)
}

func ignoreRejected(err error) error {
	var rejected *kafkabus.Rejected
	if errors.As(err, &rejected) {
		return nil
	}
	return err
}

// handler writes to one alias only and sets no marks.
func (r *Rebuilder) handler(store, alias string) kafkabus.Handler {
	d := r.Deps
	to := feed.To(alias)
	switch store {
	case document.Listings:
		return listing.New(d.Elastic, to, nothing, d.Log).Handle
	case document.GuestList:
		return guestlist.New(d.Elastic, d.Keys, to, nothing, d.Log).Handle
	case document.Facts:
		return analytics.New(d.Elastic, to, nothing, nil).Handle
	case document.Outcomes:
		return outcomes.New(d.Elastic, to).Handle
	default:
		return access.New(d.Redis, d.Elastic, to).Handle
	}
}
