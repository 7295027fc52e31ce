package projector

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/document"
	"github.com/turnout-events/turnout/internal/kafkabus"
	"github.com/turnout-events/turnout/projector/analytics"
	"github.com/turnout-events/turnout/projector/listing"
)

// Groups are the projectors' consumer groups.
func (p *Projector) Groups() []string {
	names := make([]string, len(p.groups))
	for i, g := range p.groups {
		names[i] = g.name
	}
	return names
}

// Redrive hands a dead letter to its own group's handler, and to no other. Nil
// means that it is applied now. The projector need not run.
func (p *Projector) Redrive(ctx context.Context, letter kafkabus.DeadLetter) error {
	i := slices.IndexFunc(p.groups, func(g group) bool { return g.name == letter.Group })
	if i < 0 {
		return fmt.Errorf("the projectors have no group %q", letter.Group)
	}
	g, m := p.groups[i], letter.Message
	if g.targets != nil {
		g.targets.Refresh(ctx) // nobody watches here for a rebuild
	}
	if g.name == analytics.Group {
		// The readers of the feed of changes are past its place.
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, document.LateWithin)
		defer cancel()
		m = analytics.Late(m, time.Now())
	}
	if g.name == listing.Group {
		return p.redriveListing(ctx, g, m)
	}
	return once(ctx, g, m)
}

func once(ctx context.Context, g group, m *message.Message) error {
	err := g.handle(ctx, []*message.Message{m})
	var rejected *kafkabus.Rejected
	if errors.As(err, &rejected) {
		return fmt.Errorf("rejected again: %w", rejected.Reasons[0])
	}
	return err
}

// redriveListing looks whether an event's details stay. A projector that read
// the document before it was written here may write it once more, with newer
// seats beside the older details, and no other message brings these.
func (p *Projector) redriveListing(ctx context.Context, g group, m *message.Message) error {
	const rounds = 10
	for range rounds {
		if err := once(ctx, g, m); err != nil {
			return err
		}
		env, err := contract.Decode(m.Metadata, m.Payload)
		if err != nil || contract.AboutOf(env.Type) != contract.AboutEvent {
			return err
		}
		if err := pause(ctx, settled); err != nil {
			return err
		}
		got, err := p.deps.Elastic.Get(ctx, document.Listings, env.Subject)
		if err != nil {
			return err
		}
		var doc document.Listing
		if err := json.Unmarshal(got.Source, &doc); err != nil {
			return fmt.Errorf("listing document %s: %w", env.Subject, err)
		}
		if doc.DetailsVersion >= env.Version {
			return nil
		}
	}
	return fmt.Errorf("the document of %s in %s does not hold still", m.Metadata[contract.HeaderSubject], document.Listings)
}
