package notifier

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-co-op/gocron/v2"
)

// gocron only ticks. It keeps nothing over a restart and forgets missed runs,
// so what is due is never in a job: it is in rows, and a tick looks.
const (
	jobDue     = "notices-due"
	jobReclaim = "leases-lost"
	jobBacklog = "backlog"
	jobBulk    = "campaigns"

	reclaimEvery = 5 * time.Second
	backlogEvery = 15 * time.Second
	bulkEvery    = time.Second
)

// schedule makes the scheduler; its jobs run under ctx.
func (n *Notifier) schedule(ctx context.Context) (gocron.Scheduler, error) {
	s, err := gocron.NewScheduler(gocron.WithClock(n.clock), gocron.WithLocation(time.UTC), gocron.WithStopTimeout(5*time.Second))
	if err != nil {
		return nil, fmt.Errorf("scheduler: %w", err)
	}
	for _, j := range []struct {
		name  string
		every time.Duration
		run   func(ctx context.Context) error
	}{
		{jobDue, n.cfg.Tick, func(context.Context) error { n.wake(); n.hooks.poke(); return nil }},
		{jobBulk, bulkEvery, func(context.Context) error { n.campaigns.poke(); return nil }},
		{jobReclaim, reclaimEvery, n.reclaim},
		{jobBacklog, backlogEvery, n.measure},
	} {
		task := func() {
			if err := j.run(ctx); err != nil && ctx.Err() == nil {
				n.log.WarnContext(ctx, "scheduled work failed, next time again", "job", j.name, "error", err)
			}
		}
		_, err := s.NewJob(gocron.DurationJob(j.every), gocron.NewTask(task),
			gocron.WithName(j.name), gocron.WithSingletonMode(gocron.LimitModeReschedule))
		if err != nil {
			return nil, errors.Join(fmt.Errorf("job %s: %w", j.name, err), s.Shutdown())
		}
	}
	return s, nil
}

// reclaim takes back what a dead or hanging notifier had claimed; not in the
// first round after the store was away, in which all of them record what they
// have sent meanwhile.
func (n *Notifier) reclaim(ctx context.Context) error {
	away := n.away
	n.away = true
	if _, err := n.store.ReclaimHooks(ctx, n.clock.Now().UTC()); err != nil {
		return err
	}
	n.away = false
	if away {
		return nil
	}
	held := n.mail.held.all()
	if n.push != nil {
		held = append(held, n.push.held.all()...)
	}
	lost, err := n.store.Reclaim(ctx, n.clock.Now().UTC(), held)
	if err != nil {
		n.away = true
		return err
	}
	if lost > 0 {
		n.log.WarnContext(ctx, "took back notices whose holder is gone", "count", lost)
		n.wake()
	}
	return nil
}

func (n *Notifier) measure(ctx context.Context) error {
	now := n.clock.Now().UTC()
	due, oldest, err := n.store.Backlog(ctx, now)
	if err != nil {
		return err
	}
	var waited time.Duration
	if !oldest.IsZero() {
		waited = now.Sub(oldest)
	}
	n.metrics.backlog(due, waited)
	return nil
}
