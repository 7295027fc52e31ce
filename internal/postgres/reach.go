package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// reach makes one connection, waits for a server that is still starting, and creates the database when it is missing
// and that is allowed.
func reach(ctx context.Context, cfg Config, cc *pgx.ConnConfig, log *slog.Logger) error {
	wait := cfg.StartupWait
	if wait == 0 {
		wait = 30 * time.Second
	}
	until := time.Now().Add(wait)
	for {
		conn, err := pgx.ConnectConfig(ctx, cc)
		if err == nil {
			return conn.Close(ctx)
		}
		switch code(err) {
		case "3D000": // invalid_catalog_name
			if !cfg.CreateDatabase {
				return explain(cc, err)
			}
			if err := createDatabase(ctx, cc, log); err != nil {
				return err
			}
			cfg.CreateDatabase = false // once: if it is still missing, say so
		case "57P03": // cannot_connect_now: starting up
			if time.Now().After(until) {
				return explain(cc, err)
			}
			if err := pause(ctx, 200*time.Millisecond); err != nil {
				return err
			}
		default:
			return explain(cc, err)
		}
	}
}

func createDatabase(ctx context.Context, cc *pgx.ConnConfig, log *slog.Logger) error {
	admin := cc.Copy()
	admin.Database = "postgres"
	conn, err := pgx.ConnectConfig(ctx, admin)
	if err != nil {
		return explain(admin, err)
	}
	defer func() { _ = conn.Close(ctx) }()
	_, err = conn.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{cc.Database}.Sanitize())
	switch code(err) {
	case "42P04", "23505": // duplicate_database, or the unique index behind it: another process was faster
		return nil
	}
	if err != nil {
		return fmt.Errorf("postgres: database %q is missing on %s and cannot be created: %w", cc.Database, where(cc), err)
	}
	log.InfoContext(ctx, "database created", "database", cc.Database)
	return nil
}

// explain turns a failed connection into one line that names the setting. The original stays in the chain.
func explain(cc *pgx.ConnConfig, err error) error {
	var reason string
	var dns *net.DNSError
	switch c := code(err); {
	case c == "28P01":
		reason = fmt.Sprintf("wrong password for user %q", cc.User)
	case c == "28000":
		reason = fmt.Sprintf("user %q may not connect (pg_hba.conf, or no such role)", cc.User)
	case c == "3D000":
		reason = fmt.Sprintf("database %q does not exist; create it, or run turnout migrate", cc.Database)
	case c == "53300":
		reason = "too many connections: lower the pools or raise max_connections"
	case c == "57P03":
		reason = "the server is starting up or shutting down"
	case errors.Is(err, syscall.ECONNREFUSED):
		reason = "connection refused: is it running?"
	case errors.As(err, &dns):
		reason = fmt.Sprintf("host %q not found", dns.Name)
	case errors.Is(err, context.DeadlineExceeded):
		reason = "no answer in time"
	case errors.Is(err, context.Canceled):
		reason = "cancelled"
	default:
		return fmt.Errorf("postgres at %s (TURNOUT_POSTGRES_URL): %w", where(cc), err)
	}
	return &OpenError{Where: where(cc), Reason: reason, Err: err}
}

// OpenError is a connection that could not be made, in words for whoever starts the program.
type OpenError struct {
	Where  string // host:port/database
	Reason string
	Err    error
}

func (e *OpenError) Error() string {
	return fmt.Sprintf("postgres at %s (TURNOUT_POSTGRES_URL): %s", e.Where, e.Reason)
}

func (e *OpenError) Unwrap() error { return e.Err }

func where(cc *pgx.ConnConfig) string {
	return fmt.Sprintf("%s:%d/%s", cc.Host, cc.Port, cc.Database)
}

func code(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code
	}
	return ""
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
