package projector

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/turnout-events/turnout/internal/document"
	"github.com/turnout-events/turnout/internal/kafkabus"
	"github.com/turnout-events/turnout/projector/analytics"
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
	err := g.handle(ctx, []*message.Message{m})
	var rejected *kafkabus.Rejected
	if errors.As(err, &rejected) {
		return fmt.Errorf("rejected again: %w", rejected.Reasons[0])
	}
	return err
}
