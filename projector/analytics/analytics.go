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
	order   *order
}

// New takes where to write and who is told what was applied. marks is told how
// far the feed may be read; nil for an index that nobody reads yet.
func New(client *elastic.Client, targets feed.Each, applied func(context.Context, []feed.Item), marks Marks) *Projector {
	return &Projector{elastic: client, targets: targets, applied: applied, order: newOrder(marks)}
}

// Handle is a kafkabus.Handler.
func (p *Projector) Handle(ctx context.Context, messages []*message.Message) error {
	items, rejects := feed.Decode(messages)
	ops := make([]elastic.Op, 0, len(items))
	at := make([]int, 0, len(items))
	for _, it := range items {
		fact, err := factOf(it)
		if err != nil {
			rejects.Add(it.At, fmt.Errorf("%w: %w", contract.ErrUndecodable, err))
			continue
		}
		ops = append(ops, elastic.Op{ID: document.FactID(fact.EventID, fact.Version), Version: versionOf(fact.Partition, fact.Offset), Doc: &fact})
		at = append(at, it.At)
	}
	read := spans(messages)
	p.order.begin(ctx, read)
	err := p.targets(ctx, func(target string) error {
		for i := range ops {
			ops[i].Index = target
		}
		return feed.Bulk(ctx, p.elastic, ops, func(i int, reason error) { rejects.Add(at[i], reason) })
	})
	if err != nil {
		p.order.failed(read)
		return err
	}
	if err := p.order.done(ctx, read, p.refresh); err != nil {
		return err
	}
	p.applied(ctx, rejects.Others(items))
	return rejects.Err()
}

func (p *Projector) refresh(ctx context.Context) error {
	return p.targets(ctx, func(target string) error { return p.elastic.Refresh(ctx, target) })
}

// versionOf makes the document's version of a fact's place. A message never
// changes: its first copy stays, at its first place in the feed, so the version
// falls as the offset grows. A late one goes before all of them, because its
// place in the partition is one that the feed's readers are past.
func versionOf(partition int32, offset int64) int64 {
	if partition == document.LateLane {
		return 1<<62 + offset
	}
	return 1<<62 - offset
}

// body is what a fact wants of a payload. The projector is bound by its CPU, so
// it reads a payload once, and no more of it than this.
type body struct {
	Event *struct {
		ID string `json:"id"`
	} `json:"event"`
	RSVP *struct {
		ID        string `json:"id"`
		Status    string `json:"status"`
		PartySize int    `json:"party_size"`
		CheckedIn int    `json:"checked_in"`
		Rating    int    `json:"rating"`
	} `json:"rsvp"`
	Before   contract.Change    `json:"before"`
	Counters *contract.Counters `json:"counters"`
	CheckIn  *contract.CheckIn  `json:"check_in"`
}

func factOf(it feed.Item) (document.Fact, error) {
	env := it.Envelope
	var b body
	if err := contract.Read(env.Payload, &b); err != nil {
		return document.Fact{}, fmt.Errorf("payload of %s (%s): %w", env.ID(), env.Type, err)
	}
	if b.Counters == nil {
		return document.Fact{}, fmt.Errorf("counters of %s: %s carries none", env.ID(), env.Type)
	}
	f := document.Fact{
		EventID: env.Subject, OrganizationID: env.Org, Version: env.Version, Type: env.Type,
		At: env.RecordedAt.UTC(), ValidAt: env.ValidAt.UTC(), Actor: env.Actor, Reason: env.Reason,
		Partition: it.Position.Partition, Offset: it.Position.Offset,
		Going: b.Counters.Going, Maybe: b.Counters.Maybe, Waitlisted: b.Counters.Waitlisted, Held: b.Counters.Held,
		CheckedIn: b.Counters.CheckedIn, Capacity: b.Counters.Capacity, Payload: json.RawMessage(env.Payload),
	}
	switch contract.AboutOf(env.Type) {
	case contract.AboutEvent:
		if b.Event == nil {
			return f, fmt.Errorf("payload of %s: %s carries no event", env.ID(), env.Type)
		}
	case contract.AboutRSVP:
		if b.RSVP == nil {
			return f, fmt.Errorf("payload of %s: %s carries no RSVP", env.ID(), env.Type)
		}
		f.RSVPID, f.Status, f.PartySize = b.RSVP.ID, b.RSVP.Status, b.RSVP.PartySize
		f.Before, f.PartyBefore, f.First = b.Before.Status, b.Before.PartySize, b.Before.Status == ""
		f.CheckInDelta = b.RSVP.CheckedIn - b.Before.CheckedIn
		f.Rating = b.RSVP.Rating
		if b.CheckIn != nil {
			f.Conflict = b.CheckIn.Conflict
		}
	default:
		return f, fmt.Errorf("%s is no message about an event", env.Type)
	}
	return f, nil
}
