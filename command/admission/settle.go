package admission

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/turnout-events/turnout/command/pgstore"
	"github.com/turnout-events/turnout/internal/fault"
	"github.com/turnout-events/turnout/internal/postgres"
)

// persist is Config.Persist by default: a client that waits longer than that has given up.
const persist = 1500 * time.Millisecond

// spoiled is a request whose own part failed inside a batch (its answer could not be made, the rules panicked): the
// rest must be decided without it, for it may have changed the book.
type spoiled struct {
	by    *waiting
	cause error
}

func (s *spoiled) Error() string { return s.cause.Error() }

// settle decides a batch of one event and answers everybody in it, whatever the database does. A request that the
// database refuses is found by halving the batch, so it never fails its neighbours.
func (d *Desk) settle(batch []*waiting) {
	if batch = d.refuseByHint(batch); len(batch) == 0 {
		return
	}
	began, wasAway := time.Now(), d.isAway()
	pause := 5 * time.Millisecond
	for {
		err := d.attempt(batch)
		if err == nil {
			d.setAway(false)
			return
		}
		if errors.Is(err, pgstore.ErrUnknownOutcome) {
			for _, w := range batch {
				w.known = true
			}
		}
		var s *spoiled
		if errors.As(err, &s) {
			d.metrics.reruns.WithLabelValues("spoiled").Inc()
			d.fail(s.by, s.cause)
			if batch = without(batch, s.by); len(batch) == 0 {
				return
			}
			continue
		}
		if fault.As(err) != nil { // the event does not exist
			d.failAll(batch, err)
			return
		}
		if again(err) {
			d.metrics.reruns.WithLabelValues("database").Inc()
			if time.Since(began)+pause > d.cfg.Persist || wasAway {
				d.setAway(true)
				d.failAll(batch, fault.ErrUnavailable.After(2*retryAfter).Because(err))
				return
			}
			d.sleep(pause)
			pause = min(2*pause, 200*time.Millisecond)
			continue
		}
		if len(batch) == 1 {
			d.fail(batch[0], err)
			return
		}
		d.metrics.reruns.WithLabelValues("halved").Inc()
		d.log.WarnContext(d.base, "batch refused by the database, halving it", "event", batch[0].EventID, "requests", len(batch), "error", err)
		half := len(batch) / 2
		d.settle(batch[:half])
		batch = batch[half:]
	}
}

// again tells whether the same batch may pass now.
func again(err error) bool {
	if errors.Is(err, pgstore.ErrUnknownOutcome) {
		return true
	}
	switch postgres.Classify(err).Kind {
	case postgres.Retryable, postgres.Unavailable, postgres.Cancelled:
		return true
	}
	return false
}

// setAway remembers whether there is a database: while it is away, nobody waits for a second try.
func (d *Desk) setAway(away bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.away = away
}

func (d *Desk) isAway() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.away
}

func (d *Desk) sleep(pause time.Duration) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	<-timer.C
}

func (d *Desk) fail(w *waiting, err error) {
	if fault.As(err) == nil {
		err = fmt.Errorf("decide on event %s: %w", w.EventID, err)
	}
	d.finish(w, Answer{}, err)
}

func (d *Desk) failAll(batch []*waiting, err error) {
	for _, w := range batch {
		d.fail(w, err)
	}
}

func without(batch []*waiting, gone *waiting) []*waiting {
	rest := make([]*waiting, 0, len(batch))
	for _, w := range batch {
		if w != gone {
			rest = append(rest, w)
		}
	}
	return rest
}

// attempt runs one transaction for the batch and, once it is committed, gives the answers.
func (d *Desk) attempt(batch []*waiting) error {
	ctx, cancel := context.WithTimeout(d.base, d.cfg.DecideWithin)
	defer cancel()
	began := time.Now()
	s, head, err := d.presume(ctx, batch)
	if errors.Is(err, pgstore.ErrNotAsPresumed) {
		s = newSitting(d, batch)
		head, err = d.store.Admit(ctx, s.want(), s.decide)
	}
	if err != nil {
		return err
	}
	d.remember(s, head)
	d.metrics.batch(len(batch), time.Since(began))
	s.deliver()
	return nil
}
