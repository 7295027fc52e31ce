package notifier

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/turnout-events/turnout/notifier/notice"
	"github.com/turnout-events/turnout/notifier/pgstore"
)

// deliver tries one notice and says what became of it.
func (d *deliverer) deliver(ctx context.Context, j *job) {
	now := d.clock.Now().UTC()
	if d.tooLate(&j.d.Notice, now) {
		d.finish(j.d, pgstore.Result{State: notice.Planned, Outcome: "not-tried"})
		return
	}
	d.held.add(j.d.Notice.ID)
	d.waiting.lookAgain(j, now, func(claimed []notice.Notice) []*job { return d.look(ctx, claimed, now) })
	if j.end != nil {
		d.finish(j.d, *j.end)
		return
	}
	n := &j.d.Notice
	if now = d.clock.Now().UTC(); d.tooLate(n, now) { // looking again may take long
		d.finish(j.d, pgstore.Result{State: notice.Planned, Outcome: "not-tried"})
		return
	}
	if held := d.heldBack(ctx, n, now); held != nil {
		d.finish(j.d, *held)
		return
	}
	err := d.guarded(ctx, j, now)
	now = d.clock.Now().UTC()
	r := verdict(n, err, now)
	var later *notice.Later
	switch {
	case err == nil:
		d.breaker.Worked()
		if j.d.Remark != "" {
			r.Outcome += "; " + j.d.Remark
		}
		d.metrics.lateness(n, now)
	case errors.As(err, &later): // as it should be
	case errors.Is(err, notice.ErrUnreachable): // the channel has said it, once for all of them
		d.breaker.Failed(now)
	default:
		if errors.Is(err, notice.ErrInDoubt) {
			d.breaker.Failed(now)
		}
		d.log.WarnContext(ctx, "notice not delivered", "notification", n.ID, "kind", n.Kind, "channel", d.channel.Name(),
			"state", r.State, "attempt", n.Attempts+1, "error", err)
	}
	d.finish(j.d, r)
}

// tooLate: half a lease is time enough to prolong it (keep). Without this a
// notifier that hung would send what another one has sent since.
func (d *deliverer) tooLate(n *notice.Notice, now time.Time) bool {
	return now.After(n.LeaseUntil.Add(-d.lease/2)) || d.breaker.Open(now)
}

func (d *deliverer) heldBack(ctx context.Context, n *notice.Notice, now time.Time) *pgstore.Result {
	if d.gate == nil {
		return nil
	}
	held, err := d.gate(ctx, n, now)
	if err != nil {
		return &pgstore.Result{State: notice.Planned, Outcome: "not-tried"}
	}
	return held
}

func (d *deliverer) guarded(ctx context.Context, j *job, now time.Time) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return d.channel.Deliver(ctx, j.d, j.p, now)
}
