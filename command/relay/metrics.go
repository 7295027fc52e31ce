package relay

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
)

// Names of the metrics; dashboards and alerts use them.
const (
	metricPending   = "turnout_relay_outbox_pending_messages"
	metricAge       = "turnout_relay_outbox_oldest_age_seconds"
	metricBatch     = "turnout_relay_batch_messages"
	metricPublish   = "turnout_relay_publish_seconds"
	metricWaited    = "turnout_relay_outbox_wait_seconds"
	metricPublished = "turnout_relay_published_messages_total"
	metricFailures  = "turnout_relay_publish_failures_total"
	metricOtherLog  = "turnout_relay_other_log"
)

type metrics struct {
	pending, age, otherLog prometheus.Gauge
	batch, publish, waited prometheus.Histogram
	sent, failures         prometheus.Counter
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	seconds := prometheus.ExponentialBuckets(0.0005, 2, 16)
	m := &metrics{
		pending: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: metricPending, Help: "Messages in the whole outbox, as of a few seconds ago."}),
		age: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: metricAge, Help: "Age of the oldest message in the whole outbox; 0 when it is empty."}),
		otherLog: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: metricOtherLog, Help: "1: nothing is published, for Kafka has messages that this database's log has not."}),
		batch: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: metricBatch, Help: "Messages acknowledged per pass.", Buckets: prometheus.ExponentialBuckets(1, 2, 14)}),
		publish: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: metricPublish, Help: "Duration of a pass's publishing.", Buckets: seconds}),
		waited: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: metricWaited, Help: "From outbox row to acknowledgement, of each pass's oldest message.", Buckets: seconds}),
		sent: prometheus.NewCounter(prometheus.CounterOpts{
			Name: metricPublished, Help: "Messages acknowledged by Kafka, repeats included."}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: metricFailures, Help: "Passes in which Kafka did not acknowledge everything."}),
	}
	if r == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.pending, m.age, m.otherLog, m.batch, m.publish, m.waited, m.sent, m.failures} {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *metrics) published(rows []row, took time.Duration) {
	m.publish.Observe(took.Seconds())
	m.batch.Observe(float64(len(rows)))
	m.sent.Add(float64(len(rows)))
	if len(rows) > 0 {
		oldest := rows[0].since
		for _, r := range rows {
			if r.since.Before(oldest) {
				oldest = r.since
			}
		}
		m.waited.Observe(time.Since(oldest).Seconds())
	}
}

// Backlog is what the outbox holds.
type Backlog struct {
	Messages int64         `json:"messages"`
	Oldest   time.Duration `json:"-"`
	Seconds  float64       `json:"oldest_age_seconds"`
}

// Pending reads the whole outbox's backlog, of all processes.
func Pending(ctx context.Context, pool *pgxpool.Pool) (Backlog, error) {
	var b Backlog
	err := pool.QueryRow(ctx, `SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0)::float8 FROM outbox`).
		Scan(&b.Messages, &b.Seconds)
	if err != nil {
		return b, fmt.Errorf("measure the outbox: %w", err)
	}
	b.Oldest = time.Duration(b.Seconds * float64(time.Second))
	return b, nil
}

const measureEvery = 5 * time.Second

func (r *Relay) measure(ctx context.Context) {
	tick := time.NewTicker(measureEvery)
	defer tick.Stop()
	for {
		if b, err := Pending(ctx, r.deps.Pool); err == nil {
			r.metrics.pending.Set(float64(b.Messages))
			r.metrics.age.Set(b.Seconds)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
