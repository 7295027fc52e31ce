package notifier

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/notifier/notice"
)

// Metrics of the notifier. Dashboards and alert rules name them: renaming one
// silences an alert.
const (
	metricLateness = "turnout_notifier_lateness_seconds"
	metricFinished = "turnout_notifier_notices_total"
	metricPlanned  = "turnout_notifier_planned_total"
	metricRepeats  = "turnout_notifier_repeats_total"
	metricRejected = "turnout_notifier_rejected_total"
	metricGaps     = "turnout_notifier_version_gaps_total"
	metricFenced   = "turnout_notifier_fenced_total"
	metricDue      = "turnout_notifier_due_notices"
	metricOldest   = "turnout_notifier_oldest_due_seconds"
)

type metrics struct {
	late        *prometheus.HistogramVec
	done        *prometheus.CounterVec
	plans       *prometheus.CounterVec
	repeats     prometheus.Counter
	gaps        prometheus.Counter
	rejected    prometheus.Counter
	fencedTotal prometheus.Counter
	due         prometheus.Gauge
	oldest      prometheus.Gauge
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		late: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: metricLateness, Help: "Sent minus due.",
			Buckets: []float64{0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200, 86400},
		}, []string{"kind", "channel"}),
		done: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: metricFinished, Help: "What became of claimed notices.",
		}, []string{"kind", "channel", "state"}),
		plans: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: metricPlanned, Help: "Notices planned.",
		}, []string{"kind"}),
		repeats: prometheus.NewCounter(prometheus.CounterOpts{
			Name: metricRepeats, Help: "Messages whose notices had been planned before.",
		}),
		rejected: prometheus.NewCounter(prometheus.CounterOpts{
			Name: metricRejected, Help: "Messages that went to the dead letters.", ConstLabels: prometheus.Labels{"group": contract.GroupNotifier},
		}),
		gaps: prometheus.NewCounter(prometheus.CounterOpts{
			Name: metricGaps, Help: "Messages that did not follow the last version seen.",
		}),
		fencedTotal: prometheus.NewCounter(prometheus.CounterOpts{
			Name: metricFenced, Help: "Results that came after their lease was lost, and were not recorded.",
		}),
		due: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: metricDue, Help: "Notices that are due and wait, counted up to 10000.",
		}),
		oldest: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: metricOldest, Help: "How long the oldest notice that is due has waited.",
		}),
	}
	for _, c := range []prometheus.Collector{m.late, m.done, m.plans, m.repeats, m.gaps, m.rejected, m.fencedTotal, m.due, m.oldest} {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	for _, kind := range notice.Kinds { // a series that begins at 1 has not grown, for an alert
		m.done.WithLabelValues(string(kind), notice.ChannelMail, string(notice.Dead))
	}
	return m, nil
}

func (m *metrics) planned(b *batch) {
	for kind, n := range b.added {
		m.plans.WithLabelValues(string(kind)).Add(float64(n))
	}
	m.repeats.Add(float64(b.repeats))
	m.gaps.Add(float64(b.gaps))
}

func (m *metrics) finished(kind notice.Kind, channel string, state notice.State) {
	m.done.WithLabelValues(string(kind), channel, string(state)).Inc()
}

func (m *metrics) lateness(n *notice.Notice, now time.Time) {
	m.late.WithLabelValues(string(n.Kind), n.Channel).Observe(max(now.Sub(n.DueAt), 0).Seconds())
}

func (m *metrics) fenced(n int) { m.fencedTotal.Add(float64(n)) }

func (m *metrics) backlog(due int64, oldest time.Duration) {
	m.due.Set(float64(due))
	m.oldest.Set(oldest.Seconds())
}
