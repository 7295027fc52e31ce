package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/turnout-events/turnout/loadtest/wire"
)

// warm is the part of a block that is not measured.
const warm = 500 * time.Millisecond

// arms are the servers that a scenario compares.
type arms struct {
	*world
	turnout, noop, textbook *child
	pool                    int             // of the textbook: the best of the sweep
	pools                   map[int]float64 // what the textbook did with each size of its pool
}

// newArms starts Turnout's command role alone.
func newArms(ctx context.Context, o options) (*arms, error) { return newArmsOf(ctx, o, "command") }

// newArmsOf starts a world with a role that takes commands, and the no-op.
func newArmsOf(ctx context.Context, o options, role string) (a *arms, err error) {
	w, err := newWorld(ctx, o)
	if err != nil {
		return nil, err
	}
	a = &arms{world: w}
	if err = a.start(ctx, role); err != nil {
		return nil, errors.Join(err, w.close(ctx))
	}
	return a, nil
}

func (a *arms) start(ctx context.Context, role string) (err error) {
	if a.turnout, err = a.role(ctx, role); err != nil {
		return err
	}
	if err = a.signUp(ctx, a.turnout); err != nil {
		return err
	}
	if a.noop, err = a.base(ctx, "noop", 0); err != nil {
		return err
	}
	d, err := a.durability(ctx)
	fmt.Println("Postgres:", d)
	return err
}

// sweepConns load the textbook while its pool is looked for. The last pool has a connection for each: that is what a
// handler gets that nobody thought about.
const sweepConns = 64

// sweep finds the pool that serves the textbook best on one event, and leaves it running with that.
func (a *arms) sweep(ctx context.Context, o options) error {
	best := 0.0
	a.pools = map[int]float64{}
	for _, pool := range []int{1, 2, 4, 8, 16, 32, sweepConns} {
		rate, err := a.try(ctx, o, pool)
		if err != nil {
			return err
		}
		fmt.Printf("textbook handler, pool of %d: %.0f/s\n", pool, rate)
		a.pools[pool] = rate
		if rate > best {
			best, a.pool = rate, pool
		}
	}
	var err error
	a.textbook, err = a.base(ctx, "textbook", a.pool)
	return err
}

func (a *arms) try(ctx context.Context, o options, pool int) (float64, error) {
	c, err := a.base(ctx, "textbook", pool)
	if err != nil {
		return 0, err
	}
	event, err := a.textbookEvent(ctx)
	if err != nil {
		return 0, err
	}
	b, err := a.load(ctx, c, closed(o, sweepConns, a.rsvp(event)))
	if err != nil {
		return 0, err
	}
	return b.PerSecond(http.StatusCreated), c.stop()
}

func closed(o options, conns int, t *wire.Template) wire.Load {
	return wire.Load{Conns: conns, Template: func(int64) *wire.Template { return t }, Warm: warm, For: o.duration}
}

// tally is what the rounds of one setting gave.
type tally struct {
	turnout, textbook, noop            series // answers a second
	batch                              series // RSVPs a second of the direct batch
	likeOthers, noopLikeOthers         series // the same with an ordinary generator
	p50, p99                           series
	syncs, commits                     series // per RSVP
	command, postgres, generator, bare series // CPU per RSVP in µs; bare is the generator's share against the no-op
	odd                                map[int]int64
}

func (t *tally) add(b block) {
	taken := b.Statuses[http.StatusCreated]
	t.turnout = append(t.turnout, b.PerSecond(http.StatusCreated))
	t.p50, t.p99 = append(t.p50, ms(b.Quantile(.5))), append(t.p99, ms(b.Quantile(.99)))
	if b.Sent > 0 {
		t.syncs, t.commits = append(t.syncs, float64(b.syncs)/float64(b.Sent)), append(t.commits, float64(b.commits)/float64(b.Sent))
	}
	t.command, t.postgres = append(t.command, us(b.server, b.Sent)), append(t.postgres, us(b.postgres, b.Sent))
	t.generator = append(t.generator, us(b.self, b.Sent))
	for status, n := range b.Statuses {
		if status != http.StatusCreated {
			t.odd[status] += n
		}
	}
	if taken == 0 {
		t.odd[0]++
	}
}

// hot is one event that everybody wants.
func hot(ctx context.Context, o options) (rows []row, err error) {
	a, err := newArms(ctx, o)
	if err != nil {
		return nil, err
	}
	defer func() { err = closeAfter(ctx, a.world, err) }()
	if err := a.sweep(ctx, o); err != nil {
		return nil, err
	}
	fsync, err := a.flush(ctx)
	if err != nil {
		return nil, err
	}
	rows = append(rows, fsync)
	alone := map[int]*tally{}
	for _, conns := range o.conns {
		t, err := a.compare(ctx, o, conns)
		if err != nil {
			return nil, err
		}
		if conns == o.middle() {
			if err := a.compareOrdinary(ctx, o, conns, t); err != nil {
				return nil, err
			}
		}
		alone[conns] = t
		rows = append(rows, t.rows(a, conns)...)
	}
	more, err := a.lastSeats(ctx)
	if err != nil {
		return nil, err
	}
	rows = append(rows, more...)
	if more, err = a.drainAndVerify(ctx, o); err != nil || o.stores == "none" {
		return append(rows, more...), err
	}
	rows = append(rows, more...)
	if err := a.stopRoles(); err != nil {
		return nil, err
	}
	more, err = allOn(ctx, o, alone)
	return append(rows, more...), err
}

