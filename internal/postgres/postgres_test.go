package postgres_test

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/turnout-events/turnout/internal/postgres"
	"github.com/turnout-events/turnout/internal/testkit"
)

func open(t *testing.T, cfg postgres.Config) *pgxpool.Pool {
	t.Helper()
	pool, err := postgres.Open(t.Context(), cfg, testkit.Logger(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

func exec(t *testing.T, pool *pgxpool.Pool, sql string, args ...any) {
	t.Helper()
	if _, err := pool.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// changed is the database's URL with something else in it.
func changed(t *testing.T, raw string, change func(*url.URL)) string {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	change(u)
	return u.String()
}

func TestOpenSaysWhatIsWrongInOneLine(t *testing.T) {
	t.Parallel()
	db := testkit.Database(t)
	password := func(u *url.URL) { u.User = url.UserPassword(u.User.Username(), "sEcReT") }
	for name, c := range map[string]struct{ url, want string }{
		"nothing listens":  {changed(t, db, func(u *url.URL) { u.Host = "127.0.0.1:1" }), "connection refused: is it running?"},
		"wrong password":   {changed(t, db, password), "wrong password for user"},
		"no such database": {changed(t, db, func(u *url.URL) { u.Path = "/t_none" }), `database "t_none" does not exist`},
		"no such host":     {changed(t, db, func(u *url.URL) { u.Host = "nowhere.invalid:5432" }), `host "nowhere.invalid" not found`},
		"no URL":           {"", "TURNOUT_POSTGRES_URL is empty"},
		"no sense":         {"postgres://a b:sEcReT@x:nan/", "is not a connection string"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := postgres.Open(t.Context(), postgres.Config{URL: c.url}, testkit.Logger(t))
			if err == nil {
				t.Fatal("opened")
			}
			text := err.Error()
			if !strings.Contains(text, c.want) || !strings.Contains(text, "TURNOUT_POSTGRES_URL") {
				t.Errorf("got %q, want %q and the setting's name", text, c.want)
			}
			if strings.Contains(text, "\n") || strings.Contains(text, "sEcReT") {
				t.Errorf("more than one line, or a secret: %q", text)
			}
		})
	}
}

func TestOpenCreatesAMissingDatabaseIfAllowed(t *testing.T) {
	t.Parallel()
	db := testkit.Database(t)
	name := strings.TrimPrefix(changedPath(t, db), "/") + "_new"
	missing := changed(t, db, func(u *url.URL) { u.Path = "/" + name })
	admin := open(t, postgres.Config{URL: db})
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 10*time.Second)
		defer cancel()
		if _, err := admin.Exec(ctx, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)"); err != nil {
			t.Error(err)
		}
	})
	// Two at once: one creates, the other must not trip over it.
	errs := make(chan error, 2)
	for range 2 {
		go func() {
			pool, err := postgres.Open(t.Context(), postgres.Config{URL: missing, CreateDatabase: true}, testkit.Logger(t))
			if err == nil {
				pool.Close()
			}
			errs <- err
		}()
	}
	for range 2 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

func changedPath(t *testing.T, raw string) string {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u.Path
}

func TestCancelledContextKeepsTheConnection(t *testing.T) {
	t.Parallel()
	pool := open(t, postgres.Config{URL: testkit.Database(t), MaxConns: 1})
	pid := func() (pid int) {
		t.Helper()
		if err := pool.QueryRow(t.Context(), "SELECT pg_backend_pid()").Scan(&pid); err != nil {
			t.Fatal(err)
		}
		return pid
	}
	kept := false
	for tries := 0; tries < 5 && !kept; tries++ { // on a busy machine the cancellation may come too late
		before := pid()
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		_, err := pool.Exec(ctx, "SELECT pg_sleep(30)")
		cancel()
		if got := postgres.Classify(err); got.Kind != postgres.Cancelled {
			t.Errorf("got %+v for %v", got, err)
		}
		kept = pid() == before
	}
	if !kept {
		t.Error("each time the connection was thrown away")
	}
}

func TestServerKeepsTheTimeouts(t *testing.T) {
	t.Parallel()
	db := testkit.Database(t)
	pool := open(t, postgres.Config{URL: db, StatementTimeout: 2 * time.Second})
	_, err := pool.Exec(t.Context(), "SELECT pg_sleep(30)")
	if got := postgres.Classify(err); got.Kind != postgres.Cancelled || got.Code != "57014" {
		t.Errorf("got %+v for %v", got, err)
	}
	for name, want := range map[string]string{"lock_timeout": "5s", "idle_in_transaction_session_timeout": "15s", "TimeZone": "UTC"} {
		var got string
		if err := pool.QueryRow(t.Context(), "SELECT current_setting($1)", name).Scan(&got); err != nil || got != want {
			t.Errorf("%s is %q (%v), want %q", name, got, err, want)
		}
	}
	if got := pool.Config().MaxConns; got != 8 {
		t.Errorf("MaxConns %d", got)
	}
}

