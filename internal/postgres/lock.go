package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Lock is a session-level advisory lock on a connection of its own, outside the pool: it is held exactly as long as
// that session lives. It says who may work (a relay's shard, a leader), not that a second worker is impossible: the
// server frees it when the connection breaks, before its holder knows. Check IsHeld before each piece of work, and
// keep that work idempotent.
type Lock struct {
	name string
	key  int64
	mu   sync.Mutex // a pgx.Conn serves one caller at a time
	conn *pgx.Conn
}

// TryLock takes the lock of that name (within the database of the pool) if it is free. It returns nil, nil if another
// session has it.
func TryLock(ctx context.Context, pool *pgxpool.Pool, name string) (*Lock, error) {
	cc := pool.Config().ConnConfig.Copy()
	conn, err := pgx.ConnectConfig(ctx, cc)
	if err != nil {
		return nil, explain(cc, err)
	}
	key := LockKey(name)
	var got bool
	if err := conn.QueryRow(ctx, "SELECT pg_try_advisory_lock($1)", key).Scan(&got); err != nil {
		closeSoon(ctx, conn)
		return nil, fmt.Errorf("try advisory lock %q: %w", name, err)
	}
	if !got {
		closeSoon(ctx, conn)
		return nil, nil
	}
	return &Lock{name: name, key: key, conn: conn}, nil
}

// LockKey is the advisory lock's number for a name: the first 8 bytes of its SHA-256. Changing it lets two releases
// hold the "same" lock at once.
func LockKey(name string) int64 {
	sum := sha256.Sum256([]byte(name))
	return int64(binary.BigEndian.Uint64(sum[:8])) // the bits matter, not the sign
}

// ErrLockLost is the cause when the session that held the lock is gone.
var ErrLockLost = errors.New("advisory lock lost with its session")

// IsHeld asks the server over the lock's own connection (bounded by 2 s and ctx). Nil means held at this moment.
func (l *Lock) IsHeld(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn == nil || l.conn.IsClosed() {
		return fmt.Errorf("%q: %w", l.name, ErrLockLost)
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if err := l.conn.Ping(ctx); err != nil {
		if l.conn.IsClosed() {
			return fmt.Errorf("%q: %w: %w", l.name, ErrLockLost, err)
		}
		return fmt.Errorf("ask for advisory lock %q: %w", l.name, err)
	}
	return nil
}

// Release frees the lock by ending its session. It may be called more than once and after ctx has ended.
func (l *Lock) Release(ctx context.Context) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn == nil {
		return
	}
	closeSoon(ctx, l.conn)
	l.conn = nil
}

func closeSoon(ctx context.Context, conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = conn.Close(ctx) // the session ends either way
}
