// Package analytics keeps a document per message about an event: the facts
// that figures are added up from, and the changes feed.
package analytics

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/document"
	"github.com/turnout-events/turnout/internal/elastic"
	"github.com/turnout-events/turnout/projector/feed"
)

// Group is the consumer group. Renaming it replays the topic.
const Group = "facts"

// Projector writes facts.
type Projector struct {
	elastic *elastic.Client
	targets feed.Each
	applied func(context.Context, []feed.Item)
}

// New takes where to write and who is told what was applied.
func New(client *elastic.Client, targets feed.Each, applied func(context.Context, []feed.Item)) *Projector {
	return &Projector{elastic: client, targets: targets, applied: applied}
}

// Handle is a kafkabus.Handler.
func (p *Projector) Handle(ctx context.Context, messages []*message.Message) error {
	items, rejects := feed.Decode(messages)
	facts := make([]document.Fact, 0, len(items))
	at := make([]int, 0, len(items))
	for _, it := range items {
		fact, err := factOf(it)
		if err != nil {
			rejects.Add(it.At, fmt.Errorf("%w: %w", contract.ErrUndecodable, err))
			continue
		}
		facts, at = append(facts, fact), append(at, it.At)
	}
	// Who follows the feed goes on behind the greatest offset seen, so a fact must
	// not become visible before one of a lower offset in its partition. The
	// index has one shard, which a busy Elasticsearch takes a request for as a
	// whole or not at all; a request that is cut for its size stops at the first
	// part that fails; and a partition's next batch waits for this one. More
	// shards would need a mark up to where the feed may be read.
	err := p.targets(ctx, func(target string) error {
		ops := make([]elastic.Op, len(facts))
		for i, f := range facts {
			// A message never changes: its first copy stays, at its first place in
			// the feed, because the repeat has the greater offset and so the lower
			// version here.
			ops[i] = elastic.Op{Index: target, ID: document.FactID(f.EventID, f.Version), Version: firstWins(f.Offset), Doc: f}
		}
		return feed.Bulk(ctx, p.elastic, ops, func(i int, reason error) { rejects.Add(at[i], reason) })
	})
	if err != nil {
		return err
	}
	p.applied(ctx, rejects.Others(items))
	return rejects.Err()
}

// firstWins makes a document version that falls as the offset grows.
func firstWins(offset int64) int64 { return 1<<62 - offset }

func factOf(it feed.Item) (document.Fact, error) {
	env := it.Envelope
	counters, err := env.Counters()
	if err != nil {
		return document.Fact{}, err
	}
	f := document.Fact{
		EventID: env.Subject, OrganizationID: env.Org, Version: env.Version, Type: env.Type,
		At: env.RecordedAt.UTC(), ValidAt: env.ValidAt.UTC(), Actor: env.Actor, Reason: env.Reason,
		Partition: it.Position.Partition, Offset: it.Position.Offset,
		Going: counters.Going, Maybe: counters.Maybe, Waitlisted: counters.Waitlisted, Held: counters.Held,
		CheckedIn: counters.CheckedIn, Capacity: counters.Capacity, Payload: json.RawMessage(env.Payload),
	}
	switch contract.AboutOf(env.Type) {
	case contract.AboutEvent:
		_, err = env.Event()
		return f, err
	case contract.AboutRSVP:
	default:
		return f, fmt.Errorf("%s is no message about an event", env.Type)
	}
	body, err := env.RSVP()
	if err != nil {
		return f, err
	}
	r := body.RSVP
	f.RSVPID, f.Status, f.PartySize = r.ID, r.Status, r.PartySize
	f.Before, f.PartyBefore, f.First = body.Before.Status, body.Before.PartySize, body.Before.Status == ""
	f.CheckInDelta = r.CheckedIn - body.Before.CheckedIn
	f.Rating = r.Rating
	if body.CheckIn != nil {
		f.Conflict = body.CheckIn.Conflict
	}
	return f, nil
}
