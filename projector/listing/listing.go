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
	event        string
	details      []details // ascending; the older ones are for when the newest is refused
	seats        contract.Counters
	seatsVersion int64
	seatsAt      int // index of the message
	conflicts    int
}

type details struct {
	body    json.RawMessage
	version int64
	at      int // index of the message
}

// maxConflicts of one event, then its batch is tried again after a pause.
const maxConflicts = 5

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
			c.seats, c.seatsVersion, c.seatsAt = *body.Counters, env.Version, it.At
		}
		if contract.AboutOf(env.Type) == contract.AboutEvent && env.Version > c.newest().version {
			c.details = append(c.details, details{body.Event, env.Version, it.At})
		}
	}
	return order
}

func (c *change) newest() details {
	if len(c.details) == 0 {
		return details{}
	}
	return c.details[len(c.details)-1]
}

// refused rejects the message to blame for a document that cannot be: the one
// that its details came from, and only without any the one of its seats. It
// tells whether something is left to be written.
func (c *change) refused(reason error, rejects feed.Rejects) bool {
	if n := len(c.details); n > 0 {
		rejects.Add(c.details[n-1].at, reason)
		c.details = c.details[:n-1]
		return true
	}
	rejects.Add(c.seatsAt, reason)
	return false
}

// write merges the changes into their documents. A conflict means that another
// projector wrote meanwhile (a rebalance, a rebuild): what it did not have of
// ours is merged into what it wrote.
func (p *Projector) write(ctx context.Context, target string, changes []*change, rejects feed.Rejects) error {
	left := make([]*change, len(changes))
	for i, c := range changes {
		own := *c // another target may take what this one refuses
		left[i] = &own
	}
	for len(left) > 0 {
		var err error
		if left, err = p.merge(ctx, target, left, rejects); err != nil {
			return err
		}
	}
	return nil
}

// merge writes once and gives the changes that met a conflict, or of which a
// part was refused.
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
	var of, again []*change
	for i, c := range changes {
		doc := document.Listing{EventID: c.event}
		if docs[i].Found {
			if err := contract.Read(docs[i].Source, &doc); err != nil {
				return nil, fmt.Errorf("listing document %s: %w", c.event, err)
			}
		}
		changed := doc.SetSeats(c.seatsVersion, c.seats)
		if d := c.newest(); doc.SetDetails(d.version, d.body) {
			changed = true
		} else {
			c.details = nil // newer ones are stored: these have no part in it
		}
		if !changed {
			continue
		}
		if err := doc.Derive(); err != nil {
			if c.refused(err, rejects) {
				again = append(again, c)
			}
			continue
		}
		// A document that somebody wrote with too high a version takes an equal one; a lower one would be a conflict for ever.
		ops = append(ops, elastic.Op{Index: target, ID: c.event, Version: max(doc.Version, docs[i].Version), Doc: doc})
		of = append(of, c)
	}
	if len(ops) == 0 {
		return again, nil
	}
	results, err := p.elastic.Bulk(ctx, ops)
	if err != nil {
		return nil, err
	}
	rejected, retry := elastic.Sum(results)
	if retry != nil {
		return nil, retry
	}
	for i, c := range of {
		switch {
		case results[i].Status == elastic.Conflict:
			if c.conflicts++; c.conflicts == maxConflicts {
				return nil, fmt.Errorf("listing document %s was written by others %d times in a row", c.event, maxConflicts)
			}
			again = append(again, c)
		case rejected[i] != nil && c.refused(rejected[i], rejects):
			again = append(again, c)
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
	whole, err := of(stored.ID, items, last) // a long history takes a while: nothing of it between reading and writing
	if err != nil || whole == nil {
		return false, err
	}
	for range 20 { // a hot event is written between our reading and our writing
		docs, err := client.MGet(ctx, target, []string{stored.ID})
		if err != nil {
			return false, err
		}
		doc := *whole
		if now := docs[0]; now.Version > last && now.Version != stored.Version {
			if err := keepNewer(&doc, now, last); err != nil {
				return false, err
			}
		}
		// An equal version writes again; a lower one would not.
		ops := []elastic.Op{{Index: target, ID: stored.ID, Version: max(doc.Version, docs[0].Version), Doc: doc}}
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
		d := c.newest()
		doc.SetDetails(d.version, d.body)
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
