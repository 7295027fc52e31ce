package reader

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/turnout-events/turnout/internal/document"
)

// Hub holds the process's one subscription to the seats of all events. It keeps
// the latest seats of the events that somebody asks for, and wakes viewers. A
// viewer that is slow finds the latest when it comes back: nothing queues.
type Hub struct {
	stores *Stores
	log    *slog.Logger

	connected atomic.Bool
	mu        sync.RWMutex
	entries   map[string]*entry
	most      int

	hits, misses prometheus.Counter
	viewers      prometheus.Gauge
}

// maxEntries bounds the events kept in memory; those with viewers stay.
const maxEntries = 20_000

// NewHub registers its metrics.
func NewHub(stores *Stores, registry prometheus.Registerer, log *slog.Logger) (*Hub, error) {
	h := &Hub{
		stores: stores, log: log, entries: map[string]*entry{}, most: maxEntries,
		hits: prometheus.NewCounter(prometheus.CounterOpts{Name: "turnout_query_seats_cache_hits_total",
			Help: "Reads of seats answered from memory."}),
		misses: prometheus.NewCounter(prometheus.CounterOpts{Name: "turnout_query_seats_cache_misses_total",
			Help: "Reads of seats that asked a store."}),
		viewers: prometheus.NewGauge(prometheus.GaugeOpts{Name: "turnout_query_stream_viewers",
			Help: "Open streams of seats."}),
	}
	for _, c := range []prometheus.Collector{h.hits, h.misses, h.viewers} {
		if err := registry.Register(c); err != nil {
			return nil, err
		}
	}
	return h, nil
}

// Run listens until ctx ends. While Redis is away nothing is answered from
// memory.
func (h *Hub) Run(ctx context.Context) {
	for ctx.Err() == nil {
		h.listen(ctx)
		h.connected.Store(false)
		timer := time.NewTimer(200 * time.Millisecond)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
}

func (h *Hub) listen(ctx context.Context) {
	sub := h.stores.Redis.Subscribe(ctx, h.stores.Redis.Channel(document.ChannelAvailability))
	defer func() { _ = sub.Close() }()
	if _, err := sub.Receive(ctx); err != nil {
		return
	}
	if err := h.catchUp(ctx); err != nil {
		return
	}
	h.connected.Store(true)
	// The ping finds a dead connection; without it a silent one looks like a
	// quiet night.
	messages := sub.ChannelWithSubscriptions(redis.WithChannelHealthCheckInterval(2*time.Second), redis.WithChannelSize(10_000))
	probe := time.NewTicker(time.Second)
	defer probe.Stop()
	for {
		select {
		case m, ok := <-messages:
			if !ok {
				return
			}
			switch m := m.(type) {
			case *redis.Message:
				h.take(m.Payload)
			case *redis.Subscription: // it lost its connection and has another: what was published between is lost
				if err := h.catchUp(ctx); err != nil {
					return
				}
			}
		case <-probe.C:
			if err := h.stores.Redis.Ping(ctx).Err(); err != nil {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// catchUp reads again what viewers wait for: messages were missed. The listing
// may be behind what they were, so only Redis will do, unless it does not have
// the seats. An error means that viewers may have missed something still.
func (h *Hub) catchUp(ctx context.Context) error {
	h.mu.RLock()
	var watched []string
	for id, e := range h.entries {
		e.mu.Lock()
		e.read = time.Time{}
		if len(e.viewers) > 0 {
			watched = append(watched, id)
		}
		e.mu.Unlock()
	}
	h.mu.RUnlock()
	for _, id := range watched {
		seats, err := h.stores.seatsInRedis(ctx, id)
		if errors.Is(err, redis.Nil) {
			seats, err = h.stores.Seats(ctx, id)
		}
		switch {
		case err == nil:
			h.entry(id).set(seats, time.Time{})
		case Away(err) || ctx.Err() != nil:
			return err
		default: // one event that cannot be read must not cost the others their subscription
			h.log.WarnContext(ctx, "seats not read after a reconnect", "event", id, "error", err)
		}
	}
	return nil
}

func (h *Hub) take(payload string) {
	var a document.Told
	if err := json.Unmarshal([]byte(payload), &a); err != nil {
		h.log.Error("message of seats not understood", "error", err)
		return
	}
	h.mu.RLock()
	e := h.entries[a.EventID]
	h.mu.RUnlock()
	switch {
	case e == nil:
	case a.Repaired:
		if body, err := a.Encode(); err == nil {
			e.repair(body, a.Version)
		}
	default:
		e.update([]byte(payload), a.Version)
	}
}

// entry gives the event's entry. It must exist before the store is read: a
// message that comes between the two then finds it.
func (h *Hub) entry(eventID string) *entry {
	h.mu.RLock()
	e := h.entries[eventID]
	h.mu.RUnlock()
	if e != nil {
		return e
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.present(eventID)
}

// present is entry for who holds the lock.
func (h *Hub) present(eventID string) *entry {
	e := h.entries[eventID]
	if e == nil {
		if len(h.entries) >= h.most {
			h.shrink()
		}
		e = &entry{viewers: map[chan struct{}]struct{}{}}
		h.entries[eventID] = e
	}
	return e
}

func (h *Hub) shrink() {
	for id, e := range h.entries {
		e.mu.Lock()
		idle := len(e.viewers) == 0
		e.mu.Unlock()
		if idle {
			delete(h.entries, id)
		}
	}
}

// Remembered gives what memory has, if it may be used. What is remembered is
// public.
func (h *Hub) Remembered(eventID string) (Seats, bool) {
	if !h.connected.Load() {
		return Seats{}, false
	}
	h.mu.RLock()
	e := h.entries[eventID]
	h.mu.RUnlock()
	if e == nil {
		return Seats{}, false
	}
	seats, ok := e.get(time.Now())
	if ok {
		h.hits.Inc()
	}
	return seats, ok
}

// Seats answers from memory while the subscription lives, else from the store.
func (h *Hub) Seats(ctx context.Context, eventID string) (Seats, error) {
	e := h.entry(eventID)
	if h.connected.Load() {
		if seats, ok := e.get(time.Now()); ok {
			h.hits.Inc()
			return seats, nil
		}
	}
	h.misses.Inc()
	began := time.Now()
	seats, err := h.stores.Seats(ctx, eventID)
	if err != nil {
		return seats, err
	}
	if seats.Degraded != "" || !seats.Event.Public() {
		return seats, nil
	}
	return e.set(seats, began), nil
}
