package limit

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"
)

// Run shares counts with the other processes until ctx ends.
func (l *Limiter) Run(ctx context.Context) error {
	share, sweep := time.NewTicker(shareEvery), time.NewTicker(sweepEvery)
	defer share.Stop()
	defer sweep.Stop()
	away := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-share.C:
			most := maxShared
			if away {
				most = 1 // to see whether Redis is back
			}
			err := l.share(ctx, most)
			if failed := err != nil && ctx.Err() == nil; failed != away {
				away = failed // said once, not twenty times a second
				l.sayAway(ctx, away, err)
			}
		case now := <-sweep.C:
			l.sweep(now)
		}
	}
}

func (l *Limiter) sayAway(ctx context.Context, away bool, err error) {
	if away {
		l.alone.Set(1)
		l.log.WarnContext(ctx, "limits are counted by this process alone", "error", err)
		return
	}
	l.alone.Set(0)
	l.log.InfoContext(ctx, "limits are shared again")
}

// report is what one window tells Redis, and what it is told.
type report struct {
	w     *window
	index int64
	n     int
	total *redis.IntCmd
	prior *redis.StringCmd // nil: known already
}

// share sends, in one round trip, what was counted since the last time in up to
// most windows. Whatever is not sent is kept and counts here in the meantime.
func (l *Limiter) share(ctx context.Context, most int) error {
	l.mu.Lock()
	if l.conn == nil || len(l.dirty) == 0 {
		l.mu.Unlock()
		return nil
	}
	var reports []report
	pipe, seen := l.conn.Pipeline(), 0
	for ; seen < len(l.dirty) && len(reports) < most; seen++ {
		w := l.dirty[seen]
		if !l.known(w) {
			continue
		}
		r := report{w: w, index: w.index, n: w.pending}
		key := l.redisKey(w.name, w.index)
		r.total = pipe.IncrBy(ctx, key, int64(w.pending))
		pipe.Expire(ctx, key, 2*w.per+time.Second)
		if !w.asked {
			r.prior = pipe.Get(ctx, l.redisKey(w.name, w.index-1))
		}
		w.isQueued = false
		reports = append(reports, r)
	}
	l.dirty = append([]*window(nil), l.dirty[seen:]...)
	l.mu.Unlock()

	_, err := pipe.Exec(ctx)
	if errors.Is(err, redis.Nil) { // a window before that nobody counted in
		err = nil
	}

	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range reports {
		l.settle(r)
	}
	return err
}

// settle takes over what Redis said, unless the window has moved on meanwhile.
func (l *Limiter) settle(r report) {
	total, err := r.total.Result()
	switch {
	case r.w.index != r.index || !l.known(r.w):
	case err != nil:
		l.queue(r.w)
	default:
		r.w.shared = int(total)
		r.w.pending -= r.n
		if r.prior != nil {
			if before, err := r.prior.Int(); err == nil || errors.Is(err, redis.Nil) {
				r.w.before, r.w.asked = max(r.w.before, before), true
			}
		}
	}
}

// known tells whether a window is still looked at: memory is bounded by the map, also while Redis takes nothing.
func (l *Limiter) known(w *window) bool { return l.windows[w.name.policy][w.name.key] == w }

// sweep forgets windows that no longer count, also those that Redis was never told of.
func (l *Limiter) sweep(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, same := range l.windows {
		for key, w := range same {
			if w.index < now.UnixNano()/int64(w.per)-1 {
				delete(same, key)
			}
		}
	}
	l.dirty = slices.DeleteFunc(l.dirty, func(w *window) bool { return !l.known(w) })
}
