package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/turnout-events/turnout/loadtest/wire"
)

// peak is the rate of the plan: RSVPs a second at the opening of a popular event.
const peak = 500

// steady loads one event at the peak's rate, whatever the system does, and compares with the textbook handler (a
// transaction per request) at that rate, and with one request at a time: of the textbook, with nobody in its way, and of
// Turnout itself.
func steady(ctx context.Context, o options) (rows []row, err error) {
	a, err := newArms(ctx, o)
	if err != nil {
		return nil, err
	}
	defer func() { err = closeAfter(ctx, a.world, err) }()
	if a.textbook, err = a.base(ctx, "textbook", 4); err != nil {
		return nil, err
	}
	events, err := a.events(ctx, 1, nil, "")
	if err != nil {
		return nil, err
	}
	t := a.rsvp(events[0])
	open := wire.Load{Conns: 256, Rate: peak, Template: func(int64) *wire.Template { return t }, Warm: warm, For: o.duration}
	alone := closed(o, 1, t)
	alone.For = max(time.Second, o.duration/4)
	var single, ours, beside series
	busy := &tally{odd: map[int]int64{}}
	err = alternate(o.rounds, func() error {
		b, err := a.loadTurnout(ctx, a.turnout, open)
		if err == nil {
			busy.add(b)
		}
		return err
	}, func() error { // an answer takes longer when the processors sleep between two: that is nobody's work
		b, err := a.load(ctx, a.textbook, open)
		if err == nil {
			beside = append(beside, ms(b.Quantile(.5)))
		}
		return err
	}, func() error {
		b, err := a.load(ctx, a.textbook, alone)
		if err == nil {
			single = append(single, ms(b.Quantile(.5)))
		}
		return err
	}, func() error {
		b, err := a.loadTurnout(ctx, a.turnout, alone)
		if err == nil {
			ours = append(ours, ms(b.Quantile(.5)))
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	at := fmt.Sprintf(", %d/s on one event", peak)
	rows = []row{
		busy.turnout.row("RSVPs acknowledged"+at, "RSVPs/s"),
		busy.p50.row("RSVP p50, due to acknowledged"+at, "ms"),
		busy.p99.row("RSVP p99, due to acknowledged"+at, "ms").below(50),
		beside.row("p50 of the textbook"+at, "ms"), single.row("p50 of the textbook, one request at a time", "ms"), ours.row("p50 of Turnout, one request at a time", "ms"),
		busy.p50.over(beside).row("p50"+at+" / p50 of the textbook at that rate", "×").atMost(1.3),
		busy.p50.over(single).row("p50"+at+" / p50 of the textbook alone", "×").atMost(1.3),
		busy.p50.over(ours).row("p50"+at+" / p50 of Turnout alone", "×"),
		ours.over(single).row("p50 of Turnout alone / of the textbook alone", "×"),
	}
	rows = append(rows, busy.others(at)...)
	more, err := a.drainAndVerify(ctx, o)
	return append(rows, more...), err
}

// refuse asks a full event without a waitlist, and one without an end, in turn.
func refuse(ctx context.Context, o options) (rows []row, err error) {
	a, err := newArms(ctx, o)
	if err != nil {
		return nil, err
	}
	defer func() { err = closeAfter(ctx, a.world, err) }()
	const seats = 100
	capacity := seats
	full, err := a.events(ctx, 1, &capacity, "none")
	if err != nil {
		return nil, err
	}
	t := a.rsvp(full[0])
	fill := wire.Load{Conns: 16, Requests: 2 * seats, For: time.Minute, Template: func(int64) *wire.Template { return t }}
	if _, err := a.loadTurnout(ctx, a.turnout, fill); err != nil {
		return nil, err
	}
	for _, conns := range o.conns {
		taken, no, bare := &tally{odd: map[int]int64{}}, &tally{odd: map[int]int64{}}, series{}
		var refused series
		err := alternate(o.rounds, func() error { return a.hotBlock(ctx, o, conns, taken) },
			func() error {
				b, err := a.loadTurnout(ctx, a.turnout, closed(o, conns, t))
				if err != nil {
					return err
				}
				no.add(b)
				refused = append(refused, b.PerSecond(http.StatusConflict))
				return nil
			}, func() error {
				b, err := a.load(ctx, a.noop, closed(o, conns, t))
				if err == nil {
					bare = append(bare, b.PerSecond(http.StatusCreated))
				}
				return err
			})
		if err != nil {
			return nil, err
		}
		at := fmt.Sprintf(", %d connections", conns)
		rows = append(rows, refused.row("refusals of a full event"+at, "1/s"), taken.turnout.row("acceptances"+at, "RSVPs/s"),
			refused.over(taken.turnout).row("refusals / acceptances"+at, "×").atLeast(3),
			bare.row("no-op handler"+at, "requests/s"), refused.over(bare).row("refusals / no-op"+at, "×"),
			no.p99.row("refusal p99"+at, "ms"), no.command.row("CPU of the command role per refusal"+at, "µs"),
			no.postgres.row("CPU of Postgres per refusal"+at, "µs"), taken.command.row("CPU of the command role per acceptance"+at, "µs"))
		delete(no.odd, http.StatusConflict)
		delete(no.odd, 0)
		rows = append(append(rows, taken.others(at)...), no.others(", full event"+at)...)
	}
	seated, others, err := a.ledger.seated(full[0])
	if err != nil {
		return nil, err
	}
	rows = append(rows, row{Name: "seated at the full event", Unit: "RSVPs", Median: float64(seated), Low: float64(seated),
		High: float64(seated), N: int64(seated + others)}.exactly(seats))
	more, err := a.drainAndVerify(ctx, o)
	return append(rows, more...), err
}