func closeAfter(ctx context.Context, w *world, err error) error {
	if e := w.close(ctx); err == nil {
		err = e
	}
	return err
}

// compare loads the arms in turn. Every block has an event of its own.
func (a *arms) compare(ctx context.Context, o options, conns int) (*tally, error) {
	t := &tally{odd: map[int]int64{}}
	err := alternate(o.rounds, func() error { return a.hotBlock(ctx, o, conns, t) },
		func() error {
			b, err := a.load(ctx, a.noop, closed(o, conns, a.rsvp(noEvent)))
			if err != nil {
				return err
			}
			t.noop = append(t.noop, b.PerSecond(http.StatusCreated))
			t.bare = append(t.bare, b.self.Seconds()/(b.self+b.server).Seconds())
			return nil
		}, func() error {
			event, err := a.textbookEvent(ctx)
			if err != nil {
				return err
			}
			if err := a.checkpoint(ctx); err != nil {
				return err
			}
			b, err := a.load(ctx, a.textbook, closed(o, conns, a.rsvp(event)))
			if err == nil {
				t.textbook = append(t.textbook, b.PerSecond(http.StatusCreated))
			}
			return err
		}, func() error {
			rate, err := a.batchSQL(ctx, o)
			t.batch = append(t.batch, rate)
			return err
		})
	return t, err
}

func (a *arms) hotBlock(ctx context.Context, o options, conns int, t *tally) error {
	b, err := a.hotLoad(ctx, o, conns, false)
	if err == nil {
		t.add(b)
	}
	return err
}

func (a *arms) hotLoad(ctx context.Context, o options, conns int, ordinary bool) (block, error) {
	events, err := a.events(ctx, 1, nil, "")
	if err != nil {
		return block{}, err
	}
	if err := a.checkpoint(ctx); err != nil {
		return block{}, err
	}
	l := closed(o, conns, a.rsvp(events[0]))
	l.Ordinary = ordinary
	return a.loadTurnout(ctx, a.turnout, l)
}

// compareOrdinary loads Turnout and the no-op with net/http's client, as the load generators that others publish figures
// from do. The share of a machine that such a client takes hides what a handler costs: both ratios are shown.
func (a *arms) compareOrdinary(ctx context.Context, o options, conns int, t *tally) error {
	return alternate(o.rounds, func() error {
		b, err := a.hotLoad(ctx, o, conns, true)
		if err == nil {
			t.likeOthers = append(t.likeOthers, b.PerSecond(http.StatusCreated))
		}
		return err
	}, func() error {
		l := closed(o, conns, a.rsvp(noEvent))
		l.Ordinary = true
		b, err := a.load(ctx, a.noop, l)
		if err == nil {
			t.noopLikeOthers = append(t.noopLikeOthers, b.PerSecond(http.StatusCreated))
		}
		return err
	})
}

// noEvent is what the no-op is asked for; it does not look.
const noEvent = "00000000-0000-7000-8000-000000000000"

func (t *tally) rows(a *arms, conns int) []row {
	at := fmt.Sprintf(", %d connections", conns)
	rows := []row{
		t.turnout.row("hot event"+at, "RSVPs/s"),
		t.textbook.row(fmt.Sprintf("textbook, pool of %d%s", a.pool, at), "RSVPs/s"),
		t.noop.row("no-op handler"+at, "requests/s"),
		t.turnout.over(t.textbook).row("hot / textbook"+at, "×").atLeast(15),
		t.turnout.over(t.noop).row("hot / no-op"+at, "×").atLeast(0.3),
		t.batch.row("rows written directly, 100 RSVPs in a transaction"+at, "RSVPs/s"),
		floorOf(t.noop, t.batch).row("at the most here: no-op and direct rows on the same cores"+at, "RSVPs/s"),
		t.turnout.over(floorOf(t.noop, t.batch)).row("hot / at the most here"+at, "×").atLeast(0.6),
		t.p50.row("RSVP p50"+at, "ms"), t.p99.row("RSVP p99"+at, "ms"),
		t.syncs.row("WAL fsyncs of the whole Postgres per RSVP"+at, "fsyncs").atMost(0.05),
		t.commits.row("commits per RSVP"+at, "commits").atMost(0.05),
		t.command.row("CPU of the command role per RSVP"+at, "µs"), t.postgres.row("CPU of Postgres per RSVP"+at, "µs"),
		t.generator.row("CPU of the generator per RSVP"+at, "µs"),
		t.bare.row("generator's share of the CPU against no-op"+at, "of 1"),
	}
	if len(t.likeOthers) > 0 {
		at := ", net/http as the generator" + at
		rows = append(rows, t.likeOthers.row("hot event"+at, "RSVPs/s"), t.noopLikeOthers.row("no-op handler"+at, "requests/s"),
			t.likeOthers.over(t.noopLikeOthers).row("hot / no-op"+at, "×").atLeast(0.3))
	}
	if naive := a.pools[conns]; naive > 0 {
		rows = append(rows, series{naive}.row(fmt.Sprintf("textbook, a connection per client (pool of %d)%s", conns, at), "RSVPs/s"),
			series{t.turnout.row("", "").Median / naive}.row("hot / textbook with a connection per client"+at, "×"))
	}
	return append(rows, t.others(at)...)
}

// others are the answers that were not 201: none is wanted where there is room for all.
func (t *tally) others(at string) (rows []row) {
	for status, n := range t.odd {
		rows = append(rows, row{Name: fmt.Sprintf("answers of %d%s", status, at), Unit: "answers", Median: float64(n), Low: float64(n), High: float64(n), N: n})
	}
	return rows
}
