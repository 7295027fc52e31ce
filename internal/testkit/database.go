package testkit

import (
	"context"
	"net/url"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// cleanupTimeout bounds what is done after a test, when the test's own context has ended.
const cleanupTimeout = 30 * time.Second

// Database makes an empty Postgres database for this test, runs the given migrations on it in order, and returns its URL.
// It is dropped at the test's end, also when somebody is still connected.
func Database(t testing.TB, migrate ...func(ctx context.Context, url string) error) string {
	t.Helper()
	admin := Engines(t).Postgres
	name := randomName()
	execute(t.Context(), t, admin, "CREATE DATABASE "+pgx.Identifier{name}.Sanitize())
	t.Cleanup(func() {
		ctx, cancel := afterTest(t)
		defer cancel()
		execute(ctx, t, admin, "DROP DATABASE IF EXISTS "+pgx.Identifier{name}.Sanitize()+" WITH (FORCE)")
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

func execute(ctx context.Context, t testing.TB, url, sql string) {
	t.Helper()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatalf("testkit: connect to Postgres: %v", err)
	}
	defer func() {
		if err := conn.Close(ctx); err != nil {
			t.Errorf("testkit: close: %v", err)
		}
	}()
	if _, err := conn.Exec(ctx, sql); err != nil {
		t.Fatalf("testkit: %s: %v", sql, err)
	}
}

// afterTest returns a context for cleanups: t.Context() is cancelled before they run.
func afterTest(t testing.TB) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(t.Context()), cleanupTimeout)
}
