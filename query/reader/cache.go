package reader

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// CacheFresh is how long a search is answered from memory: short enough that
// nobody notices beside the refresh interval, long enough for a crowd.
const CacheFresh = 200 * time.Millisecond

const (
	cacheEntries = 2_000
	cacheBytes   = 32 << 20
)

// Cache keeps answers for a moment, and lets identical requests at the same
// time share one. Safe for concurrent use.
type Cache struct {
	mu      sync.Mutex
	entries map[Asked]remembered
	bytes   int
	flights map[Asked]*flight

	hit, shared, miss prometheus.Counter
}

// Asked is a route and its query as it was sent: who may ask plays no part in it.
type Asked struct{ Route, Query string }

// Answer is a body and its ETag, which is made once for all who are sent it.
type Answer struct {
	Body []byte
	ETag string
}

type remembered struct {
	Answer

	until time.Time
}

// flight is a request that is under way. What it brought is written before done
// is closed, and read after.
type flight struct {
	done chan struct{}
	Answer

	err error
}

// errNoAnswer is what waits for a load that panicked gets; the first one has the panic.
var errNoAnswer = errors.New("the request that was waited for ended without an answer")

// NewCache registers its metric: results of hit, shared and miss.
func NewCache(registry prometheus.Registerer) (*Cache, error) {
	results := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "turnout_query_search_cache_total", Help: "Searches by how they were answered: hit, shared, miss.",
	}, []string{"result"})
	// There from the start, so that a rate is 0 and not nothing.
	c := &Cache{entries: map[Asked]remembered{}, flights: map[Asked]*flight{}, hit: results.WithLabelValues("hit"),
		shared: results.WithLabelValues("shared"), miss: results.WithLabelValues("miss")}
	return c, registry.Register(results)
}

// Kept answers from memory alone.
func (c *Cache) Kept(key Asked) (Answer, bool) {
	now := time.Now()
	c.mu.Lock()
	e, ok := c.entries[key]
	c.mu.Unlock()
	if !ok || !now.Before(e.until) {
		return Answer{}, false
	}
	c.hit.Inc()
	return e.Answer, true
}

// Get answers from memory, from a request that is under way, or by load. The
// first who asks loads, in its own goroutine: one more for each search, whose
// stack has to grow, was a tenth of its CPU.
func (c *Cache) Get(ctx context.Context, key Asked, load func(context.Context) (Answer, error)) (Answer, error) {
	if a, ok := c.Kept(key); ok {
		return a, nil
	}
	c.mu.Lock()
	f, under := c.flights[key]
	if !under {
		f = &flight{done: make(chan struct{}), err: errNoAnswer}
		c.flights[key] = f
	}
	c.mu.Unlock()
	if !under {
		c.miss.Inc()
		return c.fly(ctx, key, f, load)
	}
	select {
	case <-f.done:
		c.shared.Inc()
		return f.Answer, f.err
	case <-ctx.Done():
		return Answer{}, ctx.Err()
	}
}

// fly loads for all who wait. That the first client leaves must not end it for
// the others, so the bound is its own.
func (c *Cache) fly(ctx context.Context, key Asked, f *flight, load func(context.Context) (Answer, error)) (Answer, error) {
	defer func() {
		c.mu.Lock()
		delete(c.flights, key)
		if f.err == nil {
			c.keep(key, f.Answer)
		}
		c.mu.Unlock()
		close(f.done)
	}()
	until, ok := ctx.Deadline()
	if !ok {
		until = time.Now().Add(Patience)
	}
	own, cancel := context.WithDeadline(context.WithoutCancel(ctx), until)
	defer cancel()
	f.Answer, f.err = load(own)
	return f.Answer, f.err
}

// keep is called under the lock.
func (c *Cache) keep(key Asked, a Answer) {
	if len(c.entries) >= cacheEntries || c.bytes+len(a.Body) > cacheBytes {
		clear(c.entries)
		c.bytes = 0
	}
	c.bytes += len(a.Body) - len(c.entries[key].Body)
	c.entries[key] = remembered{Answer: a, until: time.Now().Add(CacheFresh)}
}
