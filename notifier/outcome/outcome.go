// Package outcome carries the notifier's outbox to Kafka: what became of each
// notification, at least once, in order per notification except repeats. What
// records results fills the outbox, and a trigger for all else (migrations 0015, 0019).
//
// One notifier at a time publishes: whoever holds the advisory lock. A pass is
// one round trip to Postgres (delete what the last pass got acknowledged, read
// what is next) and one batch to Kafka. A crash between the two makes repeats,
// never gaps.
package outcome

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/kafkabus"
)

// LockClass and lockObject are the advisory lock of whoever publishes.
// Renumbering it lets notifiers of two releases publish side by side.
const (
	LockClass  = 0x7475726e
	lockObject = 2000
)

const (
	batch   = 1000
	pollMin = 10 * time.Millisecond
	pollMax = 500 * time.Millisecond
	// passEvery keeps a run of mail from having each of its handfuls of outcomes
	// told alone: nobody waits for them, and the mail wants the CPU.
	passEvery = 200 * time.Millisecond
	failPause = 2 * time.Second
	// stepBound: whoever is silent beyond it is no longer connected.
	stepBound = 12 * time.Second
)

// Relay publishes the outbox.
type Relay struct {
	pool    *pgxpool.Pool
	connect func() (message.Publisher, error)
	log     *slog.Logger
	woken   chan struct{}
	out     message.Publisher

	pending   prometheus.Gauge
	age       prometheus.Gauge
	published prometheus.Counter
}

// New takes where the outbox is and how to reach Kafka; connect is called
// again after a failure.
func New(pool *pgxpool.Pool, connect func() (message.Publisher, error), log *slog.Logger, r prometheus.Registerer) (*Relay, error) {
	relay := &Relay{
		pool: pool, connect: connect, log: log, woken: make(chan struct{}, 1),
		pending: prometheus.NewGauge(prometheus.GaugeOpts{Name: "turnout_notifier_outbox_pending_messages",
			Help: "Outcomes that are not on Kafka yet, counted up to 10000 by the notifier that publishes them."}),
		age: prometheus.NewGauge(prometheus.GaugeOpts{Name: "turnout_notifier_outbox_oldest_age_seconds",
			Help: "Age of the oldest of them; 0 when there is none."}),
		published: prometheus.NewCounter(prometheus.CounterOpts{Name: "turnout_notifier_outcomes_published_total",
			Help: "Outcomes acknowledged by Kafka, repeats included."}),
	}
	for _, c := range []prometheus.Collector{relay.pending, relay.age, relay.published} {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	return relay, nil
}

// Wake tells that there may be new rows, committed. It never blocks.
func (r *Relay) Wake() {
	select {
	case r.woken <- struct{}{}:
	default:
	}
}

// Run publishes until ctx ends. Kafka or Postgres being away ends nothing.
func (r *Relay) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := r.session(ctx); err != nil && ctx.Err() == nil {
			r.log.WarnContext(ctx, "outcomes are not published, trying again", "error", err)
		}
		r.pause(ctx, failPause)
	}
	return r.disconnect()
}

// session publishes on one connection, which holds the lock. Nil: another
// notifier has it, or ctx ended.
func (r *Relay) session(ctx context.Context) error {
	connecting, cancel := context.WithTimeout(ctx, stepBound)
	conn, err := pgx.ConnectConfig(connecting, r.pool.Config().ConnConfig.Copy())
	cancel()
	if err != nil {
		return err
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(closing)
	}()
	var mine bool
	// synchronous_commit: a lost deletion makes repeats, which consumers bear.
	if _, err := conn.Exec(ctx, "SET synchronous_commit = off"); err != nil {
		return err
	}
	if err := conn.QueryRow(ctx, "SELECT pg_try_advisory_lock($1, $2)", LockClass, lockObject).Scan(&mine); err != nil || !mine {
		return err
	}
	return r.serve(ctx, conn)
}

func (r *Relay) serve(ctx context.Context, conn *pgx.Conn) error {
	var done []int64
	wait, measured := pollMin, time.Time{}
	for ctx.Err() == nil {
		if time.Since(measured) > 5*time.Second {
			if err := r.measure(ctx, conn); err != nil {
				return err
			}
			measured = time.Now()
		}
		rows, err := next(ctx, conn, done, batch)
		if err != nil {
			return err
		}
		if done = done[:0]; len(rows) == 0 {
			r.pauseOrWake(ctx, wait)
			wait = min(2*wait, pollMax)
			continue
		}
		wait = pollMin
		began := time.Now()
		if done, err = r.publish(ctx, rows); err != nil && ctx.Err() == nil {
			r.log.WarnContext(ctx, "cannot publish outcomes, trying again", "outcomes", len(rows), "acknowledged", len(done), "error", err)
			r.pause(ctx, failPause)
		}
		if len(rows) < batch {
			r.pause(ctx, passEvery-time.Since(began))
		}
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_, err := next(last, conn, done, 0)
	return err
}

// publish sends the rows as one batch and gives the ids that are done with:
// per notification the acknowledged ones before the first that is not.
func (r *Relay) publish(ctx context.Context, rows []row) ([]int64, error) {
	if r.out == nil {
		out, err := r.connect()
		if err != nil {
			return nil, fmt.Errorf("connect to Kafka: %w", err)
		}
		r.out = out
	}
	messages := make([]*message.Message, len(rows))
	for i := range rows {
		messages[i] = toMessage(ctx, &rows[i].env)
	}
	err := r.out.Publish(contract.TopicNotifications, messages...)
	var done []int64
	var partly *kafkabus.PublishError
	switch {
	case err == nil:
		for i := range rows {
			done = append(done, rows[i].id)
		}
	case errors.As(err, &partly):
		for _, i := range partly.AckedPrefix() {
			done = append(done, rows[i].id)
		}
	}
	r.published.Add(float64(len(done)))
	if err != nil { // a producer that failed may be stuck on what it could not send
		err = errors.Join(err, r.disconnect())
	}
	return done, err
}

func (r *Relay) disconnect() error {
	if r.out == nil {
		return nil
	}
	err := r.out.Close()
	r.out = nil
	return err
}

func (r *Relay) measure(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, stepBound)
	defer cancel()
	var count int64
	var age float64
	err := conn.QueryRow(ctx, `
		SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0)::float8
		FROM (SELECT created_at FROM notifier.outbox ORDER BY id LIMIT 10000) AS o`).Scan(&count, &age)
	if err != nil {
		return fmt.Errorf("measure the notifier's outbox: %w", err)
	}
	r.pending.Set(float64(count))
	r.age.Set(age)
	return nil
}

func (r *Relay) pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func (r *Relay) pauseOrWake(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.woken:
	case <-ctx.Done():
	}
}
