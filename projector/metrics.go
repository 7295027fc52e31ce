package projector

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/turnout-events/turnout/internal/kafkabus"
	"github.com/turnout-events/turnout/projector/feed"
)

// metrics of all projectors, by consumer group. Renaming one breaks dashboards.
type metrics struct {
	messages *prometheus.CounterVec
	rejected *prometheus.CounterVec
	retries  *prometheus.CounterVec
	batch    *prometheus.HistogramVec
	delay    *prometheus.HistogramVec
	rebuilds prometheus.Counter
	restored *prometheus.CounterVec
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		messages: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "turnout_projector_messages_total", Help: "Messages that the offset has moved past."}, []string{"group"}),
		rejected: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "turnout_projector_rejected_total", Help: "Messages sent to the dead letters."}, []string{"group"}),
		retries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "turnout_projector_retries_total", Help: "Batches that had to be tried again."}, []string{"group"}),
		batch: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "turnout_projector_batch_seconds", Help: "Time from a batch's first attempt to its mark.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10}}, []string{"group"}),
		delay: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "turnout_projector_delay_seconds", Help: "Age of a batch's oldest message when the store has it.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 15, 60, 600}}, []string{"group"}),
		rebuilds: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "turnout_projector_refills_total", Help: "Times Redis was found empty and filled again."}),
		restored: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "turnout_projector_restored_indices_total", Help: "Times an index was found deleted and filled again."}, []string{"group"}),
	}
	for _, c := range []prometheus.Collector{m.messages, m.rejected, m.retries, m.batch, m.delay, m.rebuilds, m.restored} {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// watchGaps shows the tracker of a group.
func watchGaps(r prometheus.Registerer, group string, t *feed.Tracker) error {
	labels := prometheus.Labels{"group": group}
	err := r.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "turnout_projector_gap_events", Help: "Events with a missing version.", ConstLabels: labels,
	}, func() float64 { n, _ := t.Open(time.Now()); return float64(n) }))
	if err != nil {
		return err
	}
	return r.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "turnout_projector_gap_age_seconds", Help: "Age of the oldest missing version.", ConstLabels: labels,
	}, func() float64 { _, age := t.Open(time.Now()); return age.Seconds() }))
}

func (m *metrics) onBatch(group string) func(kafkabus.BatchStats) {
	return func(s kafkabus.BatchStats) {
		m.messages.WithLabelValues(group).Add(float64(s.Size))
		m.rejected.WithLabelValues(group).Add(float64(s.Rejected))
		m.retries.WithLabelValues(group).Add(float64(s.Retries))
		m.batch.WithLabelValues(group).Observe(s.Took.Seconds())
		m.delay.WithLabelValues(group).Observe(time.Since(s.Oldest).Seconds())
	}
}
