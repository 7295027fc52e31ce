package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// batchRows is how many RSVPs the direct batch writes in one transaction.
const batchRows = 100

// floorOf is what these cores could do at the most: an RSVP needs an HTTP request, which a no-op answers so many of a
// second, and rows, of which one connection writes so many a second in large transactions without any handler. Both use
// the same cores, so their times add up.
func floorOf(noop, batch series) series {
	out := make(series, 0, len(noop))
	for i := range min(len(noop), len(batch)) {
		if noop[i] > 0 && batch[i] > 0 {
			out = append(out, 1/(1/noop[i]+1/batch[i]))
		}
	}
	return out
}

// batchSQL writes the textbook's rows to the textbook's tables, 100 RSVPs in a transaction, and tells how many a second.
func (a *arms) batchSQL(ctx context.Context, o options) (float64, error) {
	event, err := a.textbookEvent(ctx)
	if err != nil {
		return 0, err
	}
	if err := a.checkpoint(ctx); err != nil {
		return 0, err
	}
	conn, err := a.world.textbook.Acquire(ctx)
	if err != nil {
		return 0, err
	}
	defer conn.Release()
	rows, began := 0, time.Now()
	for time.Since(began) < o.duration {
		b := &pgx.Batch{}
		b.Queue("BEGIN")
		b.Queue("SELECT capacity, going FROM event WHERE id = $1 FOR UPDATE", event)
		b.Queue(`INSERT INTO rsvp (id, event_id, email, name, party_size, status)
			SELECT gen_random_uuid(), $1::uuid, 'guest-' || n || '@example.net', 'Guest ' || n, 1, 'confirmed' FROM generate_series($2::int, $3::int) n`,
			event, rows+1, rows+batchRows)
		b.Queue("UPDATE event SET going = going + $2::int WHERE id = $1", event, batchRows)
		b.Queue(`INSERT INTO outbox (event_id, payload)
			SELECT $1::uuid, jsonb_build_object('id', gen_random_uuid(), 'event_id', $1::uuid, 'status', 'confirmed', 'version', n) FROM generate_series($2::int, $3::int) n`,
			event, rows+1, rows+batchRows)
		b.Queue("COMMIT")
		if err := conn.SendBatch(ctx, b).Close(); err != nil {
			return 0, fmt.Errorf("direct batch: %w", err)
		}
		rows += batchRows
	}
	return float64(rows) / time.Since(began).Seconds(), nil
}

// flush is what the machine takes to make one commit durable, as Postgres sees it: the median of a commit that waits
// for its fsync less that of one that does not. It decides how dear a transaction per request is.
func (a *arms) flush(ctx context.Context) (row, error) {
	conn, err := a.world.textbook.Acquire(ctx)
	if err != nil {
		return row{}, err
	}
	defer conn.Release()
	defer func() { _, _ = conn.Exec(context.WithoutCancel(ctx), "RESET synchronous_commit") }()
	const commits = 400
	median := func(setting string) (float64, error) {
		if _, err := conn.Exec(ctx, "SET synchronous_commit = "+setting); err != nil {
			return 0, err
		}
		took := make(series, commits)
		for i := range took {
			began := time.Now()
			if _, err := conn.Exec(ctx, "INSERT INTO outbox (event_id, payload) VALUES ($1, '{}')", noEvent); err != nil {
				return 0, err
			}
			took[i] = ms(time.Since(began))
		}
		slices.Sort(took)
		return took[commits/2], nil
	}
	durable, err := median("on")
	if err != nil {
		return row{}, err
	}
	lazy, err := median("off")
	if err != nil {
		return row{}, err
	}
	return row{Name: "an fsync of a commit on this machine", Unit: "ms", Median: durable - lazy, Low: durable - lazy, High: durable - lazy, N: commits}, nil
}
