package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// acquireBound bounds every wait for a connection of a pool. The pool has no such setting; a tracer may replace the
// context. Without it a network that swallows what is sent costs a caller one ping after the other for every idle
// connection, and then the making of a new one.
type acquireBound time.Duration

type cancelKey struct{}

var _ interface {
	pgx.QueryTracer
	pgxpool.AcquireTracer
} = acquireBound(0)

// TraceAcquireStart gives the context that the pool waits under.
func (b acquireBound) TraceAcquireStart(ctx context.Context, _ *pgxpool.Pool, _ pgxpool.TraceAcquireStartData) context.Context {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(b))
	return context.WithValue(ctx, cancelKey{}, cancel)
}

// TraceAcquireEnd releases it.
func (b acquireBound) TraceAcquireEnd(ctx context.Context, _ *pgxpool.Pool, _ pgxpool.TraceAcquireEndData) {
	if cancel, ok := ctx.Value(cancelKey{}).(context.CancelFunc); ok {
		cancel()
	}
}

// TraceQueryStart changes nothing; pgx takes no tracer without it.
func (b acquireBound) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return ctx
}

// TraceQueryEnd does nothing.
func (b acquireBound) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}
