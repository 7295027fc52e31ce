// Package relay carries the outbox to Kafka: at least once, in order per event except repeats.
//
// One loop per process works on the shards that the process owns. A pass is one round trip to Postgres (delete what
// the last pass got acknowledged, read what is next) and one batch to Kafka. A crash between the two makes repeats,
// never gaps. The pass runs on the session that holds the shards' advisory locks: if that is gone, so is the right to
// read, and the relay stops until it has a new one.
package relay

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
)

// Config of the relay.
type Config struct {
	// Batch is how many messages of one shard a pass takes.
	Batch int `env:"TURNOUT_RELAY_BATCH" envDefault:"1000"`
	// PollMin and PollMax: an idle relay that nobody wakes looks again after PollMin, then ever later up to PollMax.
	PollMin time.Duration `env:"TURNOUT_RELAY_POLL_MIN" envDefault:"2ms"`
	PollMax time.Duration `env:"TURNOUT_RELAY_POLL_MAX" envDefault:"50ms"`
	// ShareEvery is how often the relays divide the shards anew.
	ShareEvery time.Duration `env:"TURNOUT_RELAY_SHARE_EVERY" envDefault:"1s"`
	// AnyLog publishes although Kafka has messages that this database's log has not (docs/runbook.md).
	AnyLog bool `env:"TURNOUT_RELAY_ANY_LOG" envDefault:"false"`
}

// DefaultConfig has the defaults of the environment.
func DefaultConfig() Config {
	return Config{Batch: 1000, PollMin: 2 * time.Millisecond, PollMax: 50 * time.Millisecond, ShareEvery: time.Second}
}

// Validate says what is wrong with the settings.
func (c Config) Validate() error {
	switch {
	case c.Batch < 1 || c.Batch > 10_000:
		return errors.New("TURNOUT_RELAY_BATCH: want 1 to 10000")
	case c.PollMin <= 0 || c.PollMax < c.PollMin:
		return errors.New("TURNOUT_RELAY_POLL_MIN must be positive and at most TURNOUT_RELAY_POLL_MAX")
	case c.ShareEvery <= 0:
		return errors.New("TURNOUT_RELAY_SHARE_EVERY must be positive")
	}
	return nil
}

// Deps are what the relay works with.
type Deps struct {
	// Pool says where the database is; the relay's session is a connection of its own beside the pool.
	Pool *pgxpool.Pool
	// Connect opens the publisher (kafkabus.NewPublisher). It is called again after a failure.
	Connect func() (message.Publisher, error)
	// Ends gives the last message of each partition of a topic (kafkabus.Ends).
	Ends       func(ctx context.Context, topic string) ([]*message.Message, error)
	Log        *slog.Logger
	Registerer prometheus.Registerer
}

// Relay is a process.Part.
type Relay struct {
	cfg     Config
	deps    Deps
	log     *slog.Logger
	metrics *metrics
	woken   chan struct{}
	owned   atomic.Uint64 // bit per shard
	ready   chan struct{}
	out     message.Publisher
	// abandoned: a goroutine still holds out, at the end of the process.
	abandoned bool
}

// New makes a relay; Run makes it work.
func New(cfg Config, deps Deps) (*Relay, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	m, err := newMetrics(deps.Registerer)
	if err != nil {
		return nil, err
	}
	return &Relay{
		cfg: cfg, deps: deps, log: deps.Log, metrics: m, woken: make(chan struct{}, 1), ready: make(chan struct{}),
	}, nil
}

// Name of the part.
func (r *Relay) Name() string { return "relay" }

// Ready is closed when Run has begun. The relay is ready although Kafka is away: it waits for it.
func (r *Relay) Ready() <-chan struct{} { return r.ready }

// Wake tells that a shard has new rows, committed. It never blocks; a shard of another process is not our business.
func (r *Relay) Wake(shard int) {
	if r.owned.Load()&(1<<uint(shard)) == 0 { //nolint:gosec // a shard is small
		return
	}
	select {
	case r.woken <- struct{}{}:
	default:
	}
}

// Run relays until ctx ends. What is acknowledged then is deleted, the shards go to whoever wants them.
func (r *Relay) Run(ctx context.Context) error {
	close(r.ready)
	gauges := make(chan struct{})
	go func() {
		defer close(gauges)
		r.measure(ctx)
	}()
	defer func() { <-gauges }()
	wait := newPause(50*time.Millisecond, time.Second)
	for ctx.Err() == nil {
		s, err := bounded(ctx, func(ctx context.Context) (*session, error) { return openSession(ctx, r.deps.Pool) })
		if err != nil {
			r.log.WarnContext(ctx, "relay has no session with Postgres", "error", err)
			wait.pause(ctx, nil)
			continue
		}
		wait.reset()
		err = r.serve(ctx, s)
		r.owned.Store(0)
		s.close(ctx)
		if err != nil && ctx.Err() == nil {
			r.log.WarnContext(ctx, "relay lost its session with Postgres", "error", err)
		}
	}
	if r.abandoned {
		return nil
	}
	return r.disconnect()
}

// serve makes pass after pass until ctx ends (nil) or the session fails. Behind a backlog the next rows are read while
// Kafka takes the last ones.
func (r *Relay) serve(ctx context.Context, s *session) error {
	if err := r.prove(ctx, s); err != nil {
		return err
	}
	idle := newPause(r.cfg.PollMin, r.cfg.PollMax)
	failed := newPause(100*time.Millisecond, 2*time.Second)
	var sent *flight
	for ctx.Err() == nil {
		if sent != nil && !s.mayReadAhead(sent.rows, r.cfg.Batch) {
			landed := r.land(ctx, s, sent, failed)
			if sent = nil; !landed {
				continue
			}
		}
		rows, err := bounded(ctx, func(ctx context.Context) ([]row, error) {
			if sent != nil {
				return s.ahead(ctx, r.cfg.Batch, sent.rows)
			}
			if err := s.share(ctx, r.cfg.ShareEvery); err != nil {
				return nil, err
			}
			r.owned.Store(s.bits())
			return s.next(ctx, r.cfg.Batch)
		})
		if sent != nil {
			landed := r.land(ctx, s, sent, failed)
			// After a failure what was read ahead is read again, behind what failed.
			if sent = nil; err == nil && !landed {
				continue
			}
		}
		switch {
		case err != nil:
			return err
		case len(rows) == 0:
			idle.pause(ctx, r.woken)
		default:
			idle.reset()
			sent = r.launch(ctx, rows)
		}
	}
	if sent != nil {
		r.land(ctx, s, sent, failed)
	}
	return s.forget(ctx)
}

// stepBound is longer than the server lets a statement run: whoever is silent beyond it is no longer connected, and
// TCP would take a quarter of an hour to say so.
const stepBound = 12 * time.Second

func bounded[T any](ctx context.Context, step func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, stepBound)
	defer cancel()
	return step(ctx)
}

// pause waits ever longer.
type pause struct{ low, high, now time.Duration }

func newPause(low, high time.Duration) *pause { return &pause{low: low, high: high, now: low} }

func (p *pause) reset() { p.now = p.low }

func (p *pause) pause(ctx context.Context, woken <-chan struct{}) {
	timer := time.NewTimer(p.now)
	defer timer.Stop()
	p.now = min(2*p.now, p.high)
	select {
	case <-timer.C:
	case <-woken:
		p.reset()
	case <-ctx.Done():
	}
}

// Owned gives the shards that this relay works on, a bit for each.
func (r *Relay) Owned() uint64 { return r.owned.Load() }
