package notifier

import (
	"context"
	"errors"
	"fmt"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/kafkabus"
)

// Redrive plans for a dead letter of the notifier's own group, and for no
// other. Nil means that it is planned for now, or that it was, or that later
// messages have told its guests more. The notifier need not run: the
// one that does finds what is due at its next tick.
func (n *Notifier) Redrive(ctx context.Context, letter kafkabus.DeadLetter) error {
	if letter.Group != contract.GroupNotifier {
		return fmt.Errorf("the notifier has no group %q", letter.Group)
	}
	err := n.planFor(ctx, []*message.Message{letter.Message}, true)
	var rejected *kafkabus.Rejected
	if errors.As(err, &rejected) {
		return fmt.Errorf("rejected again: %w", rejected.Reasons[0])
	}
	return err
}
