// Package outcomes keeps a document per notification: what became of it. The
// mail figures of the analytics are counted from it.
package outcomes

import (
	"context"
	"fmt"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/document"
	"github.com/turnout-events/turnout/internal/elastic"
	"github.com/turnout-events/turnout/projector/feed"
)

// Group is the consumer group. Renaming it replays the topic.
const Group = contract.GroupOutcomes

// Projector writes outcomes.
type Projector struct {
	elastic *elastic.Client
	targets feed.Each
}

// New takes where to write.
func New(client *elastic.Client, targets feed.Each) *Projector {
	return &Projector{elastic: client, targets: targets}
}

// Handle is a kafkabus.Handler. Of several outcomes of one notification only
// the last is written: a repeat and an older one change nothing.
func (p *Projector) Handle(ctx context.Context, messages []*message.Message) error {
	items, rejects := feed.Decode(messages)
	last := map[string]int{} // by notification, the index in docs
	var docs []document.Outcome
	var at []int
	for _, it := range items {
		doc, err := outcomeOf(it.Envelope)
		if err != nil {
			rejects.Add(it.At, fmt.Errorf("%w: %w", contract.ErrUndecodable, err))
			continue
		}
		i, there := last[doc.ID]
		switch {
		case !there:
			last[doc.ID] = len(docs)
			docs, at = append(docs, doc), append(at, it.At)
		case doc.Version > docs[i].Version:
			docs[i], at[i] = doc, it.At
		}
	}
	err := p.targets(ctx, func(target string) error {
		ops := make([]elastic.Op, len(docs))
		for i, d := range docs {
			ops[i] = elastic.Op{Index: target, ID: d.ID, Version: d.Version, Doc: d}
		}
		return feed.Bulk(ctx, p.elastic, ops, func(i int, reason error) { rejects.Add(at[i], reason) })
	})
	if err != nil {
		return err
	}
	return rejects.Err()
}

func outcomeOf(env *contract.Envelope) (document.Outcome, error) {
	m, err := env.Notification()
	if err != nil {
		return document.Outcome{}, err
	}
	n := m.Notification
	if n.ID != env.Subject {
		return document.Outcome{}, fmt.Errorf("%s is about another notification", env.ID())
	}
	return document.Outcome{
		ID: n.ID, Version: env.Version, EventID: n.EventID, OrganizationID: n.OrganizationID, RSVPID: n.RSVPID,
		Kind: n.Kind, Channel: n.Channel, State: n.State, Outcome: n.Outcome, DueAt: n.DueAt.UTC(), FinishedAt: n.FinishedAt,
	}, nil
}
