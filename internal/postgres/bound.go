package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// bound ends, on this side, what a server that is silent would never end: a statement, and the wait for a connection.
// A network that swallows what is sent refuses nothing, TCP notices after a quarter of an hour, and the server's own
// timeouts do not reach us. It is a tracer because a tracer may replace the context of what it traces; pgx and its pool
// have no such settings. Zero means no bound.
type bound struct {
	statement time.Duration
	acquire   time.Duration
}

// statementGrace is how much longer than the server we wait for a statement: its own refusal is the better one.
const statementGrace = 2 * time.Second

var _ interface {
	pgx.QueryTracer
	pgx.BatchTracer
	pgxpool.AcquireTracer
} = bound{}

type cancelKey struct{}

func within(ctx context.Context, d time.Duration) context.Context {
	if d <= 0 {
		return context.WithValue(ctx, cancelKey{}, context.CancelFunc(func() {}))
	}
	ctx, cancel := context.WithTimeout(ctx, d)
	return context.WithValue(ctx, cancelKey{}, cancel)
}

func ended(ctx context.Context) {
	if cancel, ok := ctx.Value(cancelKey{}).(context.CancelFunc); ok {
		cancel()
	}
}

// TraceAcquireStart bounds the wait for a connection, for one that is being made too: without it a caller pays a ping
// for every idle connection that is dead, and then for the making of a new one.
func (b bound) TraceAcquireStart(ctx context.Context, _ *pgxpool.Pool, _ pgxpool.TraceAcquireStartData) context.Context {
	return within(ctx, b.acquire)
}

// TraceAcquireEnd is its end.
func (b bound) TraceAcquireEnd(ctx context.Context, _ *pgxpool.Pool, _ pgxpool.TraceAcquireEndData) {
	ended(ctx)
}

// TraceQueryStart bounds a statement, the reading of its rows included.
func (b bound) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return within(ctx, b.statement)
}

// TraceQueryEnd is its end.
func (b bound) TraceQueryEnd(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryEndData) { ended(ctx) }

// TraceBatchStart bounds a batch as if it were one statement: ours are short ones.
func (b bound) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return within(ctx, b.statement)
}

// TraceBatchQuery does nothing.
func (b bound) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}

// TraceBatchEnd is the batch's end.
func (b bound) TraceBatchEnd(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchEndData) { ended(ctx) }
