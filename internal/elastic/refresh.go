package elastic

import (
	"context"
	"sync"
	"time"

	"github.com/elastic/go-elasticsearch/v8/esapi"
)

// refreshes shares refreshes per index. Who asks while one is running waits for the one after it: the running one may
// have begun before the caller's write.
type refreshes struct {
	mu    sync.Mutex
	byKey map[string]*gate
}

type gate struct {
	running *flight
	next    *flight // collects those who asked while running runs
}

type flight struct {
	done chan struct{}
	err  error
}

// Refresh makes everything written before the call visible to searches. Callers at the same time share one request, at
// most two.
func (c *Client) Refresh(ctx context.Context, index string) error {
	name := c.Alias(index)
	f := c.refreshes.join(name, func() error {
		// The flight is not the first caller's alone: it goes on when that one leaves.
		own, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		return c.do(own, "refresh", esapi.IndicesRefreshRequest{Index: []string{name}}, nil)
	})
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *refreshes) join(key string, run func() error) *flight {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.byKey == nil {
		r.byKey = map[string]*gate{}
	}
	g := r.byKey[key]
	if g == nil {
		g = &gate{}
		r.byKey[key] = g
	}
	if g.running != nil {
		if g.next == nil {
			g.next = &flight{done: make(chan struct{})}
		}
		return g.next
	}
	g.running = &flight{done: make(chan struct{})}
	go r.fly(key, g, run)
	return g.running
}

// fly runs flights until nobody waits.
func (r *refreshes) fly(key string, g *gate, run func() error) {
	for {
		f := g.running // only this goroutine writes it once it is set
		f.err = run()
		close(f.done)
		r.mu.Lock()
		g.running, g.next = g.next, nil
		over := g.running == nil
		if over {
			delete(r.byKey, key)
		}
		r.mu.Unlock()
		if over {
			return
		}
	}
}
