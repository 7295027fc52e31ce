// Package listing keeps one Elasticsearch document per event. A batch costs
// one read and one write however many messages it has about an event.
package listing

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/document"
	"github.com/turnout-events/turnout/internal/elastic"
	"github.com/turnout-events/turnout/projector/feed"
)

// Group is the consumer group. Renaming it replays the topic.
const Group = "listing"

// Projector writes listing documents.
type Projector struct {
	elastic *elastic.Client
	targets feed.Each
	applied func(context.Context, []feed.Item)
	log     *slog.Logger
}

// New takes where to write and who is told what was applied.
func New(client *elastic.Client, targets feed.Each, applied func(context.Context, []feed.Item), log *slog.Logger) *Projector {
	return &Projector{elastic: client, targets: targets, applied: applied, log: log}
}

// change is what a batch has to say about one event.
type change struct {
	event          string
	at             int // index of the message that decides
	details        json.RawMessage
	detailsVersion int64
	seats          contract.Counters
	seatsVersion   int64
}

// Handle is a kafkabus.Handler.
func (p *Projector) Handle(ctx context.Context, messages []*message.Message) error {
	items, rejects := feed.Decode(messages)
	changes := coalesce(items, rejects)
	err := p.targets(ctx, func(target string) error { return p.write(ctx, target, changes, rejects) })
	if err != nil {
		return err
	}
	p.applied(ctx, rejects.Others(items))
	return rejects.Err()
}

func coalesce(items []feed.Item, rejects feed.Rejects) []*change {
	byEvent := map[string]*change{}
	var order []*change
	for _, it := range items {
		var body struct {
			Event    json.RawMessage    `json:"event"`
			Counters *contract.Counters `json:"counters"`
		}
		env := it.Envelope
		if err := contract.Read(env.Payload, &body); err != nil || body.Counters == nil {
			rejects.Add(it.At, fmt.Errorf("%w: payload of %s: no counters (%w)", contract.ErrUndecodable, env.ID(), orMissing(err)))
			continue
		}
		if contract.AboutOf(env.Type) == contract.AboutEvent {
			if _, err := env.Event(); err != nil || body.Event == nil {
				rejects.Add(it.At, fmt.Errorf("%w: %w", contract.ErrUndecodable, orMissing(err)))
				continue
			}
		}
		c := byEvent[env.Subject]
		if c == nil {
			c = &change{event: env.Subject}
			byEvent[env.Subject] = c
			order = append(order, c)
		}
		if env.Version > c.seatsVersion {
			c.seats, c.seatsVersion, c.at = *body.Counters, env.Version, it.At
		}
		if contract.AboutOf(env.Type) == contract.AboutEvent && env.Version > c.detailsVersion {
			c.details, c.detailsVersion = body.Event, env.Version
		}
	}
	return order
}

// write merges the changes into their documents. A conflict means that another
// projector wrote meanwhile (a rebalance, a rebuild): what it did not have of
// ours is merged into what it wrote.
func (p *Projector) write(ctx context.Context, target string, changes []*change, rejects feed.Rejects) error {
	for try := 0; len(changes) > 0 && try < 5; try++ {
		var err error
		if changes, err = p.merge(ctx, target, changes, rejects); err != nil {
			return err
		}
	}
	return nil
}

