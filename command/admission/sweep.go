package admission

import (
	"context"
	"time"

	"github.com/turnout-events/turnout/command/rsvp"
)

const (
	sweepEvents  = 100  // events per round; the next round takes the rest
	sweepAnswers = 5000 // stored answers per statement
)

// sweep does what time alone makes due: offers and pending answers run out, old answers are forgotten. Every process
// does it; the desk's lock makes the second one find nothing to do.
func (d *Desk) sweep(ctx context.Context) {
	tick := time.NewTicker(d.cfg.SweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			d.sweepOnce(ctx)
		}
	}
}

func (d *Desk) sweepOnce(ctx context.Context) {
	due, err := d.store.Due(ctx, d.now(), sweepEvents)
	if err != nil {
		d.log.WarnContext(ctx, "cannot look for what is due", "error", err)
		return
	}
	for _, event := range due.Offers {
		d.expire(ctx, event, &rsvp.ExpireOffers{})
	}
	for event, ids := range due.Pending {
		d.expire(ctx, event, &rsvp.ExpirePending{RSVPIDs: ids})
	}
	if _, err := d.store.ForgetAnswers(ctx, d.now().Add(-d.cfg.KeepAnswers), sweepAnswers); err != nil {
		d.log.WarnContext(ctx, "cannot forget old answers", "error", err)
	}
}

func (d *Desk) expire(ctx context.Context, event string, command rsvp.Command) {
	_, err := d.Do(ctx, Request{
		EventID: event, Command: command, Actor: rsvp.SystemActor("sweep"), Scope: "sweep:" + event,
		Encode: func(rsvp.Outcome) (int, []byte, error) { return 204, nil, nil },
	})
	if err != nil && ctx.Err() == nil {
		d.log.WarnContext(ctx, "cannot expire", "event", event, "error", err)
	}
}
