package main

import (
	"context"
	"fmt"
	"slices"
	"syscall"
	"time"

	"github.com/turnout-events/turnout/loadtest/wire"
)

// rsvp is the request that every arm gets. The number makes the guest and the key.
func (w *world) rsvp(event string) *wire.Template {
	body := fmt.Sprintf(`{"name":"Guest %s","email":"guest-%s@example.net","response":"going","party_size":1}`, wire.Mark, wire.Mark)
	return wire.NewTemplate(fmt.Sprintf("POST /v1/events/%s/rsvps HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"+
		"Idempotency-Key: \"%s-%s\"\r\nContent-Length: %d\r\n\r\n%s", event, w.namespace, wire.Mark, len(body), body))
}

// block is one stretch of load on one arm.
type block struct {
	*wire.Figures
	server, postgres, self time.Duration // CPU
	syncs, commits         int64         // fsyncs of the WAL (of the whole Postgres), commits of Turnout's database
}

// loadTurnout keeps a ledger; everything that is told is checked in the end.
func (w *world) loadTurnout(ctx context.Context, c *child, l wire.Load) (block, error) {
	notes := make([]note, l.Conns)
	l.Answer = func(worker int, _ int64, status int, body []byte) { notes[worker].answer(status, body) }
	before, err := w.counters(ctx)
	if err != nil {
		return block{}, err
	}
	postgres := backendCPU(w.database)
	b, err := w.load(ctx, c, l)
	if err != nil {
		return b, err
	}
	b.postgres = backendCPU(w.database) - postgres
	after, err := w.counters(ctx)
	b.syncs, b.commits = after.syncs-before.syncs, after.commits-before.commits
	w.ledger.add(notes, b.Figures)
	return b, err
}

// load runs one block; the CPU is of the whole block, warm-up included.
func (w *world) load(ctx context.Context, c *child, l wire.Load) (block, error) {
	l.Addr = c.addr
	server, self := c.cpu(), ownCPU()
	f, err := w.run(ctx, l)
	if err != nil {
		return block{}, fmt.Errorf("load %s: %w", c.name, err)
	}
	return block{Figures: f, server: c.cpu() - server, self: ownCPU() - self}, nil
}

// run gives the load numbers that no other had.
func (w *world) run(ctx context.Context, l wire.Load) (*wire.Figures, error) {
	l.First = w.sequence
	f, err := wire.Run(ctx, l)
	if err == nil {
		w.sequence += f.Sent + int64(l.Conns)
	}
	return f, err
}

type counters struct{ syncs, commits int64 }

func (w *world) counters(ctx context.Context) (c counters, err error) {
	// A backend tells its counts at most once a second, and when it is idle: that is waited for.
	select {
	case <-time.After(1100 * time.Millisecond):
	case <-ctx.Done():
		return c, ctx.Err()
	}
	err = w.db.QueryRow(ctx, `SELECT w.wal_sync, d.xact_commit FROM pg_stat_wal w, pg_stat_database d WHERE d.datname = current_database()`).
		Scan(&c.syncs, &c.commits)
	return c, err
}

func ownCPU() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// series is one figure of every round.
type series []float64

func (s series) row(name, unit string) row {
	if len(s) == 0 {
		return row{Name: name, Unit: unit}
	}
	sorted := slices.Sorted(slices.Values(s))
	mid := len(sorted) / 2
	median := sorted[mid]
	if len(sorted)%2 == 0 {
		median = (sorted[mid-1] + sorted[mid]) / 2
	}
	return row{Name: name, Unit: unit, Median: median, Low: sorted[0], High: sorted[len(sorted)-1], N: int64(len(s))}
}

// over divides round by round: what disturbed both sides of a round falls out.
func (s series) over(t series) series {
	out := make(series, 0, len(s))
	for i := range min(len(s), len(t)) {
		if t[i] > 0 {
			out = append(out, s[i]/t[i])
		}
	}
	return out
}

// alternate calls the arms in order and then in reverse (ABBA), so that a drift of the machine hits all alike.
func alternate(rounds int, arms ...func() error) error {
	for range rounds {
		for _, arm := range arms {
			if err := arm(); err != nil {
				return err
			}
		}
		slices.Reverse(arms)
	}
	return nil
}

// middle is the number of connections where one is enough.
func (o options) middle() int { return o.conns[len(o.conns)/2] }

func us(d time.Duration, n int64) float64 {
	if n == 0 {
		return 0
	}
	return float64(d.Microseconds()) / float64(n)
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
