package projector

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/document"
	"github.com/turnout-events/turnout/internal/kafkabus"
	"github.com/turnout-events/turnout/projector/analytics"
	"github.com/turnout-events/turnout/projector/availability"
	"github.com/turnout-events/turnout/projector/feed"
)

// Rebuildable are the read stores, in the order of `turnout rebuild all`.
var Rebuildable = []string{document.Access, document.Listings, document.GuestList, document.Facts, document.Outcomes, availability.Group}

// Rebuilder fills a read store from the log beside the live one, which goes on
// being read and written.
type Rebuilder struct {
	Config Config
	Deps   Deps
	// Progress is told what is done of how many messages, concurrently.
	Progress func(done, total int64)
}

// Report is what a rebuild found.
type Report struct {
	Store    string        `json:"store"`
	Messages int64         `json:"messages"`
	Rejected int           `json:"rejected"` // messages that are in the dead letters
	Filled   time.Duration `json:"filled"`   // until the new index had the log; comparing and swapping come after
	Took     time.Duration `json:"took"`
	Compared Comparison    `json:"compared"`
	Index    string        `json:"index,omitempty"`    // the new one; none in Redis, whose keys keep their names
	Previous []string      `json:"previous,omitempty"` // kept to go back to
}

// Rebuild runs one store. The live index stays behind its alias until the new
// one holds everything, then the alias moves in one step.
func (r *Rebuilder) Rebuild(ctx context.Context, store string) (Report, error) {
	if !slices.Contains(Rebuildable, store) {
		return Report{}, fmt.Errorf("there is no store %q to rebuild", store)
	}
	return r.recorded(ctx, store, r.rebuild)
}

func (r *Rebuilder) rebuild(ctx context.Context, store string, j *journal) (Report, error) {
	if store == availability.Group {
		return r.rebuildKeys(ctx, j)
	}
	spec, err := indexSpec(store, r.Config.Refresh)
	if err != nil {
		return Report{}, err
	}
	index, err := r.Deps.Elastic.NewIndex(ctx, store, spec)
	if err != nil {
		return Report{}, err
	}
	if store == document.GuestList {
		if err := r.forgetUnreached(ctx, store, index); err != nil {
			return Report{}, errors.Join(err, r.discard(ctx, store, index))
		}
	}
	report, err := r.fill(ctx, store, index, j)
	if err != nil { // nobody would erase anything in it
		return report, errors.Join(err, r.discard(ctx, store, index))
	}
	if store == document.Facts {
		err = feed.EndRefill(ctx, r.Deps.Redis)
	}
	return report, err
}

// Rollback puts the alias back on the index that was before, after filling up
// what came since. Of the keys in Redis it puts back those that were replaced,
// where nothing newer has come since.
func (r *Rebuilder) Rollback(ctx context.Context, store string) (Report, error) {
	return r.recorded(ctx, store, r.rollback)
}

func (r *Rebuilder) rollback(ctx context.Context, store string, j *journal) (Report, error) {
	if store == availability.Group {
		return r.rollbackKeys(ctx)
	}
	behind, err := r.Deps.Elastic.Behind(ctx, store)
	if err != nil || len(behind) == 0 {
		return Report{}, errors.Join(err, fmt.Errorf("there is no index behind %s", store))
	}
	all, err := r.Deps.Elastic.Physical(ctx, store)
	if err != nil {
		return Report{}, err
	}
	at := slices.Index(all, behind[len(behind)-1])
	if at < 1 {
		return Report{}, fmt.Errorf("there is no index before %s", behind[len(behind)-1])
	}
	report, err := r.fill(ctx, store, all[at-1], j)
	if err == nil && store == document.Facts { // its places may be of before a refill
		err = feed.NewEpoch(ctx, r.Deps.Redis)
	}
	return report, err
}

