package testkit

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// cleanupTimeout bounds what is done after a test, when the test's own context has ended.
const cleanupTimeout = 2 * time.Minute

// Database makes an empty Postgres database for this test, runs the given migrations on it in order, and returns its URL.
// It is dropped at the test's end, also when somebody is still connected.
func Database(t testing.TB, migrate ...func(ctx context.Context, url string) error) string {
	t.Helper()
	admin := Engines(t).Postgres
	name := randomName()
	if err := execute(t.Context(), admin, "CREATE DATABASE "+pgx.Identifier{name}.Sanitize()); err != nil {
		t.Fatalf("testkit: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := afterTest(t)
		defer cancel()
		// Logged only: a test that has passed does not fail for a server that is slow to tidy up.
		if err := execute(ctx, admin, "DROP DATABASE IF EXISTS "+pgx.Identifier{name}.Sanitize()+" WITH (FORCE)"); err != nil {
			t.Logf("testkit: %v", err)
		}
	})

	u, err := url.Parse(admin)
	if err != nil {
		t.Fatalf("testkit: Postgres URL: %v", err)
	}
	u.Path = "/" + name
	for _, m := range migrate {
		if err := m(t.Context(), u.String()); err != nil {
			t.Fatalf("testkit: migrate: %v", err)
		}
	}
	return u.String()
}

func execute(ctx context.Context, url, sql string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return fmt.Errorf("connect to Postgres: %w", err)
	}
	_, err = conn.Exec(ctx, sql)
	if err = errors.Join(err, conn.Close(ctx)); err != nil {
		return fmt.Errorf("%s: %w", sql, err)
	}
	return nil
}

// afterTest returns a context for cleanups: t.Context() is cancelled before they run.
func afterTest(t testing.TB) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(t.Context()), cleanupTimeout)
}
