package feed

import (
	"sync"
	"time"
)

// maxTracked bounds the events without a gap that are remembered; an event
// that was forgotten starts anew from its mark.
const maxTracked = 50_000

// Gaps follows the versions of each event as one projector sees them. A version
// that is missing holds the event's mark back and is counted until it comes.
// Safe for concurrent use: partitions run side by side.
type Gaps struct {
	mu     sync.Mutex
	events map[string]*track
	open   map[string]time.Time // since when an event has a gap
}

type track struct {
	upTo  int64              // everything to here was seen
	ahead map[int64]struct{} // seen beyond the gap
}

// NewGaps starts with nothing known.
func NewGaps() *Gaps {
	return &Gaps{events: map[string]*track{}, open: map[string]time.Time{}}
}

// Unknown gives those events whose mark Seen needs before it is told of the
// versions: those not seen before, and those with a gap, which another process
// may have closed (a dead letter redriven, a partition that was elsewhere).
func (g *Gaps) Unknown(versions map[string][]int64) []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	var out []string
	for e, v := range versions {
		if t := g.events[e]; t == nil || len(t.ahead) > 0 || v[0] > t.upTo+1 {
			out = append(out, e)
		}
	}
	return out
}

// Seen takes the versions of an event that a batch has, in order, and gives the
// version up to which nothing is missing. mark is the stored one, for an event
// that is unknown; without a mark (0) the first version seen is believed to be
// next, because a lost mark is no lost message.
func (g *Gaps) Seen(event string, mark int64, versions []int64, now time.Time) int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	t := g.events[event]
	if t == nil {
		if len(g.events) >= maxTracked {
			g.forget()
		}
		if mark == 0 && len(versions) > 0 {
			mark = versions[0] - 1
		}
		t = &track{upTo: mark}
		g.events[event] = t
	}
	t.reach(mark)
	for _, v := range versions {
		switch {
		case v == t.upTo+1:
			t.reach(v)
		case v > t.upTo:
			if t.ahead == nil {
				t.ahead = map[int64]struct{}{}
			}
			t.ahead[v] = struct{}{}
		}
	}
	if len(t.ahead) == 0 {
		delete(g.open, event)
	} else if _, there := g.open[event]; !there {
		g.open[event] = now
	}
	return t.upTo
}

// reach takes everything up to a version as seen, and what follows it without a gap.
func (t *track) reach(version int64) {
	if version <= t.upTo {
		return
	}
	t.upTo = version
	for v := range t.ahead {
		if v <= version {
			delete(t.ahead, v)
		}
	}
	for len(t.ahead) > 0 {
		if _, ok := t.ahead[t.upTo+1]; !ok {
			break
		}
		t.upTo++
		delete(t.ahead, t.upTo)
	}
}

// forget drops what has no gap.
func (g *Gaps) forget() {
	for e, t := range g.events {
		if len(t.ahead) == 0 {
			delete(g.events, e)
		}
	}
}

// Open gives the number of events with a gap and the age of the oldest one.
func (g *Gaps) Open(now time.Time) (events int, oldest time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, since := range g.open {
		oldest = max(oldest, now.Sub(since))
	}
	return len(g.open), oldest
}
