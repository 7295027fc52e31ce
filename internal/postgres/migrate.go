package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"sort"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

// NoTransaction, as a line of its own in a migration, runs it outside a transaction (CREATE INDEX CONCURRENTLY).
const NoTransaction = "-- turnout: no transaction"

// Migrate brings the database at url up to the last of the migrations: pairs NNNN_name.up.sql and NNNN_name.down.sql
// at the root of files. Several processes may call it at once: an advisory lock lets one work and the others wait.
func Migrate(ctx context.Context, url string, files fs.FS) error {
	_, err := MigrateTo(ctx, url, files, -1)
	return err
}

// MigrateTo goes up or down to the version (0: everything taken back; negative: the last one) and returns the version
// reached.
func MigrateTo(ctx context.Context, url string, files fs.FS, version int64) (int64, error) {
	cc, err := pgx.ParseConfig(url)
	if err != nil {
		return 0, Config{URL: url}.Validate()
	}
	// A migration may take its time; it still must not queue for ever behind a forgotten transaction, because all
	// others queue behind it then.
	Config{Name: "turnout-migrate", StatementTimeout: -1, LockTimeout: 0, IdleInTransactionTimeout: -1}.apply(cc)
	db := stdlib.OpenDB(*cc)
	defer func() { _ = db.Close() }()
	if err := db.PingContext(ctx); err != nil {
		return 0, explain(cc, err)
	}
	migrations, err := read(files)
	if err != nil {
		return 0, err
	}
	provider, err := newProvider(db, migrations)
	if err != nil {
		return 0, err
	}
	if err := move(ctx, provider, version); err != nil {
		return 0, err
	}
	return provider.GetDBVersion(ctx)
}

func move(ctx context.Context, provider *goose.Provider, version int64) error {
	if version < 0 {
		_, err := provider.Up(ctx)
		return err
	}
	now, err := provider.GetDBVersion(ctx)
	if err != nil {
		return err
	}
	if version >= now {
		_, err = provider.UpTo(ctx, version)
	} else {
		_, err = provider.DownTo(ctx, version)
	}
	return err
}

func newProvider(db *sql.DB, migrations []*goose.Migration) (*goose.Provider, error) {
	// 1 s × 300: a second process waits up to five minutes for the first one's migrations.
	locker, err := lock.NewPostgresSessionLocker(
		lock.WithLockID(LockKey("turnout migrations")), lock.WithLockTimeout(1, 300))
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(goose.DialectPostgres, db, nil,
		goose.WithGoMigrations(migrations...), goose.WithDisableGlobalRegistry(true),
		goose.WithSessionLocker(locker), goose.WithTableName("schema_migration"))
}

var migrationName = regexp.MustCompile(`^(\d+)_[a-z0-9_]+\.(up|down)\.sql$`)

type pair struct{ upName, downName string }

// read makes goose migrations of pairs of files. goose itself knows one annotated file per version only; two plain
// files can be read by psql too and need no markers around functions.
func read(files fs.FS) ([]*goose.Migration, error) {
	names, err := fs.Glob(files, "*.sql")
	if err != nil {
		return nil, err
	}
	pairs := map[int64]*pair{}
	for _, name := range names {
		m := migrationName.FindStringSubmatch(name)
		if m == nil {
			return nil, fmt.Errorf("migration %s: not named NNNN_name.up.sql or NNNN_name.down.sql", name)
		}
		version, err := strconv.ParseInt(m[1], 10, 64)
		if err != nil || version == 0 {
			return nil, fmt.Errorf("migration %s: number out of range", name)
		}
		p := pairs[version]
		if p == nil {
			p = &pair{}
			pairs[version] = p
		}
		slot := &p.upName
		if m[2] == "down" {
			slot = &p.downName
		}
		if *slot != "" {
			return nil, fmt.Errorf("migrations %s and %s have the same number", *slot, name)
		}
		*slot = name
	}
	if len(pairs) == 0 {
		return nil, errors.New("no migrations found")
	}
	versions := make([]int64, 0, len(pairs))
	for v := range pairs {
		versions = append(versions, v)
	}
	sort.Slice(versions, func(i, j int) bool { return versions[i] < versions[j] })
	out := make([]*goose.Migration, 0, len(versions))
	for _, v := range versions {
		m, err := pairs[v].migration(v, files)
		if err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	return out, nil
}

func (p *pair) migration(version int64, files fs.FS) (*goose.Migration, error) {
	if p.upName == "" || p.downName == "" || strings.TrimSuffix(p.upName, ".up.sql") != strings.TrimSuffix(p.downName, ".down.sql") {
		return nil, fmt.Errorf("migration %04d: wants one .up.sql and one .down.sql of the same name, has %q and %q", version, p.upName, p.downName)
	}
	up, err := statement(files, p.upName)
	if err != nil {
		return nil, err
	}
	down, err := statement(files, p.downName)
	if err != nil {
		return nil, err
	}
	return goose.NewGoMigration(version, up, down), nil
}

// statement runs a whole file at once: without arguments pgx uses the simple protocol, which takes many statements.
func statement(files fs.FS, name string) (*goose.GoFunc, error) {
	text, err := fs.ReadFile(files, name)
	if err != nil {
		return nil, err
	}
	if strings.Contains("\n"+string(text)+"\n", "\n"+NoTransaction+"\n") {
		return &goose.GoFunc{RunDB: func(ctx context.Context, db *sql.DB) error {
			_, err := db.ExecContext(ctx, string(text))
			return located(name, err)
		}}, nil
	}
	return &goose.GoFunc{RunTx: func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, string(text))
		return located(name, err)
	}}, nil
}

func located(name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", name, err)
}
