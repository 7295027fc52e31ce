package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/turnout-events/turnout/loadtest/wire"
)

// lastSeats lets 1,024 clients race for the seats of one event, with and without a waitlist: all seats go, none twice.
func (a *arms) lastSeats(ctx context.Context) ([]row, error) {
	const seats, clients, requests = 500, 1024, 8192
	var rows []row
	for _, policy := range []string{"auto", "none"} {
		capacity := seats
		events, err := a.events(ctx, 1, &capacity, policy)
		if err != nil {
			return nil, err
		}
		t := a.rsvp(events[0])
		b, err := a.loadTurnout(ctx, a.turnout, wire.Load{
			Conns: clients, Requests: requests, For: time.Minute, Template: func(int64) *wire.Template { return t },
		})
		if err != nil {
			return nil, err
		}
		confirmed, others, err := a.ledger.seated(events[0])
		if err != nil {
			return nil, err
		}
		what := fmt.Sprintf("race of %d clients for %d seats, policy %s: ", clients, seats, policy)
		one := func(name string, n float64) row {
			return row{Name: what + name, Unit: "answers", Median: n, Low: n, High: n, N: b.Sent}
		}
		rows = append(rows, one("seated", float64(confirmed)).exactly(seats), one("waitlisted", float64(others)),
			one("refused", float64(b.Statuses[http.StatusConflict])))
	}
	return rows, nil
}

// drainAndVerify runs the roles that were stopped until everything is published, and compares every store with the log
// and with what the clients were told.
func (a *arms) drainAndVerify(ctx context.Context, o options) ([]row, error) {
	began := time.Now()
	if err := a.drain(ctx, o); err != nil {
		return nil, err
	}
	var rows []row
	if o.stores != "none" {
		if err := a.drained(ctx); err != nil {
			return nil, err
		}
		n := len(a.ledger.ends)
		took := series{time.Since(began).Seconds()}
		rows = append(rows, took.row(fmt.Sprintf("outbox of %d RSVPs drained after the measure, the roles' start included", n), "s"))
	}
	more, err := a.verify(ctx, o)
	return append(rows, more...), err
}

// allOn measures with every role running beside, in a world of its own: what the others left to do is not its load.
func allOn(ctx context.Context, o options, alone map[int]*tally) (rows []row, err error) {
	a, err := newArmsOf(ctx, o, "serve")
	if err != nil {
		return nil, err
	}
	defer func() { err = closeAfter(ctx, a.world, err) }()
	conns := o.middle()
	t := &tally{odd: map[int]int64{}}
	for range o.rounds {
		if err := a.hotBlock(ctx, o, conns, t); err != nil {
			return nil, err
		}
	}
	at := fmt.Sprintf(", all roles on, %d connections", conns)
	rows = append(rows, t.turnout.row("hot event"+at, "RSVPs/s"), t.p50.row("RSVP p50"+at, "ms"), t.p99.row("RSVP p99"+at, "ms"))
	if before := alone[conns]; before != nil {
		rows = append(rows, t.turnout.over(before.textbook).row("hot / textbook of before"+at, "×"),
			t.turnout.over(before.noop).row("hot / no-op of before"+at, "×"))
	}
	// The notifier has a mail for every answer of this, and is not waited for: the stores are what is verified.
	if err := a.stopRoles(); err != nil {
		return nil, err
	}
	if a.turnout, err = a.role(ctx, "command"); err != nil {
		return nil, err
	}
	more, err := a.drainAndVerify(ctx, o)
	return append(rows, more...), err
}

// stopRoles stops Turnout and leaves the baselines.
func (a *arms) stopRoles() error {
	for i := len(a.children) - 1; i >= 0; i-- {
		c := a.children[i]
		if c == a.noop || c == a.textbook || c.name == "textbook" {
			continue
		}
		if err := c.stop(); err != nil {
			return fmt.Errorf("stop %s: %w", c.name, err)
		}
	}
	return nil
}

// drained waits until everything is on Kafka.
func (a *arms) drained(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Minute)
	defer cancel()
	for {
		var left int64
		if err := a.db.QueryRow(ctx, "SELECT count(*) FROM outbox").Scan(&left); err != nil || left == 0 {
			return err
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("%d messages are still to be published: %w", left, ctx.Err())
		}
	}
}
