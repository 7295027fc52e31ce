package main

import (
	"context"
	"fmt"
	"net/http"

	"github.com/turnout-events/turnout/loadtest/wire"
)

// many is how many events the load is spread over.
const many = 1000

// spread loads one event and then many, in turn: an event that everybody wants must not be slower than events that
// nobody fights over.
func spread(ctx context.Context, o options) (rows []row, err error) {
	a, err := newArms(ctx, o)
	if err != nil {
		return nil, err
	}
	defer func() { err = closeAfter(ctx, a.world, err) }()
	events, err := a.events(ctx, many, nil, "")
	if err != nil {
		return nil, err
	}
	templates := make([]*wire.Template, many)
	for i, e := range events {
		templates[i] = a.rsvp(e)
	}
	var bookshelf *child
	if bookshelf, err = a.base(ctx, "textbook", 32); err != nil {
		return nil, err
	}
	for _, conns := range o.conns {
		one, apart, book := &tally{odd: map[int]int64{}}, &tally{odd: map[int]int64{}}, series{}
		l := closed(o, conns, nil)
		l.Template = func(n int64) *wire.Template { return templates[n%many] }
		err := alternate(o.rounds, func() error { return a.hotBlock(ctx, o, conns, one) },
			func() error {
				if err := a.checkpoint(ctx); err != nil {
					return err
				}
				b, err := a.loadTurnout(ctx, a.turnout, l)
				if err == nil {
					apart.add(b)
				}
				return err
			}, func() error {
				if err := a.checkpoint(ctx); err != nil {
					return err
				}
				b, err := a.load(ctx, bookshelf, l)
				if err == nil {
					book = append(book, b.PerSecond(http.StatusCreated))
				}
				return err
			})
		if err != nil {
			return nil, err
		}
		at := fmt.Sprintf(", %d connections", conns)
		over := fmt.Sprintf("spread over %d events%s", many, at)
		rows = append(rows, one.turnout.row("hot event"+at, "RSVPs/s"), apart.turnout.row(over, "RSVPs/s"),
			one.turnout.over(apart.turnout).row("hot / spread"+at, "×").atLeast(1),
			book.row("textbook, pool of 32, "+over, "RSVPs/s"), apart.turnout.over(book).row("spread / textbook spread"+at, "×"),
			apart.commits.row("commits per RSVP, "+over, "commits"), apart.p99.row("RSVP p99, "+over, "ms"),
			apart.command.row("CPU of the command role per RSVP, "+over, "µs"), apart.postgres.row("CPU of Postgres per RSVP, "+over, "µs"))
		rows = append(append(rows, one.others(at)...), apart.others(", "+over)...)
	}
	more, err := a.drainAndVerify(ctx, o)
	return append(rows, more...), err
}
