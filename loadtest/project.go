package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"time"

	"github.com/IBM/sarama"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/turnout-events/turnout/internal/document"
	"github.com/turnout-events/turnout/internal/elastic"
	"github.com/turnout-events/turnout/internal/redisconn"
	"github.com/turnout-events/turnout/projector"
	"github.com/turnout-events/turnout/projector/analytics"
	"github.com/turnout-events/turnout/projector/guestlist"
)

// projected is how many messages a block of projection applies.
const projected = 240_000

// projection measures projectors from Kafka to Elasticsearch against the same documents written by plain _bulk requests
// of the same size, with the number of them at a time that is quickest.
func projection(ctx context.Context, o options) (rows []row, err error) {
	w, err := newWorld(ctx, o)
	if err != nil {
		return nil, err
	}
	defer func() { err = closeAfter(ctx, w, err) }()
	defer debug.SetGCPercent(debug.SetGCPercent(garbageLevel))
	p, err := newProjections(ctx, w, true)
	if err != nil {
		return nil, err
	}
	if _, err := p.generator.publish(w, projected); err != nil {
		return nil, err
	}
	for _, group := range []string{analytics.Group, guestlist.Group} {
		more, err := p.compare(ctx, o, group)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", group, err)
		}
		rows = append(rows, more...)
	}
	return rows, nil
}

// projections are a world with messages and what projectors need.
type projections struct {
	*world
	generator *generator
	client    *elastic.Client
	redis     *redisconn.Conn
	log       *slog.Logger
}

func newProjections(ctx context.Context, w *world, keys bool) (*projections, error) {
	p := &projections{world: w, log: slog.New(slog.DiscardHandler)}
	var err error
	if p.generator, err = newGenerator(keys); err != nil {
		return nil, err
	}
	if err := w.topics(ctx); err != nil {
		return nil, err
	}
	if p.client, err = w.client8(ctx, w.elastic); err != nil {
		return nil, err
	}
	p.redis, err = redisconn.Open(ctx, redisconn.Config{URL: w.engines.redis, Namespace: w.namespace, Timeout: 5 * time.Second}, p.log)
	if err != nil {
		return nil, err
	}
	return p, projector.EnsureIndices(ctx, p.client, 500*time.Millisecond)
}

// client8 speaks to an Elasticsearch, or to what captures what one would get.
func (w *world) client8(ctx context.Context, url string) (*elastic.Client, error) {
	return elastic.Open(ctx, elastic.Config{URL: url, Namespace: w.namespace, Timeout: 30 * time.Second}, slog.New(slog.DiscardHandler))
}

// compare has an empty index for every block.
func (p *projections) compare(ctx context.Context, o options, group string) ([]row, error) {
	c, err := p.capture(ctx, group)
	if err != nil {
		return nil, err
	}
	docs := float64(c.docs())
	best, most := 0, 0.0
	for _, some := range []int{1, 2, 4} {
		if err := p.empty(ctx, group); err != nil {
			return nil, err
		}
		took, err := c.write(ctx, p.elastic, some)
		if err != nil {
			return nil, err
		}
		if rate := docs / took.Seconds(); rate > most {
			best, most = some, rate
		}
	}
	var ours, raw series
	err = alternate(o.rounds, func() error {
		rate, err := p.block(ctx, group, p.client, projected)
		ours = append(ours, rate*docs/projected)
		return err
	}, func() error {
		if err := p.empty(ctx, group); err != nil {
			return err
		}
		took, err := c.write(ctx, p.elastic, best)
		raw = append(raw, docs/took.Seconds())
		return err
	})
	return []row{
		ours.row("projector "+group+", Kafka to Elasticsearch", "documents/s"),
		raw.row(fmt.Sprintf("_bulk of the same, %d at a time", best), "documents/s"),
		ours.over(raw).row("projector "+group+" / _bulk", "×").atLeast(.7),
	}, err
}

// capture lets a group write to nowhere and keeps what it wrote.
func (p *projections) capture(ctx context.Context, group string) (*captured, error) {
	c, err := capture(ctx, p.dir)
	if err != nil {
		return nil, err
	}
	client, err := p.client8(ctx, c.url)
	if err != nil {
		return nil, err
	}
	_, err = p.block(ctx, group, client, projected)
	return c, errors.Join(err, client.Close(ctx), c.stop(ctx))
}

// empty puts a new index behind the alias of a store.
func (p *projections) empty(ctx context.Context, store string) error {
	mapping, err := document.Mapping(store)
	if err != nil {
		return err
	}
	index, err := p.client.NewIndex(ctx, store, elastic.IndexSpec{Mappings: mapping, Refresh: 500 * time.Millisecond})
	if err != nil {
		return err
	}
	old, err := p.client.SwapAlias(ctx, store, index)
	for _, name := range old {
		err = errors.Join(err, p.client.DeleteIndex(ctx, name))
	}
	return err
}

// block runs the projector with one group from the first message to the last, and gives the messages a second between
// its first batch and its last: joining a group takes Kafka seconds, which are not the projector's.
func (p *projections) block(ctx context.Context, group string, client *elastic.Client, messages float64) (rate float64, err error) {
	if err := p.forgetGroup(group); err != nil {
		return 0, err
	}
	if client == p.client {
		if err := p.empty(ctx, group); err != nil {
			return 0, err
		}
	}
	registry := prometheus.NewRegistry()
	part, err := projector.New(ctx, projector.Config{Refresh: 500 * time.Millisecond, MaxBatch: 500, Groups: []string{group}}, projector.Deps{
		Log: p.log, Registry: registry, Kafka: p.kafkaConfig(), Elastic: client, Redis: p.redis, Keys: p.generator,
	})
	if err != nil {
		return 0, err
	}
	running, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- part.Run(running) }()
	defer func() {
		stop()
		err = errors.Join(err, <-ended)
	}()
	within, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	var first, last time.Time
	var before float64
	err = until(within, 10*time.Millisecond, func() (bool, error) {
		n, err := counted(registry, group)
		if n > 0 && first.IsZero() {
			first, before = time.Now(), n
		}
		last = time.Now()
		return n >= messages, err
	})
	return (messages - before) / last.Sub(first).Seconds(), err
}

// counted reads the projector's own metric.
func counted(registry *prometheus.Registry, group string) (float64, error) {
	families, err := registry.Gather()
	for _, f := range families {
		if f.GetName() != "turnout_projector_messages_total" {
			continue
		}
		for _, m := range f.GetMetric() {
			if len(m.GetLabel()) > 0 && m.GetLabel()[0].GetValue() == group {
				return m.GetCounter().GetValue(), nil
			}
		}
	}
	return 0, err
}

// forgetGroup lets a consumer group begin anew.
func (p *projections) forgetGroup(group string) error {
	admin, err := sarama.NewClusterAdmin(strings.Split(p.kafka, ","), rawKafka())
	if err != nil {
		return err
	}
	err = admin.DeleteConsumerGroup(p.kafkaConfig().Group(group))
	if errors.Is(err, sarama.ErrGroupIDNotFound) {
		err = nil
	}
	return errors.Join(err, admin.Close())
}
