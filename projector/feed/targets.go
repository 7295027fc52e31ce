package feed

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/turnout-events/turnout/internal/elastic"
)

// nextSuffix after an alias names the index that a rebuild fills.
const nextSuffix = "-next"

// Next is the alias of the index that a rebuild fills beside the live one.
func Next(alias string) string { return alias + nextSuffix }

// keptSuffix after an alias names the index that a rebuild has replaced and keeps.
const keptSuffix = "-kept"

// Kept is the alias of the index that is there to go back to. It is put on it
// before the live alias leaves it: who writes to the live one first and to this
// one then misses neither.
func Kept(alias string) string { return alias + keptSuffix }

// TargetsFresh is how often projectors look for an index that is being
// rebuilt. A rebuild waits longer than this before it starts to replay.
const TargetsFresh = time.Second

// Targets says where a projector writes: its alias, and while a rebuild is
// under way the new index too, and that one first: so it is never behind.
type Targets struct {
	elastic *elastic.Client
	alias   string
	log     *slog.Logger
	dual    atomic.Bool
}

// NewTargets is for one alias.
func NewTargets(client *elastic.Client, alias string, log *slog.Logger) *Targets {
	return &Targets{elastic: client, alias: alias, log: log}
}

// Each calls write for every alias that is to be written now.
func (t *Targets) Each(ctx context.Context, write func(alias string) error) error {
	if t.dual.Load() {
		if err := write(Next(t.alias)); err != nil {
			// The rebuild may be over since we looked: its alias is gone then, and
			// that is no reason to wait.
			if t.Refresh(ctx); t.dual.Load() {
				return err
			}
		}
	}
	return write(t.alias)
}

// Each calls write for every alias that a projector writes to.
type Each func(ctx context.Context, write func(alias string) error) error

// To is the one alias.
func To(alias string) Each {
	return func(_ context.Context, write func(string) error) error { return write(alias) }
}

// Nowhere is for a projector whose other store alone is to be written.
func Nowhere(context.Context, func(string) error) error { return nil }

// Refresh looks once.
func (t *Targets) Refresh(ctx context.Context) {
	behind, err := t.elastic.Behind(ctx, Next(t.alias))
	if err != nil {
		return // as before; the writes themselves tell that the store is away
	}
	if was := t.dual.Swap(len(behind) > 0); was != (len(behind) > 0) {
		t.log.InfoContext(ctx, "rebuild noticed", "alias", t.alias, "writing_both", len(behind) > 0)
	}
}

// Watch looks until ctx ends.
func (t *Targets) Watch(ctx context.Context) {
	tick := time.NewTicker(TargetsFresh)
	defer tick.Stop()
	for {
		t.Refresh(ctx)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
