package reader

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/singleflight"
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
	flights singleflight.Group
	mu      sync.Mutex
	entries map[string]answer
	bytes   int

	results *prometheus.CounterVec
}

type answer struct {
	body  []byte
	until time.Time
}

// NewCache registers its metric: results of hit, shared and miss.
func NewCache(registry prometheus.Registerer) (*Cache, error) {
	c := &Cache{entries: map[string]answer{}, results: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "turnout_query_search_cache_total", Help: "Searches by how they were answered: hit, shared, miss.",
	}, []string{"result"})}
	for _, result := range []string{"hit", "shared", "miss"} {
		c.results.WithLabelValues(result) // there from the start, so that a rate is 0 and not nothing
	}
	return c, registry.Register(c.results)
}

// Get answers from memory, from a request that is under way, or by load.
func (c *Cache) Get(ctx context.Context, key string, load func(context.Context) ([]byte, error)) ([]byte, error) {
	now := time.Now()
	c.mu.Lock()
	a, ok := c.entries[key]
	c.mu.Unlock()
	if ok && now.Before(a.until) {
		c.results.WithLabelValues("hit").Inc()
		return a.body, nil
	}
	first := false // written before the answer is there, read after
	done := c.flights.DoChan(key, func() (any, error) {
		first = true
		// The others' answer must not end with the first one's patience.
		own, cancel := context.WithTimeout(context.WithoutCancel(ctx), Patience)
		defer cancel()
		body, err := load(own)
		if err == nil {
			c.keep(key, body)
		}
		return body, err
	})
	select {
	case r := <-done:
		result := "shared"
		if first {
			result = "miss"
		}
		c.results.WithLabelValues(result).Inc()
		body, _ := r.Val.([]byte)
		return body, r.Err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (c *Cache) keep(key string, body []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.entries) >= cacheEntries || c.bytes+len(body) > cacheBytes {
		clear(c.entries)
		c.bytes = 0
	}
	c.bytes += len(body) - len(c.entries[key].body)
	c.entries[key] = answer{body: body, until: time.Now().Add(CacheFresh)}
}
