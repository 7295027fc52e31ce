package notifier

import (
	"context"
	"time"

	"github.com/turnout-events/turnout/notifier/pgstore"
)

// A killed process has at most this much sent and not recorded, and what went
// while that was being written.
const (
	recordEvery = 20 * time.Millisecond
	recordMost  = 50
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

// flush does not give up before the leases end: what was sent and is not
// recorded would be sent again.
func (d *deliverer) flush(ctx context.Context, results []finished) {
	if len(results) == 0 {
		return
	}
	plain := make([]pgstore.Result, len(results))
	for i, r := range results {
		plain[i] = r.Result
	}
	ctx, cancel := context.WithTimeout(ctx, d.lease)
	defer cancel()
	pause := time.NewTicker(200 * time.Millisecond)
	defer pause.Stop()
	for {
		written, err := d.store.Record(ctx, plain)
		if err == nil {
			d.metrics.fenced(len(results) - int(written))
			d.recorded()
			break
		}
		d.log.Warn("cannot record results, trying again", "count", len(results), "error", err)
		select {
		case <-pause.C:
			continue
		case <-ctx.Done():
		}
		break
	}
	for _, r := range results {
		r.queue.inFlight.Add(-1)
	}
	if d.first.more.Load() || d.rest.more.Load() {
		d.poke()
	}
}
