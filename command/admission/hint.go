package admission

import (
	"context"

	"github.com/turnout-events/turnout/command/rsvp"
	"github.com/turnout-events/turnout/internal/contract"
)

// maxHints bounds the memory of full events; beyond it the hints start anew, which only costs a lock.
const maxHints = 100_000

func isFull(e *contract.Event, c contract.Counters) bool {
	left := c.Remaining()
	return e.WaitlistPolicy == contract.WaitlistNone && left != nil && *left <= 0
}

func (d *Desk) setFull(event string, full bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !full {
		delete(d.full, event)
		return
	}
	if len(d.full) >= maxHints {
		d.full = map[string]struct{}{}
	}
	d.full[event] = struct{}{}
}

func (d *Desk) seemsFull(event string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, full := d.full[event]
	return full
}

// refuseByHint answers those who ask for a seat at an event that was full when this process locked it last: it looks
// without the lock, lets the rules decide on what it saw, and believes a refusal only. What it saw was true during the
// call, whichever process changed it; who would not be refused takes the lock like everybody. It returns those.
func (d *Desk) refuseByHint(batch []*waiting) []*waiting {
	if !d.seemsFull(batch[0].EventID) {
		return batch
	}
	var asking, rest []*waiting
	for _, w := range batch {
		if c, ok := w.Command.(*rsvp.SubmitRSVP); ok && c.Response == contract.Going && !w.known {
			asking = append(asking, w)
		} else {
			rest = append(rest, w)
		}
	}
	if len(asking) == 0 {
		return rest
	}
	ctx, cancel := context.WithTimeout(d.base, d.cfg.DecideWithin)
	defer cancel()
	s := newSitting(d, asking)
	seen, err := d.store.Peek(ctx, s.want())
	if err != nil || !isFull(&seen.Event, seen.Counters) {
		d.setFull(batch[0].EventID, false)
		return batch
	}
	s.now = contract.Time(d.now())
	s.book = rsvp.NewBook(seen.Event, seen.Counters, seen.Version)
	for _, r := range seen.Rows {
		s.book.Add(r)
	}
	for i, w := range asking {
		if len(s.book.Messages()) == 0 { // else the book is no longer what was seen
			s.book.Sought(w.Command.Needs())
			if _, stored := seen.Answers[w.key]; !stored {
				if err := s.one(i, w, nil); err == nil && s.results[i].err != nil {
					d.metrics.hinted.Inc()
					d.finish(w, Answer{}, s.results[i].err)
					continue
				}
			}
		}
		rest = append(rest, w)
	}
	return rest
}
