package postgres_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/turnout-events/turnout/internal/postgres"
	"github.com/turnout-events/turnout/internal/testkit"
)

func files(pairs ...string) fstest.MapFS {
	fsys := fstest.MapFS{}
	for i := 0; i < len(pairs); i += 2 {
		fsys[pairs[i]] = &fstest.MapFile{Data: []byte(pairs[i+1])}
	}
	return fsys
}

var some = files(
	"0001_first.up.sql", `CREATE TABLE a (id int); CREATE FUNCTION two() RETURNS int LANGUAGE sql AS $$ SELECT 1; SELECT 2; $$;`,
	"0001_first.down.sql", `DROP FUNCTION two(); DROP TABLE a;`,
	"0002_second.up.sql", "-- why\n"+postgres.NoTransaction+"\nCREATE INDEX CONCURRENTLY a_id ON a (id);",
	"0002_second.down.sql", `DROP INDEX a_id;`,
)

func TestMigrateUpDownUp(t *testing.T) {
	t.Parallel()
	db := testkit.Database(t)
	for _, to := range []int64{-1, 0, 1, 2, 2, 0, -1} {
		got, err := postgres.MigrateTo(t.Context(), db, some, to)
		if err != nil {
			t.Fatalf("to %d: %v", to, err)
		}
		if want := map[bool]int64{true: 2, false: to}[to < 0]; got != want {
			t.Fatalf("to %d: reached %d", to, got)
		}
	}
	pool := open(t, postgres.Config{URL: db})
	var n int
	if err := pool.QueryRow(t.Context(), "SELECT two()").Scan(&n); err != nil || n != 2 {
		t.Errorf("%d, %v", n, err)
	}
}

func TestMigrationsRunOnceThoughManyProcessesStart(t *testing.T) {
	t.Parallel()
	db := testkit.Database(t)
	errs := make(chan error, 4)
	for range cap(errs) {
		go func() { errs <- postgres.Migrate(t.Context(), db, some) }()
	}
	for range cap(errs) {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

func TestFailedMigrationLeavesNothing(t *testing.T) {
	t.Parallel()
	db := testkit.Database(t)
	err := postgres.Migrate(t.Context(), db, files(
		"0001_a.up.sql", "CREATE TABLE a (id int)", "0001_a.down.sql", "DROP TABLE a",
		"0002_b.up.sql", "CREATE TABLE b (id int); SELECT nonsense", "0002_b.down.sql", "DROP TABLE b"))
	if err == nil || !strings.Contains(err.Error(), "0002_b.up.sql") {
		t.Errorf("got %v", err)
	}
	pool := open(t, postgres.Config{URL: db})
	var a, b bool
	if err := pool.QueryRow(t.Context(), "SELECT to_regclass('a') IS NOT NULL, to_regclass('b') IS NOT NULL").Scan(&a, &b); err != nil || !a || b {
		t.Errorf("a %v, b %v, %v", a, b, err)
	}
}

func TestMisnamedMigrationsAreRefused(t *testing.T) {
	t.Parallel()
	for name, fsys := range map[string]fstest.MapFS{
		"none":         files(),
		"no way back":  files("0001_a.up.sql", "SELECT 1"),
		"other name":   files("0001_a.up.sql", "SELECT 1", "0001_b.down.sql", "SELECT 1"),
		"number twice": files("0001_a.up.sql", "", "0001_a.down.sql", "", "0001_b.up.sql", "", "0001_b.down.sql", ""),
		"no direction": files("0001_a.sql", "SELECT 1"),
		"version zero": files("0000_a.up.sql", "", "0000_a.down.sql", ""),
	} {
		if err := postgres.Migrate(t.Context(), testkit.Database(t), fsys); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
