package relay

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/turnout-events/turnout/internal/id"
	"github.com/turnout-events/turnout/internal/postgres"
	"github.com/turnout-events/turnout/internal/testkit"
	"github.com/turnout-events/turnout/migrations"
)

// One transaction has the ids on both sides of another's, and commits after that was read: its later row must not be
// read ahead, before its earlier one.
func TestNothingIsReadAheadOfWhatWasCommittedLate(t *testing.T) {
	t.Parallel()
	url := testkit.Database(t, func(ctx context.Context, url string) error { return postgres.Migrate(ctx, url, migrations.FS) })
	pool, err := postgres.Open(t.Context(), postgres.Config{URL: url, MaxConns: 4}, testkit.Logger(t))
	try(t, err)
	t.Cleanup(pool.Close)
	s, err := openSession(t.Context(), pool)
	try(t, err)
	t.Cleanup(func() { s.close(t.Context()) })
	try(t, s.share(t.Context(), time.Second))
	hot, other := newID(t), newID(t)
	say := func(tx pgx.Tx, event string, version int) {
		t.Helper()
		_, err := tx.Exec(t.Context(), `WITH said AS (
				INSERT INTO event_log (event_id, version, type, organization_id, valid_at, recorded_at, actor, payload, hash)
				VALUES ($1, $2, 'event.edited.v1', $1, now(), now(), 'system:test', '{}', '') RETURNING event_id, version)
			INSERT INTO outbox (shard, topic, subject_id, version) SELECT 3, 0, event_id, version FROM said`, event, version)
		try(t, err)
	}
	late, err := pool.Begin(t.Context())
	try(t, err)
	say(late, hot, 1)
	try(t, pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error { say(tx, other, 1); return nil }))
	sent, err := s.next(t.Context(), 10)
	if err != nil || len(sent) != 1 || sent[0].message.Subject != other {
		t.Fatalf("%+v, %v", sent, err)
	}
	say(late, hot, 2)
	try(t, late.Commit(t.Context()))
	if rows, err := s.ahead(t.Context(), 10, sent); err != nil || len(rows) != 0 {
		t.Fatalf("read ahead: version %d before its first, %v", rows[0].message.Version, err)
	}
	s.done(sent)
	rows, err := s.next(t.Context(), 10)
	if err != nil || len(rows) != 2 || rows[0].message.Version != 1 || rows[1].message.Version != 2 {
		t.Fatalf("%+v, %v", rows, err)
	}
	try(t, pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error { say(tx, hot, 3); return nil }))
	if more, err := s.ahead(t.Context(), 10, rows); err != nil || len(more) != 1 || more[0].message.Version != 3 {
		t.Fatalf("nothing is in between, but ahead gives %+v, %v", more, err)
	}
}

func newID(t *testing.T) string {
	t.Helper()
	v, err := id.New()
	try(t, err)
	return v
}

func try(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Between the snapshot and the rows of one read, a transaction takes id 50 and another commits id 51. The first may
// commit at any time after: no mark may pass its row, however often is looked.
func TestNoMarkPassesAnIdOfAfterTheSnapshot(t *testing.T) {
	t.Parallel()
	const snapshot = 100 // the next transaction's id
	s := &session{shards: []int{0}, acked: map[int][]int64{}}
	s.raise([]row{{shard: 0, id: 10}}, true, snapshot-5, snapshot-5)
	s.raise([]row{{shard: 0, id: 51}}, true, snapshot, snapshot)
	for range 3 {
		s.raise(nil, true, snapshot, snapshot+2) // the transaction with id 50 is number 100, and lives
		if s.low[0] >= 50 {
			t.Fatalf("what has an id up to %d is passed over", s.low[0])
		}
	}
	s.raise(nil, true, snapshot+2, snapshot+2)
	s.raise(nil, true, snapshot+2, snapshot+2)
	if s.low[0] != 51 {
		t.Errorf("low is %d after all have ended", s.low[0])
	}
}
