package admission

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Names of the metrics; dashboards use them.
const (
	metricBatch    = "turnout_command_admission_batch_size"
	metricDecide   = "turnout_command_admission_decide_seconds"
	metricAnswer   = "turnout_command_admission_answer_seconds"
	metricQueue    = "turnout_command_admission_queue_length"
	metricLines    = "turnout_command_admission_open_events"
	metricReruns   = "turnout_command_admission_reruns_total"
	metricShed     = "turnout_command_admission_overloaded_total"
	metricHinted   = "turnout_command_admission_hinted_refusals_total"
	metricReplayed = "turnout_command_admission_replayed_total"
	metricPresumed = "turnout_command_admission_presumed_total"
)

type metrics struct {
	size, decide, answer         prometheus.Histogram
	reruns, presumed             *prometheus.CounterVec
	overloaded, hinted, replayed prometheus.Counter
}

func newMetrics(r prometheus.Registerer, d *Desk) (*metrics, error) {
	m := &metrics{
		size: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: metricBatch, Help: "Commands per transaction.", Buckets: prometheus.ExponentialBuckets(1, 2, 11)}),
		decide: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: metricDecide, Help: "Duration of a transaction, wait for its lock included.", Buckets: seconds()}),
		answer: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: metricAnswer, Help: "From queueing to the answer.", Buckets: seconds()}),
		reruns: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: metricReruns, Help: "Batches run again, by reason."}, []string{"reason"}),
		overloaded: prometheus.NewCounter(prometheus.CounterOpts{
			Name: metricShed, Help: "Requests turned away because the queue was full."}),
		hinted: prometheus.NewCounter(prometheus.CounterOpts{
			Name: metricHinted, Help: "Refusals at full events without the lock."}),
		replayed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: metricReplayed, Help: "Answers given again for the same key."}),
		presumed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: metricPresumed, Help: "Batches decided on what the last one left, by whether that was right."}, []string{"right"}),
	}
	queue := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: metricQueue, Help: "Commands that wait."}, func() float64 {
		d.mu.Lock()
		defer d.mu.Unlock()
		return float64(d.queued)
	})
	lines := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: metricLines, Help: "Events with commands under way."}, func() float64 {
		d.mu.Lock()
		defer d.mu.Unlock()
		return float64(len(d.lines))
	})
	if r == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.size, m.decide, m.answer, m.reruns, m.overloaded, m.hinted, m.replayed, m.presumed, queue, lines} {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// seconds from 0.5 ms to 8 s.
func seconds() []float64 { return prometheus.ExponentialBuckets(0.0005, 2, 15) }

func (m *metrics) batch(size int, took time.Duration) {
	m.size.Observe(float64(size))
	m.decide.Observe(took.Seconds())
}

func (m *metrics) answered(w *waiting) {
	m.answer.Observe(time.Since(w.since).Seconds())
	if w.answer.Replayed {
		m.replayed.Inc()
	}
}
