package relay

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/turnout-events/turnout/command/pgstore"
)

// LockClass is the first number of our advisory locks (the second is the shard, or member). Renumbering it lets relays of
// two releases own the same shard.
const (
	LockClass = 0x7475726e
	member    = 1000
)

// session is one connection with the locks of the shards that it works on.
type session struct {
	conn   *pgx.Conn
	shards []int // owned, ascending
	shared time.Time
	acked  map[int][]int64 // by shard: acknowledged, to be deleted
	low    [pgstore.Shards]int64
	high   [pgstore.Shards]int64
	fence  fence
	begun  time.Time // when the rows were last read from the first on
}

// fence tells when no transaction can commit a row with an id up to bound any more: when all that had an id of a
// transaction before xmax have ended. Each writer of the outbox has one before it takes a row's id, because it holds
// a row's lock.
type fence struct {
	set   time.Time
	xmax  int64
	bound [pgstore.Shards]int64
}

// settings of the session. Statistics of the outbox are of no use: it is empty or long, and its plans must be those of
// a long one, which read it in the order of its index and stop at the limit.
var settings = []string{
	"SET enable_seqscan = off",
	"SET enable_bitmapscan = off", // would read and sort the whole backlog for every batch
	"SET enable_memoize = off",    // no two rows have the same message
	"SET jit = off",               // compiled a plan of 2 ms for 10 ms, on estimates of what the settings above rule out
	// A lost deletion makes repeats, which consumers bear; so no fsync for it.
	"SET synchronous_commit = off",
}

func openSession(ctx context.Context, pool *pgxpool.Pool) (*session, error) {
	conn, err := pgx.ConnectConfig(ctx, pool.Config().ConnConfig.Copy())
	if err != nil {
		return nil, err
	}
	s := &session{conn: conn, acked: map[int][]int64{}}
	for _, sql := range settings {
		if _, err := conn.Exec(ctx, sql); err != nil {
			s.close(ctx)
			return nil, err
		}
	}
	if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock_shared($1, $2)", LockClass, member); err != nil {
		s.close(ctx)
		return nil, err
	}
	return s, nil
}

// close ends the session, and with it its locks.
func (s *session) close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = s.conn.Close(ctx)
}

func (s *session) bits() (bits uint64) {
	for _, shard := range s.shards {
		bits |= 1 << uint(shard) //nolint:gosec // a shard is small
	}
	return bits
}

const countMembers = `SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = $1 AND objid = $2 AND granted
	AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`

// share takes free shards up to this relay's part of them, and gives back what is more than that, now and then.
func (s *session) share(ctx context.Context, every time.Duration) error {
	if time.Since(s.shared) < every {
		return nil
	}
	s.shared = time.Now()
	var members int
	if err := s.conn.QueryRow(ctx, countMembers, LockClass, member).Scan(&members); err != nil {
		return fmt.Errorf("count the relays: %w", err)
	}
	part := (pgstore.Shards + members - 1) / max(members, 1)
	if len(s.shards) > part {
		// What is acknowledged must be gone before another relay reads the shard, or it would repeat it.
		if err := s.forget(ctx); err != nil {
			return err
		}
	}
	for len(s.shards) > part {
		shard := s.shards[len(s.shards)-1]
		if _, err := s.conn.Exec(ctx, "SELECT pg_advisory_unlock($1, $2)", LockClass, shard); err != nil {
			return fmt.Errorf("give back shard %d: %w", shard, err)
		}
		s.shards = s.shards[:len(s.shards)-1]
	}
	for shard := 0; shard < pgstore.Shards && len(s.shards) < part; shard++ {
		if s.bits()&(1<<uint(shard)) != 0 { //nolint:gosec // a shard is small
			continue
		}
		var got bool
		if err := s.conn.QueryRow(ctx, "SELECT pg_try_advisory_lock($1, $2)", LockClass, shard).Scan(&got); err != nil {
			return fmt.Errorf("take shard %d: %w", shard, err)
		}
		if got {
			s.shards = append(s.shards, shard)
			s.low[shard], s.high[shard], s.fence.bound[shard] = 0, 0, 0
		}
	}
	return nil
}

const (
	deleteRows = `DELETE FROM outbox WHERE shard = $1 AND id = ANY($2::bigint[])`
	// low: ids up to it are gone for good, and so are the index entries that a long snapshot somewhere keeps.
	selectRows = `SELECT o.shard, o.id, o.topic, o.subject_id, o.version, o.created_at,
			coalesce(e.type, g.type), coalesce(e.organization_id, o.subject_id), coalesce(e.valid_at, g.valid_at),
			coalesce(e.recorded_at, g.recorded_at), coalesce(e.actor, g.actor), coalesce(e.reason, g.reason),
			coalesce(e.traceparent, g.traceparent), coalesce(e.payload, g.payload), coalesce(e.hash, g.hash)
		FROM unnest($1::smallint[], $2::bigint[]) AS s(shard, low)
		CROSS JOIN LATERAL (SELECT shard, id, topic, subject_id, version, created_at FROM outbox
			WHERE outbox.shard = s.shard AND outbox.id > s.low ORDER BY outbox.id LIMIT $3) AS o
		LEFT JOIN LATERAL (SELECT type, organization_id, valid_at, recorded_at, actor, reason, traceparent, payload, hash FROM event_log
			WHERE o.topic = 0 AND event_id = o.subject_id AND version = o.version LIMIT 1) AS e ON true
		LEFT JOIN LATERAL (SELECT type, valid_at, recorded_at, actor, reason, traceparent, payload, hash FROM organization_log
			WHERE o.topic = 1 AND organization_id = o.subject_id AND version = o.version LIMIT 1) AS g ON true
		ORDER BY o.shard, o.id`
	countRows = `SELECT count(*) FROM unnest($1::smallint[], $2::bigint[], $3::bigint[]) AS s(shard, low, high)
		JOIN outbox ON outbox.shard = s.shard AND outbox.id > s.low AND outbox.id <= s.high`
	selectSnapshot = `SELECT pg_snapshot_xmin(s)::text::bigint, pg_snapshot_xmax(s)::text::bigint FROM pg_current_snapshot() AS s`
)

