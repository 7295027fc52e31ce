package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/turnout-events/turnout/internal/postgres"
	"github.com/turnout-events/turnout/migrations"
	"github.com/turnout-events/turnout/notifier/notice"
	"github.com/turnout-events/turnout/notifier/pgstore"
)

// tickGrows is how much more a tick may cost with a hundred times as much planned.
const tickGrows = 1.5

// ticks asks what is due, as a tick of the notifier does, while nothing is: once with 10,000 notices planned for later and
// once with 1,000,000, in turn. The rows are made by generate_series: nobody reads what is in them.
func ticks(ctx context.Context, o options) (rows []row, err error) {
	e, err := findEngines()
	if err != nil {
		return nil, err
	}
	few, many := &planned{count: 10_000}, &planned{count: 1_000_000}
	var names []string
	defer func() { // no topics, indices or keys: only the databases
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		for _, p := range []*planned{few, many} {
			if p.pool != nil {
				p.pool.Close()
			}
		}
		for _, name := range names {
			err = errors.Join(err, e.execute(closing, e.postgres, `DROP DATABASE IF EXISTS "`+name+`" WITH (FORCE)`))
		}
	}()
	for i, p := range []*planned{few, many} {
		name := fmt.Sprintf("loadtick%d_%d", time.Now().UnixMilli()%1e8, i)
		names = append(names, name)
		if err := p.open(ctx, e, name); err != nil {
			return nil, err
		}
	}
	for range 100 { // warm both
		if err := errors.Join(few.look(ctx, nil), many.look(ctx, nil)); err != nil {
			return nil, err
		}
	}
	var a, b series
	err = alternate(o.rounds, func() error { return few.block(ctx, o.duration, &a) }, func() error { return many.block(ctx, o.duration, &b) })
	if err != nil {
		return nil, err
	}
	return []row{
		a.row("a tick, 10,000 planned", "ms"), b.row("a tick, 1,000,000 planned", "ms"),
		b.over(a).row("a hundred times as much planned", "ratio").atMost(tickGrows),
	}, nil
}

// planned is a notifier's database with so many notices for later.
type planned struct {
	count int
	pool  *pgxpool.Pool
	store *pgstore.Store
}

func (p *planned) open(ctx context.Context, e engines, name string) error {
	url, err := e.database(ctx, name)
	if err != nil {
		return err
	}
	if err := postgres.Migrate(ctx, url, migrations.FS); err != nil {
		return err
	}
	if p.pool, err = pgxpool.New(ctx, url); err != nil {
		return err
	}
	p.store = pgstore.New(p.pool)
	for done := 0; done < p.count; done += 50_000 {
		if _, err := p.pool.Exec(ctx, `
			INSERT INTO notifier.notification (id, event_id, organization_id, rsvp_id, kind, channel, occurrence, lane, due_at, next_at,
				epoch, state, reason, cause_type, cause_version, detail, planned_at)
			SELECT gen_random_uuid(), $1, $1, gen_random_uuid(), 'reminder', 'mail', 'x', (ARRAY[0, 1, 2, 3, 4])[1 + i % 5], at, at, 0, 'planned', 'r', 'c', 1, '{}', now()
			FROM (SELECT i, now() + interval '1 day' + (i % 80000) * interval '1 minute' AS at FROM generate_series(1, $2::int) i) s`,
			uuid.NewString(), min(50_000, p.count-done)); err != nil {
			return err
		}
	}
	for _, sql := range []string{"VACUUM ANALYZE notifier.notification", "CHECKPOINT"} {
		if _, err := p.pool.Exec(ctx, sql); err != nil {
			return err
		}
	}
	return nil
}

// look is what a tick asks: what is due in the lanes that go first, and in the others.
func (p *planned) look(ctx context.Context, times *[]time.Duration) error {
	began := time.Now()
	for _, lanes := range [][]notice.Lane{notice.LanesFirst, notice.LanesRest} {
		claimed, err := p.store.Claim(ctx, notice.ChannelMail, "load", began.UTC(), time.Minute, 500, lanes...)
		if err != nil || len(claimed) > 0 {
			return errors.Join(err, fmt.Errorf("%d notices were due", len(claimed)))
		}
	}
	if times != nil {
		*times = append(*times, time.Since(began))
	}
	return nil
}

// block looks again and again, and adds the median in milliseconds.
func (p *planned) block(ctx context.Context, length time.Duration, to *series) error {
	var times []time.Duration
	for end := time.Now().Add(length); time.Now().Before(end); {
		if err := p.look(ctx, &times); err != nil {
			return err
		}
	}
	var all series
	for _, t := range times {
		all = append(all, ms(t))
	}
	*to = append(*to, all.row("", "").Median)
	return nil
}
