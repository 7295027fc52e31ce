package notifier

import (
	"context"
	"strings"
	"time"

	"github.com/turnout-events/turnout/internal/postgres"
	"github.com/turnout-events/turnout/notifier/pgstore"
)

// A killed process has at most this much sent and not recorded, and what went
// while that was being written.
const (
	recordEvery = 20 * time.Millisecond
	recordMost  = 50
)

// A store that is away is asked again after so long, and after twice as long
// each time; less than reclaimEvery, for this must come before that.
const (
	recordAgain     = 200 * time.Millisecond
	recordAgainMost = 2 * time.Second
)

// record writes results in batches until the channel is closed and empty.
func (d *deliverer) record(ctx context.Context) {
	gather(d.results, func(batch []finished) { d.flush(ctx, batch) })
}

// gather hands over what comes, at most recordEvery or recordMost results after
// the first of a batch. The batch is flush's until it returns.
func gather(results <-chan finished, flush func([]finished)) {
	var pending []finished
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	for {
		select {
		case r, open := <-results:
			if !open {
				flush(pending)
				return
			}
			if len(pending) == 0 {
				timer.Reset(recordEvery)
			}
			if pending = append(pending, r); len(pending) < recordMost {
				continue
			}
		case <-timer.C:
		}
		pending = takeQueued(results, pending)
		flush(pending)
		pending = pending[:0]
		timer.Stop()
	}
}

// takeQueued adds what piled up while the last batch was written: when the
// store is slower than the mail server, the batches grow instead of the queue.
func takeQueued(results <-chan finished, pending []finished) []finished {
	for {
		select {
		case r, open := <-results:
			if !open {
				return pending
			}
			pending = append(pending, r)
		default:
			return pending
		}
	}
}

// flush writes results when the store takes them, however long it is away: what
// was sent and is not recorded would be sent again, and until somebody else has
// claimed it a late result is as good as one in time. It gives up when ctx ends.
func (d *deliverer) flush(ctx context.Context, results []finished) {
	if len(results) == 0 {
		return
	}
	plain := make([]pgstore.Result, len(results))
	for i, r := range results {
		plain[i] = r.Result
	}
	for pause := recordAgain; ; pause = min(2*pause, recordAgainMost) {
		written, err := d.store.Record(ctx, plain)
		if err == nil {
			d.metrics.fenced(len(results) - int(written))
			d.recorded()
			break
		}
		if len(results) > 1 && ctx.Err() == nil && unrecordable(err) {
			for i := range results {
				d.flush(ctx, results[i:i+1])
			}
			return
		}
		if ctx.Err() != nil || unrecordable(err) {
			d.log.Error("cannot record results, gave up", "count", len(results), "error", err)
			break
		}
		d.log.Warn("cannot record results, trying again", "count", len(results), "error", err)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
	d.held.drop(results)
	for _, r := range results {
		r.queue.inFlight.Add(-1)
	}
	if d.first.more.Load() || d.rest.more.Load() {
		d.poke()
	}
}

// unrecordable: the store has read the results and refuses what is in them (SQLSTATE 22 and 23); trying that for ever
// would hold up all mail.
func unrecordable(err error) bool {
	code := postgres.Classify(err).Code
	return strings.HasPrefix(code, "22") || strings.HasPrefix(code, "23")
}
