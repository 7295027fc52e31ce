package projector

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/turnout-events/turnout/internal/kafkabus"
)

// indexEvery is how often each index is looked for.
const indexEvery = 3 * time.Second

// index makes a group's index, or brings it up to date. An index that is gone
// although the group has read messages was deleted: the group's offsets know
// nothing of that, so it is filled from the log before it is seen.
func (p *Projector) index(ctx context.Context, g group, log *slog.Logger) error {
	behind, err := p.deps.Elastic.Behind(ctx, g.index)
	if err != nil {
		return err
	}
	if len(behind) == 0 {
		read, err := p.hasRead(ctx, g)
		if err != nil {
			return err
		}
		if read {
			return p.restore(ctx, g, log)
		}
	}
	return ensureIndex(ctx, p.deps.Elastic, g.index, p.cfg.Refresh)
}

// hasRead tells whether the group has committed anything.
func (p *Projector) hasRead(ctx context.Context, g group) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	lags, err := kafkabus.Lag(ctx, p.deps.Kafka, map[string][]string{g.name: {g.topic}})
	if err != nil {
		return false, fmt.Errorf("offsets of %s: %w", g.name, err)
	}
	for _, l := range lags {
		if l.Committed > 0 {
			return true, nil
		}
	}
	return false, nil
}

// watchIndex finds an index that is deleted while the projector runs: the
// group's batches fail until it is there again. It must be missed twice.
func (p *Projector) watchIndex(ctx context.Context, g group, log *slog.Logger) {
	missed := 0
	for pause(ctx, indexEvery) == nil {
		behind, err := p.deps.Elastic.Behind(ctx, g.index)
		if err != nil || len(behind) > 0 {
			missed = 0
			continue
		}
		if missed++; missed < 2 {
			continue
		}
		if err := p.index(ctx, g, log); err != nil && ctx.Err() == nil {
			log.WarnContext(ctx, "index is gone and not filled, trying again", "index", g.index, "error", err)
		}
	}
}

// restore rebuilds a store whose index is gone; of several projectors one does.
func (p *Projector) restore(ctx context.Context, g group, log *slog.Logger) error {
	log.ErrorContext(ctx, "index is gone, filling a new one from the log", "index", g.index)
	report, err := (&Rebuilder{Config: p.cfg, Deps: p.deps}).Rebuild(ctx, g.index)
	if err != nil {
		return fmt.Errorf("fill %s: %w", g.index, err)
	}
	p.metrics.restored.WithLabelValues(g.name).Inc()
	log.InfoContext(ctx, "index filled", "index", g.index, "messages", report.Messages, "took", report.Took)
	return nil
}
