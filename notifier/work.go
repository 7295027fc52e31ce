package notifier

import (
	"context"
	"time"

	"github.com/turnout-events/turnout/notifier/notice"
	"github.com/turnout-events/turnout/notifier/pgstore"
)

// workLoop begins nothing once ctx has ended; what is under way is finished
// while late lasts.
func (d *deliverer) workLoop(ctx, late context.Context) {
	var first, rest <-chan *job = d.first.work, d.rest.work
	for {
		j, open := next(&first, &rest)
		if !open {
			return
		}
		d.waiting.remove(j)
		if ctx.Err() != nil { // draining: leave it to the next
			d.finish(j.d, pgstore.Result{State: notice.Planned, Outcome: "stopped"})
			continue
		}
		if !d.deliverOrLeave(ctx, late, j) {
			return
		}
	}
}

const (
	// slowAfter is how long a worker is busy with one notice before another takes
	// its place: a server that is silent for minutes must not stop all mail.
	slowAfter = 15 * time.Second
	// maxSlow bounds the connections that wait so.
	maxSlow = 64
)

// deliverOrLeave tells whether the worker goes on: not if another took its place
// meanwhile. A notice that waits so is not in the way of those to be claimed.
func (d *deliverer) deliverOrLeave(ctx, late context.Context, j *job) bool {
	replaced := make(chan bool, 1)
	q := d.queueOf(&j.d.Notice)
	timer := d.clock.AfterFunc(slowAfter, func() {
		mine := d.slow.Add(1) <= maxSlow
		if mine {
			q.inFlight.Add(-1)
			d.working.Go(func() { d.workLoop(ctx, late) })
			d.poke()
		}
		replaced <- mine
	})
	d.deliver(late, j)
	if timer.Stop() {
		return true
	}
	left := <-replaced
	if left {
		q.inFlight.Add(1) // which the recorder takes off
	}
	d.slow.Add(-1)
	return !left
}
