package admission

import (
	"bytes"
	"context"
	"errors"
	"strconv"

	"github.com/turnout-events/turnout/command/pgstore"
	"github.com/turnout-events/turnout/command/rsvp"
)

// head is how this process left an event, and whether to trust that nobody else decides on it, or repeats requests.
type head struct {
	pgstore.Head
	waiting int  // parties in the queue
	counted bool // waiting is known
	wrong   int  // presumed in vain, less those that were right since
	rest    int  // batches that will look first
}

const (
	maxHeads = 10_000 // events; beyond it they are learnt anew, which costs each one look
	maxWrong = 6      // with so many every 64th batch tries
)

// presume decides a batch of new answers without a look: on how the last batch left the event, as if nobody had decided
// since and no key or address of the batch were stored. One round trip instead of two, none of it under the lock but the
// writing. The database refuses what was presumed wrongly (pgstore.Presume), and only acceptances are believed: their keys
// and addresses are inserted, and refused if they are there. Everything else is ErrNotAsPresumed, and decided with a look.
func (d *Desk) presume(ctx context.Context, batch []*waiting) (*sitting, pgstore.Head, error) {
	event := batch[0].EventID
	before, ok := d.trusted(event)
	if !ok || !allNew(batch) {
		return nil, pgstore.Head{}, pgstore.ErrNotAsPresumed
	}
	s := newSitting(d, batch)
	after, err := d.store.Presume(ctx, event, before, s.accept)
	var bad *spoiled
	if errors.As(err, &bad) {
		err = pgstore.ErrNotAsPresumed // it may be no mistake with a look
	}
	if err == nil || errors.Is(err, pgstore.ErrNotAsPresumed) {
		d.presumed(event, err == nil)
	}
	return s, after, err
}

// allNew tells whether everybody in the batch gives a first answer, and for all we know for the first time.
func allNew(batch []*waiting) bool {
	for _, w := range batch {
		if _, first := w.Command.(*rsvp.SubmitRSVP); !first || w.known || w.second {
			return false
		}
	}
	return true
}

// accept decides, and gives up unless every request is accepted and its answer stored.
func (s *sitting) accept(ctx context.Context, l *pgstore.Locked) (*pgstore.Save, error) {
	if l.Counters.Held > 0 { // offers may have run out
		return nil, pgstore.ErrNotAsPresumed
	}
	save, err := s.decide(ctx, l)
	if err == nil && len(s.answers) != len(s.batch) {
		err = pgstore.ErrNotAsPresumed
	}
	return save, err
}

// trusted gives how an event was left, if that is worth a try.
func (d *Desk) trusted(event string) (pgstore.Head, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	h := d.heads[event]
	if h == nil {
		return pgstore.Head{}, false
	}
	if h.rest > 0 {
		h.rest--
		return pgstore.Head{}, false
	}
	return h.Head, true
}

// presumed keeps count: where several processes decide on one event, or clients come again, most batches look.
func (d *Desk) presumed(event string, right bool) {
	d.metrics.presumed.WithLabelValues(strconv.FormatBool(right)).Inc()
	d.mu.Lock()
	defer d.mu.Unlock()
	h := d.heads[event]
	switch {
	case h == nil:
	case right:
		h.wrong = max(h.wrong-1, 0)
	default:
		h.wrong = min(h.wrong+1, maxWrong)
		h.rest = 1<<h.wrong - 1
	}
}

// remember keeps how a batch left the event.
func (d *Desk) remember(s *sitting, left pgstore.Head) {
	event := s.batch[0].EventID
	d.mu.Lock()
	defer d.mu.Unlock()
	h := d.heads[event]
	if h == nil {
		if len(d.heads) >= maxHeads {
			d.heads = map[string]*head{}
		}
		h = &head{}
		d.heads[event] = h
	}
	h.Head, h.waiting, h.counted = left, s.waiting, s.counted
}

// waitingAt gives how many parties wait, if this process left the event as it is.
func (d *Desk) waitingAt(l *pgstore.Locked) (parties int, known bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	h := d.heads[l.Event.ID]
	if h == nil || !h.counted || !bytes.Equal(h.Chain, l.Chain) {
		return 0, false // another process has decided since
	}
	return h.waiting, true
}
