package notifier

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"
)

// held are the notices that workers have begun on and whose results are not in
// the store yet: what another one took meanwhile would be sent twice.
type held struct {
	mu  sync.Mutex
	ids map[string]struct{}
}

func (h *held) add(id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ids == nil {
		h.ids = map[string]struct{}{}
	}
	h.ids[id] = struct{}{}
}

func (h *held) drop(results []finished) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, r := range results {
		delete(h.ids, r.ID)
	}
}

func (h *held) all() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Collect(maps.Keys(h.ids))
}

// keep prolongs the leases of what is held until ctx ends: a server may take
// longer than one to say that it has a mail.
func (d *deliverer) keep(ctx context.Context) {
	tick := d.clock.NewTicker(d.lease / 4)
	defer tick.Stop()
	var again <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.Chan():
		case <-again:
		}
		again = nil
		ids := d.held.all()
		if len(ids) == 0 {
			continue
		}
		if err := d.store.Prolong(ctx, ids, d.holder, d.clock.Now().UTC(), d.lease); err != nil && ctx.Err() == nil {
			again = d.clock.After(recordAgainMost) // before another takes them back (reclaimEvery)
			d.log.WarnContext(ctx, "cannot prolong leases, trying again", "channel", d.channel.Name(), "count", len(ids), "error", err)
		}
	}
}

// How long what is under way may take once the process stops, and how long it
// is tried to record what became of it; process.DrainBound is 10 s.
const (
	mailDrain   = 6 * time.Second
	recordDrain = 9 * time.Second
)

// linger gives a context that ends so long after ctx does.
func linger(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	late, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(d, cancel) })
	return late, func() { stop(); cancel() }
}
