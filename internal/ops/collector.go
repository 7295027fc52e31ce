package ops

import (
	"context"
	"log/slog"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/turnout-events/turnout/internal/kafkabus"
)

// The metrics of lag. The names have no role in them: which process measures is
// of no interest, the group is. Renaming one breaks dashboards and alerts.
var (
	lagMessages = prometheus.NewDesc("turnout_consumer_lag_messages",
		"Messages of a partition that its consumer group has not committed.", []string{"group", "topic", "partition"}, nil)
	lagSeconds = prometheus.NewDesc("turnout_consumer_lag_seconds",
		"Age of the first message that the consumer group has not committed; 0 when there is none.", []string{"group", "topic", "partition"}, nil)
	lagUp = prometheus.NewDesc("turnout_consumer_lag_up",
		"1 when the broker told the lag, else 0: no number is not a good number.", nil, nil)
)

// collector asks the broker whenever Prometheus scrapes, so the numbers are
// those of the scrape and an idle dashboard costs nothing.
type collector struct {
	ctx    context.Context
	cfg    kafkabus.Config
	groups map[string][]string
	log    *slog.Logger
}

// NewLagCollector exports the lag of the groups. ctx is the process's: a scrape
// has none of its own.
func NewLagCollector(ctx context.Context, cfg kafkabus.Config, groups map[string][]string, log *slog.Logger) prometheus.Collector {
	return &collector{ctx: ctx, cfg: cfg, groups: groups, log: log}
}

func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	ch <- lagMessages
	ch <- lagSeconds
	ch <- lagUp
}

func (c *collector) Collect(ch chan<- prometheus.Metric) {
	began := time.Now()
	lags, err := Read(c.ctx, c.cfg, c.groups)
	up := 1.0
	if err != nil {
		up = 0
		c.log.WarnContext(c.ctx, "lag is not known", "error", err, "took", time.Since(began))
	}
	ch <- prometheus.MustNewConstMetric(lagUp, prometheus.GaugeValue, up)
	for _, l := range lags {
		partition := strconv.Itoa(int(l.Partition))
		ch <- prometheus.MustNewConstMetric(lagMessages, prometheus.GaugeValue, float64(l.Messages), l.Group, l.Topic, partition)
		ch <- prometheus.MustNewConstMetric(lagSeconds, prometheus.GaugeValue, l.Seconds, l.Group, l.Topic, partition)
	}
}
