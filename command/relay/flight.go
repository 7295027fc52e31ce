package relay

import (
	"context"
	"errors"
	"time"
)

// flight is a batch on its way to Kafka. There is one at a time: the next is sent when this one is acknowledged, so
// that nothing overtakes what may have to be sent again.
type flight struct {
	rows []row
	done chan outcome
}

type outcome struct {
	acked []row
	err   error
}

// launch begins to publish. Until land has its outcome, the publisher is the flight's alone.
func (r *Relay) launch(ctx context.Context, rows []row) *flight {
	f := &flight{rows: rows, done: make(chan outcome, 1)}
	go func() {
		acked, err := r.publish(ctx, rows)
		f.done <- outcome{acked, err}
	}()
	return f
}

// land waits for the outcome and notes what is acknowledged. False: not all of it is, and there was a pause.
func (r *Relay) land(ctx context.Context, s *session, f *flight, failed *pause) bool {
	o := r.outcome(ctx, f)
	s.done(o.acked)
	if o.err == nil {
		failed.reset()
		return true
	}
	r.metrics.failures.Inc()
	r.log.WarnContext(ctx, "cannot publish", "messages", len(f.rows), "acknowledged", len(o.acked), "error", o.err)
	failed.pause(ctx, nil)
	return false
}

// outcome waits no longer than drainWait when ctx has ended: the client of Kafka takes no context and may try for half
// a minute. What it still gets through is a repeat.
func (r *Relay) outcome(ctx context.Context, f *flight) outcome {
	select {
	case o := <-f.done:
		return o
	case <-ctx.Done():
	}
	timer := time.NewTimer(drainWait)
	defer timer.Stop()
	select {
	case o := <-f.done:
		return o
	case <-timer.C:
		r.abandoned = true
		return outcome{err: errAbandoned}
	}
}

// drainWait leaves the process (process.DrainBound) time for the rest.
const drainWait = 5 * time.Second

var errAbandoned = errors.New("gave up on Kafka at the end")