// next deletes what is acknowledged and reads the first rows of every shard, in one round trip and one transaction.
// Nothing may be in flight.
func (s *session) next(ctx context.Context, limit int) ([]row, error) {
	if len(s.shards) == 0 {
		return nil, nil
	}
	var xmin, xmax int64
	look := time.Since(s.fence.set) > time.Second
	rows, err := s.read(ctx, limit, s.low, func(b *pgx.Batch) {
		if look {
			b.Queue(selectSnapshot).QueryRow(func(r pgx.Row) error { return r.Scan(&xmin, &xmax) })
		}
	}, func(*pgx.Batch) {})
	if err != nil {
		return nil, err
	}
	s.begun = time.Now()
	s.raise(rows, look, xmin, xmax)
	return rows, nil
}

// behindFor bounds how long a row waits that is committed late, with an id below those that were read already.
const behindFor = 250 * time.Millisecond

// mayReadAhead: there is a backlog, and the first rows were looked at not long ago.
func (s *session) mayReadAhead(sent []row, limit int) bool {
	return len(sent) >= limit && time.Since(s.begun) < behindFor
}

// ahead deletes what is acknowledged and reads the rows behind those in flight. It moves no low mark: what is in flight
// may still fail and be read again.
//
// None, if a row was committed late among those in flight: what lies behind them may be later versions of the same event,
// and both are for next. It counts after it reads, so whatever is visible to the read is counted.
func (s *session) ahead(ctx context.Context, limit int, sent []row) ([]row, error) {
	from := s.low
	for _, r := range sent {
		from[r.shard] = max(from[r.shard], r.id)
	}
	there := 0
	rows, err := s.read(ctx, limit, from, func(*pgx.Batch) {}, func(b *pgx.Batch) {
		b.Queue(countRows, s.shards, s.marks(s.low), s.marks(from)).QueryRow(func(r pgx.Row) error { return r.Scan(&there) })
	})
	if err != nil || there != len(sent) {
		return nil, err
	}
	for _, r := range rows {
		s.high[r.shard] = max(s.high[r.shard], r.id)
	}
	return rows, nil
}

// marks gives those of the owned shards, in their order.
func (s *session) marks(of [pgstore.Shards]int64) []int64 {
	ids := make([]int64, len(s.shards))
	for i, shard := range s.shards {
		ids[i] = of[shard]
	}
	return ids
}

func (s *session) read(ctx context.Context, limit int, from [pgstore.Shards]int64, before, after func(*pgx.Batch)) ([]row, error) {
	b := &pgx.Batch{}
	s.queueDeletes(b)
	before(b)
	var rows []row
	b.Queue(selectRows, s.shards, s.marks(from), limit).Query(func(found pgx.Rows) (err error) {
		rows, err = scanRows(found)
		return err
	})
	after(b)
	if err := s.conn.SendBatch(ctx, b).Close(); err != nil {
		return nil, fmt.Errorf("read the outbox: %w", err)
	}
	clear(s.acked)
	return rows, nil
}

// raise moves the low marks as far as the fence allows, and sets the next fence.
func (s *session) raise(rows []row, look bool, xmin, xmax int64) {
	// Ids that were read before the snapshot. The rows were read after it, and beside one of their ids a transaction
	// that began in between may have a lower one, which it has yet to commit.
	bound := s.high
	var first [pgstore.Shards]int64
	for _, shard := range s.shards {
		first[shard] = math.MaxInt64
	}
	for _, r := range rows {
		first[r.shard] = min(first[r.shard], r.id)
		s.high[r.shard] = max(s.high[r.shard], r.id)
	}
	if !look || xmin < s.fence.xmax {
		return
	}
	for _, shard := range s.shards {
		s.low[shard] = max(s.low[shard], min(s.fence.bound[shard], first[shard]-1))
	}
	s.fence = fence{set: time.Now(), xmax: xmax, bound: bound}
}

func (s *session) queueDeletes(b *pgx.Batch) {
	for shard, ids := range s.acked {
		b.Queue(deleteRows, shard, ids)
	}
}

// done notes what is acknowledged.
func (s *session) done(rows []row) {
	for _, r := range rows {
		s.acked[r.shard] = append(s.acked[r.shard], r.id)
	}
}

// forget deletes what is acknowledged without reading on.
func (s *session) forget(ctx context.Context) error {
	if len(s.acked) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	b := &pgx.Batch{}
	s.queueDeletes(b)
	if err := s.conn.SendBatch(ctx, b).Close(); err != nil {
		return fmt.Errorf("delete what is published: %w", err)
	}
	clear(s.acked)
	return nil
}
