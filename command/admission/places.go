package admission

import (
	"context"

	"github.com/turnout-events/turnout/command/pgstore"
	"github.com/turnout-events/turnout/command/rsvp"
	"github.com/turnout-events/turnout/internal/contract"
)

// place is how many parties wait for an event at a version. A newcomer learns its place in the queue from it; counting
// the queue anew for each batch would cost more the longer it is.
type place struct {
	version int64
	parties int
}

const maxPlaces = 10_000

func (d *Desk) placesAt(event string, version int64) (parties int, known bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	p, ok := d.places[event]
	return p.parties, ok && p.version == version // else another process has decided since
}

func (d *Desk) setPlaces(event string, p place) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if p.parties == 0 {
		delete(d.places, event) // the counter row says that much
		return
	}
	if len(d.places) >= maxPlaces {
		d.places = map[string]place{}
	}
	d.places[event] = p
}

// countWaiting learns how many parties wait: from the counter row if none, from the last batch, else from the table if
// a command must know.
func (s *sitting) countWaiting(ctx context.Context, l *pgstore.Locked, must bool) (err error) {
	known := l.Counters.Waitlisted == 0
	if !known {
		s.waiting, known = s.desk.placesAt(l.Event.ID, l.Version)
	}
	if !known && must {
		s.waiting, err = l.Waiting(ctx)
		known = err == nil
	}
	if s.counted = known; known {
		s.book.SetWaiting(s.waiting)
	}
	return err
}

// joined is by how many parties the queue grew.
func joined(drafts []rsvp.Draft) int {
	n := 0
	for i := range drafts {
		m, ok := drafts[i].Payload.(contract.RSVPMessage)
		if !ok {
			continue
		}
		if m.RSVP.Status == contract.StatusWaitlisted {
			n++
		}
		if m.Before.Status == contract.StatusWaitlisted {
			n--
		}
	}
	return n
}
