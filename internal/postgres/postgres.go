// Package postgres opens pools, runs migrations, holds advisory locks and reads errors. It knows no business word.
//
// Open applies the rules every role shares: an explicit bound on connections, timeouts kept by the server, and a
// cancelled context that cancels the statement instead of throwing the connection away.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Config says where the database is and how much of it a pool may use.
type Config struct {
	// URL is postgres://user:password@host:port/database. Required.
	URL string `env:"TURNOUT_POSTGRES_URL" envDefault:"postgres://turnout@127.0.0.1:25432/turnout?sslmode=disable"`
	// MaxConns bounds the pool; 0 means 8. All pools of all processes together should stay near 2–4 per core of the
	// database: beyond that the hot row gets slower, not faster.
	MaxConns int32
	// MinConns are kept open; 0 means none.
	MinConns int32
	// Name is shown by pg_stat_activity; empty means turnout.
	Name string
	// StatementTimeout ends a statement on the server; 0 means 10 s, negative means never.
	StatementTimeout time.Duration
	// LockTimeout ends a wait for one lock on the server; 0 means 5 s, negative means never.
	LockTimeout time.Duration
	// IdleInTransactionTimeout ends a session that forgot its transaction; such a session holds back the horizon of
	// vacuum for everybody, and the outbox bloats first. 0 means 15 s, negative means never.
	IdleInTransactionTimeout time.Duration
	// AcquireWithin ends a wait for a connection of the pool, for one that is being made too; 0 means that only the
	// caller's context does. A role that answers somebody sets it: a dead network refuses nothing.
	AcquireWithin time.Duration
	// CreateDatabase makes the database of URL when the server has none of that name.
	CreateDatabase bool
	// StartupWait is how long Open waits for a server that answers "the database system is starting up"; 0 means 30 s.
	// A refused connection is reported at once: it is the setting that is wrong more often than the server.
	StartupWait time.Duration
}

// Validate says what is wrong with the settings, in one line.
func (c Config) Validate() error {
	if c.URL == "" {
		return errors.New("postgres: TURNOUT_POSTGRES_URL is empty")
	}
	if _, err := pgx.ParseConfig(c.URL); err != nil {
		// pgx quotes the URL (its password masked) over several lines; the setting's name is what helps.
		return errors.New("postgres: TURNOUT_POSTGRES_URL is not a connection string like postgres://user:password@host:5432/database")
	}
	if c.MaxConns < 0 || c.MinConns < 0 || c.MinConns > c.maxConns() {
		return fmt.Errorf("postgres: connections: min %d, max %d", c.MinConns, c.MaxConns)
	}
	return nil
}

func (c Config) maxConns() int32 {
	if c.MaxConns == 0 {
		return 8
	}
	return c.MaxConns
}

// Open connects, so a wrong setting fails at start-up, and returns the pool. Its error is one line, without secrets,
// and says what to do.
func Open(ctx context.Context, cfg Config, log *slog.Logger) (*pgxpool.Pool, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	pc, err := cfg.poolConfig()
	if err != nil {
		return nil, err
	}
	if err := reach(ctx, cfg, pc.ConnConfig, log); err != nil {
		return nil, err
	}
	pool, err := pgxpool.NewWithConfig(ctx, pc)
	if err != nil {
		return nil, explain(pc.ConnConfig, err)
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, explain(pc.ConnConfig, err)
	}
	return pool, nil
}

func (c Config) poolConfig() (*pgxpool.Config, error) {
	pc, err := pgxpool.ParseConfig(c.URL)
	if err != nil {
		return nil, errors.New("postgres: TURNOUT_POSTGRES_URL is not a connection string pgx understands")
	}
	pc.MaxConns = c.maxConns()
	pc.MinConns = c.MinConns
	pc.MaxConnLifetime = time.Hour
	pc.MaxConnLifetimeJitter = 10 * time.Minute // or all connections are renewed in the same second
	pc.MaxConnIdleTime = 10 * time.Minute
	pc.PingTimeout = 2 * time.Second
	c.apply(pc.ConnConfig)
	return pc, nil
}

// apply sets what every connection of ours has, in a pool or alone.
func (c Config) apply(cc *pgx.ConnConfig) {
	name := c.Name
	if name == "" {
		name = "turnout"
	}
	cc.RuntimeParams["application_name"] = name
	cc.RuntimeParams["timezone"] = "UTC"
	setTimeout(cc, "statement_timeout", c.StatementTimeout, 10*time.Second)
	limits := bound{acquire: c.AcquireWithin}
	switch {
	case c.StatementTimeout == 0:
		limits.statement = 10*time.Second + statementGrace
	case c.StatementTimeout > 0:
		limits.statement = c.StatementTimeout + statementGrace
	}
	cc.Tracer = limits
	setTimeout(cc, "lock_timeout", c.LockTimeout, 5*time.Second)
	setTimeout(cc, "idle_in_transaction_session_timeout", c.IdleInTransactionTimeout, 15*time.Second)
	// The server's side: a session whose client is gone without a word keeps its locks until the server asks after it,
	// which by default is after two hours. So: after 25 s.
	cc.RuntimeParams["tcp_keepalives_idle"] = "10"
	cc.RuntimeParams["tcp_keepalives_interval"] = "5"
	cc.RuntimeParams["tcp_keepalives_count"] = "3"
	if cc.ConnectTimeout == 0 {
		cc.ConnectTimeout = 5 * time.Second
	}
	// pgx's default closes the connection when a context ends: under a burst of client timeouts that becomes a storm
	// of reconnects (pgx issues 1845, 1780). A cancel request keeps it.
	cc.BuildContextWatcherHandler = func(conn *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.CancelRequestContextWatcherHandler{Conn: conn, DeadlineDelay: 500 * time.Millisecond}
	}
}

func setTimeout(cc *pgx.ConnConfig, name string, value, byDefault time.Duration) {
	switch {
	case value == 0:
		value = byDefault
	case value < 0:
		value = 0 // Postgres: 0 switches the timeout off
	}
	cc.RuntimeParams[name] = strconv.FormatInt(value.Milliseconds(), 10)
}
