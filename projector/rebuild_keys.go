package projector

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/document"
	"github.com/turnout-events/turnout/projector/availability"
)

// errEmptyLog keeps a Kafka that lost its data from emptying Redis too.
var errEmptyLog = errors.New("the log in Kafka is empty, and Redis is not: turnout rebuild --from postgres comes first")

// rebuildKeys makes every event's seats and copy, and every organization's
// roles, anew beside the live keys, and swaps them key by key. Live ones that
// the log does not know are removed.
func (r *Rebuilder) rebuildKeys(ctx context.Context, j *journal) (report Report, err error) {
	began := time.Now()
	report = Report{Store: availability.Group}
	g := generation{deps: r.Deps, keep: kept}
	if err := g.drop(ctx, besideLive); err != nil { // of a rebuild that died
		return report, err
	}
	defer func() {
		if err != nil && !overtaken(ctx) {
			closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
			defer cancel()
			err = errors.Join(err, g.drop(closing, besideLive))
		}
	}()
	var read, rejected, most atomic.Int64
	follow := func(topic string) *follower {
		return &follower{deps: r.Deps, topic: topic, batch: r.Config.MaxBatch, progress: func(done, total int64, reasons map[int]error) {
			rejected.Add(int64(len(reasons)))
			if total < most.Load() {
				return // a smaller topic, or what has come since: the last of the way looks like no beginning
			}
			most.Store(total)
			j.progress(ctx, done, total)
			if r.Progress != nil {
				r.Progress(done, total)
			}
		}}
	}
	sources := []source{g.seats(follow(contract.TopicRegistrations)), g.roles(follow(contract.TopicOrganizations))}
	for i := range sources {
		handle := sources[i].beside
		sources[i].beside = func(ctx context.Context, messages []*message.Message) error {
			read.Add(int64(len(messages)))
			return handle(ctx, messages)
		}
	}
	live, err := g.fill(ctx, sources, func() (keys, error) {
		live, err := g.all(ctx)
		if err != nil {
			return nil, err
		}
		return live, g.look(ctx, live)
	})
	if err != nil {
		return report, err
	}
	report.Messages, report.Rejected, report.Filled = read.Load(), int(rejected.Load()), time.Since(began)
	filled, err := g.all(ctx, besideLive...)
	if err != nil {
		return report, err
	}
	report.Compared.Live, report.Compared.New = live.total(), filled.total()
	if report.Compared.New == 0 && report.Compared.Live > 0 {
		return report, errEmptyLog
	}
	live.add(filled)
	if err := g.drop(ctx, before); err != nil {
		return report, err
	}
	if err := r.Deps.Redis.Set(ctx, r.Deps.Redis.Key(before...), began.UTC().Format(time.RFC3339), g.keep).Err(); err != nil {
		return report, err
	}
	if err := g.swap(ctx, live, &report.Compared); err != nil {
		return report, err
	}
	if err := settle(ctx, sources); err != nil {
		return report, err
	}
	report.Previous = []string{r.Deps.Redis.Key(document.KeyPrevious, "*")}
	report.Took = time.Since(began)
	return report, nil
}

func (r *Rebuilder) rollbackKeys(ctx context.Context) (Report, error) {
	began := time.Now()
	report := Report{Store: availability.Group}
	g := generation{deps: r.Deps}
	mark := r.Deps.Redis.Key(before...)
	if there, err := r.Deps.Redis.Exists(ctx, mark).Result(); err != nil || there == 0 {
		return report, errors.Join(err, fmt.Errorf("there are no keys of before a rebuild; they are kept for %s", kept))
	}
	replaced, err := g.all(ctx, before...)
	if err != nil {
		return report, err
	}
	if err := g.restore(ctx, replaced, &report.Compared); err != nil {
		return report, err
	}
	report.Compared.New = replaced.total()
	if err := errors.Join(g.drop(ctx, before), r.Deps.Redis.Del(ctx, mark).Err()); err != nil {
		return report, err
	}
	report.Took = time.Since(began)
	return report, nil
}

func (k keys) total() (n int64) {
	for _, ids := range k {
		n += int64(len(ids))
	}
	return n
}
