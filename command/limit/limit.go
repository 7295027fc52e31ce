// Package limit counts requests in sliding windows. Every decision is made in
// process, from counts that the processes share through Redis in the
// background: an answer never waits for Redis, and while Redis is away each
// process counts alone.
package limit

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"log/slog"
	"math"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/turnout-events/turnout/internal/redisconn"
)

const (
	// shareEvery bounds how far processes may disagree: what they count
	// within it is not known to the others.
	shareEvery = 50 * time.Millisecond
	sweepEvery = 30 * time.Second
	// maxWindows bounds memory (about 200 bytes each) per policy. Beyond it all
	// of the policy are counted anew: better than to run out of memory, and a
	// flood of one policy's keys does not make another forget.
	maxWindows = 100_000
	maxShared  = 5_000 // windows per pipeline
	// aloneUpTo is the part of a limit up to which a process keeps its count to
	// itself: that many processes together stay within the limit even so. Nearly
	// all guests come once, and Redis need not hear of each.
	aloneUpTo = 8
)

// Limiter is safe for concurrent use.
type Limiter struct {
	conn   *redisconn.Conn
	secret []byte
	log    *slog.Logger
	alone  prometheus.Gauge

	mu      sync.Mutex
	windows map[string]map[string]*window // by policy and key
	dirty   []*window
}

// name of a window: a policy and who it is applied to.
type name struct{ policy, key string }

// window counts the present stretch of Per, aligned to the Unix epoch, and
// knows the one before. A sliding window is estimated from both: the last
// stretch counts for the part of it that the window still covers.
type window struct {
	name
	per      time.Duration
	index    int64 // of the present stretch
	shared   int   // what Redis said of the present one, ours included
	pending  int   // ours that Redis does not know yet; below 0: given back
	before   int   // the stretch before
	asked    bool  // whether Redis was asked for the one before
	isQueued bool
}

// New counts without Redis when conn is nil. The secret keeps addresses out of
// Redis: keys are an HMAC.
func New(conn *redisconn.Conn, secret []byte, registry prometheus.Registerer, log *slog.Logger) (*Limiter, error) {
	alone := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "turnout_command_limit_local", Help: "1 while limits are counted by this process alone, because Redis is away.",
	})
	if err := registry.Register(alone); err != nil {
		return nil, err
	}
	return &Limiter{conn: conn, secret: secret, log: log, alone: alone, windows: map[string]map[string]*window{}}, nil
}

// Take counts one more if it is allowed. What is refused is not counted: who
// keeps trying is let in as soon as the window has room.
func (l *Limiter) Take(p Policy, key string, now time.Time) Decision {
	if p.Rate.N == 0 {
		return Decision{Policy: p, Allowed: true}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.window(p, key, now)
	into := now.Sub(time.Unix(0, w.index*int64(w.per)))
	covered := 1 - float64(into)/float64(w.per)
	used := w.count() + int(math.Ceil(float64(w.before)*covered))
	d := Decision{Policy: p, Allowed: used < p.Rate.N, Reset: w.per - into}
	if d.Allowed {
		w.pending++
		used++
	}
	if w.shared > 0 || w.count()*aloneUpTo >= p.Rate.N {
		l.queue(w) // refused, too: what others counted is learned so
	}
	d.Remaining = max(p.Rate.N-used, 0)
	if !d.Allowed {
		d.Retry = w.retry(p.Rate.N, into)
	}
	return d
}

// GiveBack undoes what Take counted at that time, for what counts only when it
// fails: to count when it has failed would let as many through as try at once.
func (l *Limiter) GiveBack(p Policy, key string, taken time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.windows[p.Name][key]
	if p.Rate.N == 0 || w == nil || w.per != p.Rate.Per { // off, or forgotten meanwhile
		return
	}
	switch index := taken.UnixNano() / int64(w.per); {
	case w.index == index && w.count() > 0:
		w.pending--
		l.queue(w) // Redis may have been told
	case w.index == index+1 && w.before > 0:
		w.before--
	}
}

func (w *window) count() int { return w.shared + w.pending }

// retry is when before·(1−t) + count < n, t being how far into the stretch we
// are: within this one, or in the next, where the present count is the one before.
func (w *window) retry(n int, into time.Duration) time.Duration {
	room := func(before, count int) (time.Duration, bool) {
		if count >= n {
			return 0, false
		}
		if before == 0 {
			return 0, true
		}
		t := 1 - float64(n-1-count)/float64(before)
		return time.Duration(max(t, 0) * float64(w.per)), true
	}
	if at, ok := room(w.before, w.count()); ok {
		return max(at-into, time.Millisecond)
	}
	at, _ := room(w.count(), 0)
	return w.per - into + at
}

func (l *Limiter) window(p Policy, key string, now time.Time) *window {
	index := now.UnixNano() / int64(p.Rate.Per)
	same := l.windows[p.Name]
	w := same[key]
	switch {
	case w == nil || w.per != p.Rate.Per:
		if same == nil || len(same) >= maxWindows {
			same = map[string]*window{}
			l.windows[p.Name] = same
		}
		w = &window{name: name{p.Name, key}, per: p.Rate.Per, index: index}
		same[key] = w
	case w.index == index-1:
		w.before, w.shared, w.pending, w.index, w.asked = w.count(), 0, 0, index, true
	case w.index < index:
		w.before, w.shared, w.pending, w.index, w.asked = 0, 0, 0, index, false
	}
	return w
}

func (l *Limiter) queue(w *window) {
	if !w.isQueued && l.conn != nil {
		w.isQueued = true
		l.dirty = append(l.dirty, w)
	}
}

func (l *Limiter) redisKey(n name, index int64) string {
	h := hmac.New(sha256.New, l.secret)
	h.Write([]byte(n.key))
	return l.conn.Key("limit", n.policy, base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:12]), strconv.FormatInt(index, 10))
}