// merge writes once and gives the changes that met a conflict.
func (p *Projector) merge(ctx context.Context, target string, changes []*change, rejects feed.Rejects) ([]*change, error) {
	ids := make([]string, len(changes))
	for i, c := range changes {
		ids[i] = c.event
	}
	docs, err := p.elastic.MGet(ctx, target, ids)
	if err != nil {
		return nil, err
	}
	var ops []elastic.Op
	var of []*change
	for i, c := range changes {
		doc := document.Listing{EventID: c.event}
		if docs[i].Found {
			if err := contract.Read(docs[i].Source, &doc); err != nil {
				return nil, fmt.Errorf("listing document %s: %w", c.event, err)
			}
		}
		changed := doc.SetSeats(c.seatsVersion, c.seats)
		if c.details != nil {
			changed = doc.SetDetails(c.detailsVersion, c.details) || changed
		}
		if !changed {
			continue
		}
		if err := doc.Derive(); err != nil {
			rejects.Add(c.at, err)
			continue
		}
		ops = append(ops, elastic.Op{Index: target, ID: c.event, Version: doc.Version, Doc: doc})
		of = append(of, c)
	}
	if len(ops) == 0 {
		return nil, nil
	}
	results, err := p.elastic.Bulk(ctx, ops)
	if err != nil {
		return nil, err
	}
	rejected, retry := elastic.Sum(results)
	if retry != nil {
		return nil, retry
	}
	var again []*change
	for i, r := range results {
		if r.Status == elastic.Conflict {
			again = append(again, of[i])
		}
		if rejected[i] != nil {
			rejects.Add(of[i].at, rejected[i])
		}
	}
	return again, nil
}

// Rewrite makes an event's document from nothing but its messages where the
// stored one says something else. stored was read before the last of the items,
// so what it has of this log they have too; what traffic has made newer since
// stays. It tells whether stored was right.
func Rewrite(ctx context.Context, client *elastic.Client, target string, stored elastic.Doc, items []feed.Item) (right bool, err error) {
	then, err := of(stored.ID, items, stored.Version)
	if err != nil || then != nil && says(stored, *then) {
		return err == nil, err
	}
	var last int64
	for _, it := range items {
		last = max(last, it.Envelope.Version)
	}
	for range 20 { // a hot event is written between our reading and our writing
		docs, err := client.MGet(ctx, target, []string{stored.ID})
		if err != nil {
			return false, err
		}
		doc, err := of(stored.ID, items, last)
		if err != nil || doc == nil {
			return false, err
		}
		if now := docs[0]; now.Version > last && now.Version != stored.Version {
			if err := keepNewer(doc, now, last); err != nil {
				return false, err
			}
		}
		// An equal version writes again; a lower one would not.
		ops := []elastic.Op{{Index: target, ID: stored.ID, Version: max(doc.Version, docs[0].Version), Doc: *doc}}
		results, err := client.Bulk(ctx, ops)
		if err != nil {
			return false, err
		}
		rejected, retry := elastic.Sum(results)
		if results[0].Status != elastic.Conflict {
			return false, errors.Join(retry, rejected[0])
		}
	}
	return false, nil
}

// keepNewer takes the halves that are stored of versions beyond the last.
func keepNewer(doc *document.Listing, stored elastic.Doc, last int64) error {
	var now document.Listing
	if json.Unmarshal(stored.Source, &now) != nil {
		now = document.Listing{} // nothing to keep
	}
	if now.SeatsVersion > last && now.SeatsVersion <= stored.Version {
		doc.SetSeats(now.SeatsVersion, now.Seats)
	}
	if now.DetailsVersion > last && now.DetailsVersion <= stored.Version {
		doc.SetDetails(now.DetailsVersion, now.Event)
	}
	return doc.Derive()
}

// of is the document as the messages have it up to a version; nil if none has.
func of(event string, items []feed.Item, upTo int64) (*document.Listing, error) {
	var some []feed.Item
	for _, it := range items {
		if it.Envelope.Version <= upTo {
			some = append(some, it)
		}
	}
	for _, c := range coalesce(some, feed.Rejects{}) { // the rejected are dead letters, here as there
		doc := document.Listing{EventID: event}
		doc.SetSeats(c.seatsVersion, c.seats)
		doc.SetDetails(c.detailsVersion, c.details)
		return &doc, doc.Derive()
	}
	return nil, nil
}

func says(stored elastic.Doc, want document.Listing) bool {
	var have document.Listing
	if !stored.Found || json.Unmarshal(stored.Source, &have) != nil {
		return false
	}
	a, errA := json.Marshal(have)
	b, errB := json.Marshal(want)
	return errA == nil && errB == nil && bytes.Equal(a, b)
}

func orMissing(err error) error {
	if err == nil {
		return errMissing
	}
	return err
}

var errMissing = fmt.Errorf("a part is missing")
