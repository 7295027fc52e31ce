// Package reader reads the read stores for query: what each answers, how long
// it may take, and what is served instead when one is away.
package reader

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"github.com/sony/gobreaker/v2"

	"github.com/turnout-events/turnout/internal/elastic"
	"github.com/turnout-events/turnout/internal/fault"
	"github.com/turnout-events/turnout/internal/redisconn"
)

// The faults that readers return.
var (
	ErrNotYetVisible = fault.New(fault.Conflict, "not-yet-visible", "The read store has not come that far").After(time.Second)
	ErrSearchAway    = fault.New(fault.Unavailable, "search-unavailable", "Search is away for the moment")
	ErrSeatsAway     = fault.New(fault.Unavailable, "seats-unavailable", "The seats cannot be read for the moment")
	ErrCursor        = fault.New(fault.Invalid, "invalid-cursor", "This cursor does not belong to this query")
)

// The parts of an answer that came from elsewhere or are missing, for the
// header Turnout-Degraded.
const (
	DegradedSearch = "search" // Elasticsearch is away: from the copy in Redis
	DegradedSeats  = "seats"  // Redis is away or empty: seats as the listing has them
)

// Patience is how long a read waits for its store to come as far as asked: with the rest of a request, 2 s.
const Patience = 1800 * time.Millisecond

// Stores are both read stores, each behind a circuit breaker. Safe for
// concurrent use.
type Stores struct {
	Elastic *elastic.Client
	Redis   *redisconn.Conn
	log     *slog.Logger
	search  *gobreaker.CircuitBreaker[any]
	seats   *gobreaker.CircuitBreaker[any]

	documents *documents
}

// NewStores wraps the clients.
func NewStores(es *elastic.Client, rd *redisconn.Conn, log *slog.Logger) *Stores {
	return &Stores{Elastic: es, Redis: rd, log: log, search: breaker("elasticsearch", log), seats: breaker("redis", log), documents: newDocuments()}
}

// Register adds the metric of what is remembered between searches.
func (s *Stores) Register(registry prometheus.Registerer) error {
	return registry.Register(s.documents.results)
}

// breaker opens after five failures in a row and lets one request probe each
// second, so that a store that is away costs a request nothing.
func breaker(name string, log *slog.Logger) *gobreaker.CircuitBreaker[any] {
	return gobreaker.NewCircuitBreaker[any](gobreaker.Settings{
		Name: name, MaxRequests: 1, Timeout: time.Second,
		ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= 5 },
		IsSuccessful: func(err error) bool {
			return err == nil || errors.Is(err, elastic.ErrNotFound) || errors.Is(err, redis.Nil) || ours(err)
		},
		IsExcluded: func(err error) bool { return errors.Is(err, context.Canceled) },
		OnStateChange: func(name string, from, to gobreaker.State) {
			log.Warn("circuit breaker", "store", name, "from", from.String(), "to", to.String())
		},
	})
}

// ours tells whether the store is well and the request was not.
func ours(err error) bool {
	var e *elastic.Error
	return errors.As(err, &e) && e.Status >= 400 && e.Status < 500 && e.Status != 429
}

// refused tells whether Elasticsearch found fault with what it was asked.
func refused(err error) bool {
	var e *elastic.Error
	return errors.As(err, &e) && e.Status == 400
}

// Away tells whether an error means that a store is away.
func Away(err error) bool {
	return err != nil && (errors.Is(err, errAway) || fault.KindOf(err) == fault.Unavailable)
}

var errAway = errors.New("store is away")

// run calls f behind a breaker; an error that is no answer wraps errAway.
func run[T any](b *gobreaker.CircuitBreaker[any], f func() (T, error)) (T, error) {
	var zero T
	v, err := b.Execute(func() (any, error) { return f() })
	switch {
	case err == nil:
		t, ok := v.(T)
		if !ok {
			return zero, errors.New("circuit breaker changed the type")
		}
		return t, nil
	case errors.Is(err, elastic.ErrNotFound), errors.Is(err, redis.Nil), errors.Is(err, context.Canceled), ours(err):
		return zero, err
	default:
		return zero, errors.Join(errAway, err)
	}
}

// askRedis runs f behind the breaker of Redis, and gives up while there is
// time to ask Elasticsearch: whoever probes a Redis that hangs would otherwise
// spend the whole request on new connections.
func askRedis[T any](ctx context.Context, s *Stores, f func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, redisWithin)
	defer cancel()
	return run(s.seats, func() (T, error) { return f(ctx) })
}

// redisWithin is a slow answer of Redis (redisconn.Config.Timeout), asked twice.
const redisWithin = 700 * time.Millisecond

// searched is what a failed search is: without its index, which the projector
// makes at its start, the store is as good as away.
func searched(what string, err error) error {
	if Away(err) || errors.Is(err, elastic.ErrNotFound) {
		return ErrSearchAway.Because(err)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// poll calls f until it says that it is done, for at most Patience and with a
// moment left of ctx. It returns f's last answer; that ctx ended during a call
// is no answer.
func poll(ctx context.Context, f func() (done bool, err error)) (bool, error) {
	end := time.Now().Add(Patience - 100*time.Millisecond)
	if d, ok := ctx.Deadline(); ok && d.Add(-lastMoment).Before(end) {
		end = d.Add(-lastMoment)
	}
	waiting, cancel := context.WithDeadline(ctx, end)
	defer cancel()
	pause := 5 * time.Millisecond
	for answered := false; ; answered = true {
		done, err := f()
		switch {
		case err != nil && answered && ctx.Err() != nil:
			return false, nil
		case done || err != nil:
			return done, err
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
			pause = min(pause*3/2, 50*time.Millisecond)
		case <-waiting.Done():
			timer.Stop()
			return false, nil
		}
	}
}

// lastMoment of a request is for its answer.
const lastMoment = 50 * time.Millisecond