func TestClassify(t *testing.T) {
	t.Parallel()
	db := testkit.Database(t)
	pool := open(t, postgres.Config{URL: db, LockTimeout: 100 * time.Millisecond})
	exec(t, pool, `CREATE TABLE parent (id int PRIMARY KEY);
		CREATE TABLE child (id int CONSTRAINT child_once UNIQUE, parent int CONSTRAINT child_parent REFERENCES parent,
			n int CONSTRAINT child_positive CHECK (n > 0));
		INSERT INTO child (id) VALUES (1)`)
	run := func(sql string) error {
		_, err := pool.Exec(t.Context(), sql)
		return err
	}
	held := func() error { // somebody else holds the row
		tx, err := pool.Begin(t.Context())
		if err != nil {
			return err
		}
		if _, err := tx.Exec(t.Context(), "SELECT id FROM child WHERE id = 1 FOR UPDATE"); err != nil {
			return err
		}
		waited := run("UPDATE child SET n = 1 WHERE id = 1")
		if err := tx.Rollback(t.Context()); err != nil {
			return err
		}
		return waited
	}
	terminated := func() error {
		conn, err := pool.Acquire(t.Context())
		if err != nil {
			return err
		}
		defer conn.Release()
		_, err = conn.Exec(t.Context(), "SELECT pg_terminate_backend(pg_backend_pid())")
		return err
	}
	closed := func() error {
		other, err := postgres.Open(t.Context(), postgres.Config{URL: db}, testkit.Logger(t))
		if err != nil {
			return err
		}
		conn, err := other.Acquire(t.Context())
		if err != nil {
			return err
		}
		defer other.Close()
		defer conn.Release()
		if err := conn.Conn().Close(t.Context()); err != nil {
			return err
		}
		_, err = conn.Exec(t.Context(), "SELECT 1")
		return err
	}
	_, refused := postgres.Open(t.Context(), postgres.Config{URL: "postgres://x@127.0.0.1:1/x"}, testkit.Logger(t))
	for name, c := range map[string]struct {
		err  error
		want postgres.Class
	}{
		"none":        {nil, postgres.Class{Kind: postgres.None}},
		"no rows":     {pool.QueryRow(t.Context(), "SELECT id FROM child WHERE id = 9").Scan(new(int)), postgres.Class{Kind: postgres.NotFound}},
		"unique":      {run("INSERT INTO child (id) VALUES (1)"), postgres.Class{Kind: postgres.Unique, Constraint: "child_once", Code: "23505"}},
		"check":       {run("INSERT INTO child (n) VALUES (0)"), postgres.Class{Kind: postgres.Check, Constraint: "child_positive", Code: "23514"}},
		"foreign key": {run("INSERT INTO child (parent) VALUES (5)"), postgres.Class{Kind: postgres.ForeignKey, Constraint: "child_parent", Code: "23503"}},
		"row held":    {held(), postgres.Class{Kind: postgres.Retryable, Code: "55P03"}},
		"terminated":  {terminated(), postgres.Class{Kind: postgres.Unavailable, Code: "57P01"}},
		"closed":      {closed(), postgres.Class{Kind: postgres.Unavailable}},
		"refused":     {refused, postgres.Class{Kind: postgres.Unavailable}},
		"a bug":       {run("SELEC"), postgres.Class{Kind: postgres.Other, Code: "42601"}},
		"not ours":    {errors.New("x"), postgres.Class{Kind: postgres.Other}},
	} {
		if got := postgres.Classify(c.err); got != c.want {
			t.Errorf("%s: got %+v, want %+v (%v)", name, got, c.want, c.err)
		}
	}
	if !postgres.IsUnique(run("INSERT INTO child (id) VALUES (1)"), "child_once") {
		t.Error("IsUnique does not know its constraint")
	}
}

func TestLockHasOneHolderAndEndsWithItsSession(t *testing.T) {
	t.Parallel()
	pool := open(t, postgres.Config{URL: testkit.Database(t)})
	lock, err := postgres.TryLock(t.Context(), pool, "shard 3")
	if err != nil || lock == nil {
		t.Fatalf("lock %v, %v", lock, err)
	}
	defer lock.Release(t.Context())
	if second, err := postgres.TryLock(t.Context(), pool, "shard 3"); err != nil || second != nil {
		t.Fatalf("a second holder: %v, %v", second, err)
	}
	other, err := postgres.TryLock(t.Context(), pool, "shard 4")
	if err != nil || other == nil {
		t.Fatalf("another name: %v, %v", other, err)
	}
	other.Release(t.Context())
	if err := lock.IsHeld(t.Context()); err != nil {
		t.Errorf("held lock: %v", err)
	}

	// The server ends the session behind the holder's back.
	exec(t, pool, "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())")
	if err := lock.IsHeld(t.Context()); !errors.Is(err, postgres.ErrLockLost) {
		t.Errorf("lost lock: %v", err)
	}
	testkit.Eventually(t, 10*time.Second, 20*time.Millisecond, func() error {
		next, err := postgres.TryLock(t.Context(), pool, "shard 3")
		if err != nil {
			return err
		}
		if next == nil {
			return errors.New("still taken")
		}
		next.Release(t.Context())
		next.Release(t.Context()) // twice is fine
		if err := next.IsHeld(t.Context()); !errors.Is(err, postgres.ErrLockLost) {
			t.Errorf("released lock: %v", err)
		}
		return nil
	})
}
