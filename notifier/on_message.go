package notifier

import (
	"context"
	"fmt"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/kafkabus"
	"github.com/turnout-events/turnout/notifier/pgstore"
)

// onMessages plans for a partition's next messages in one transaction, which
// also records the version of each event up to which that is done. A message
// that cannot be read is rejected alone.
func (n *Notifier) onMessages(ctx context.Context, messages []*message.Message) error {
	return n.planFor(ctx, messages, false)
}

func (n *Notifier) planFor(ctx context.Context, messages []*message.Message, redriven bool) error {
	rejected := map[int]error{}
	envelopes := make([]*contract.Envelope, 0, len(messages))
	for i, m := range messages {
		env, err := contract.Decode(m.Metadata, m.Payload)
		if err == nil {
			err = readable(env)
		}
		if err != nil {
			rejected[i] = err
			continue
		}
		envelopes = append(envelopes, env)
	}
	now := n.clock.Now().UTC()
	var done *batch
	if len(envelopes) > 0 {
		err := n.store.Plan(ctx, func(tx *pgstore.Tx) error {
			done = &batch{tx: tx, now: now, quiet: n.cfg.Quiet, digestHour: n.cfg.DigestHour, redriven: redriven}
			return done.apply(ctx, envelopes)
		})
		if err != nil {
			return err
		}
		n.metrics.planned(done)
		if done.dueNow {
			n.wake()
		}
		if done.hooked {
			n.hooks.poke()
		}
	}
	if len(rejected) > 0 {
		n.metrics.rejected.Add(float64(len(rejected)))
		return &kafkabus.Rejected{Reasons: rejected}
	}
	return nil
}

// readable reads the payload once more than needed: what fails here must not
// fail inside the transaction, where it would stop its neighbours.
func readable(env *contract.Envelope) error {
	var err error
	switch contract.AboutOf(env.Type) {
	case contract.AboutEvent:
		_, err = env.Event()
	case contract.AboutRSVP:
		_, err = env.RSVP()
	case contract.AboutOrganization:
		_, err = env.Organization()
	default:
		err = fmt.Errorf("%s is nothing that guests hear of", env.Type)
	}
	return err
}