// fill replays into an index, while the projectors write to it too, and swaps.
func (r *Rebuilder) fill(ctx context.Context, store, index string, j *journal) (Report, error) {
	began := time.Now()
	report := Report{Store: store, Index: index}
	es := r.Deps.Elastic
	next := feed.Next(store)
	if _, err := es.SwapAlias(ctx, next, index); err != nil {
		return report, err
	}
	defer func() { // also after a failure: else the projectors write twice for ever
		if overtaken(ctx) {
			return
		}
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		if err := es.DropAlias(closing, next); err != nil {
			r.Deps.Log.ErrorContext(ctx, "alias left behind", "alias", next, "error", err)
		}
	}()
	// What the replay does not reach, because it comes later, the projectors
	// must write themselves: every one must have seen the new index before.
	if err := pause(ctx, 2*feed.TargetsFresh+500*time.Millisecond); err != nil {
		return report, err
	}
	seen := newHighest()
	handle := r.handler(store, next)
	if store == document.Listings {
		handle = seen.watch(handle)
	}
	all := newTogether(ctx, handle, r.Config.MaxBatch, 0)
	err := r.replay(ctx, topicOf(store), all.Handle, &report, j)
	if all.wait(); err != nil {
		return report, err
	}
	if store == document.Listings {
		if err := r.mend(ctx, next, seen); err != nil {
			return report, err
		}
	}
	report.Filled = time.Since(began)
	live, err := es.Behind(ctx, store)
	if err != nil {
		return report, err
	}
	if len(live) > 0 { // else somebody deleted it: that is what this is for, and there is nothing to compare with
		if store == document.Facts {
			if err := errors.Join(es.Refresh(ctx, store), analytics.KeepLate(ctx, es, store, next)); err != nil {
				return report, err
			}
		}
		if err := errors.Join(es.Refresh(ctx, store), es.Refresh(ctx, next)); err != nil {
			return report, err
		}
		if report.Compared, err = compare(ctx, es, store, next, comparePass); err != nil {
			return report, err
		}
	}
	if store == document.GuestList && len(live) > 0 { // erasing goes on in it
		if _, err := es.SwapAlias(ctx, feed.Kept(store), live[len(live)-1]); err != nil {
			return report, err
		}
	}
	// Whoever has seen a document in the live index sees it in this one: they are refreshed each in its own time.
	if err := es.Refresh(ctx, next); err != nil {
		return report, err
	}
	if report.Previous, err = es.SwapAlias(ctx, store, index); err != nil {
		return report, err
	}
	report.Took = time.Since(began)
	return report, r.forget(ctx, store, append(slices.Clone(report.Previous), index))
}

func topicOf(store string) string {
	switch store {
	case document.Access:
		return contract.TopicOrganizations
	case document.Outcomes:
		return contract.TopicNotifications
	default:
		return contract.TopicRegistrations
	}
}

// Replay writes a store's documents to an alias, and does nothing of what else
// a rebuild does.
func (r *Rebuilder) Replay(ctx context.Context, store, alias string) error {
	all := newTogether(ctx, r.handler(store, alias), r.Config.MaxBatch, 0)
	defer all.wait()
	var report Report
	return r.replay(ctx, topicOf(store), all.Handle, &report, r.journal(store))
}

func (r *Rebuilder) replay(ctx context.Context, topic string, handle kafkabus.Handler, report *Report, j *journal) error {
	rejected := make(chan int, 1)
	rejected <- 0
	var total int64
	err := kafkabus.Replay(ctx, r.Deps.Kafka, topic, patient(handle), kafkabus.ReplayOptions{
		MaxBatch: r.Config.MaxBatch,
		OnProgress: func(done, all int64, reasons map[int]error) {
			n := <-rejected
			total = max(total, done)
			rejected <- n + len(reasons)
			j.progress(ctx, done, all)
			if r.Progress != nil {
				r.Progress(done, all)
			}
		},
	})
	report.Rejected += <-rejected
	report.Messages += total
	return err
}

// forgetUnreached deletes what rebuilds that were killed have left, once there
// is an index whose name is another's for good. The projectors wrote to the last
// of them until now; from here on nobody would erase anything in it.
func (r *Rebuilder) forgetUnreached(ctx context.Context, store, index string) error {
	live, err := r.Deps.Elastic.Behind(ctx, store)
	if err != nil {
		return err
	}
	kept, err := r.Deps.Elastic.Behind(ctx, feed.Kept(store))
	if err != nil {
		return err
	}
	return r.forget(ctx, store, slices.Concat(live, kept, []string{index}))
}

// forget deletes indices that are neither live nor the one before.
func (r *Rebuilder) forget(ctx context.Context, store string, keep []string) error {
	all, err := r.Deps.Elastic.Physical(ctx, store)
	if err != nil {
		return err
	}
	for _, name := range all {
		if !slices.Contains(keep, name) {
			if err := r.Deps.Elastic.DeleteIndex(ctx, name); err != nil {
				return err
			}
		}
	}
	return nil
}
