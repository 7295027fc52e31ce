package pgstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/turnout-events/turnout/command/rsvp"
	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/fault"
)

// Want is what a batch of commands on one event has to see.
type Want struct {
	EventID    string
	RSVPIDs    []string
	EmailHMACs [][]byte
	Keys       []Key
	// OffersUntil loads the open offers that end before it. Take the present plus more than a wait for the lock, or
	// an offer that ran out while waiting would be missed.
	OffersUntil time.Time
}

// Locked is what the database has of one event while the lock of its counter row is held.
type Locked struct {
	Event      contract.Event
	Counters   contract.Counters
	Version    int64
	Revision   int64
	Chain      []byte
	RecordedAt time.Time
	Rows       []*rsvp.Row // may have one RSVP twice
	Answers    map[Key]Answer

	conn *pgxpool.Conn
}

// Save is what a batch did.
type Save struct {
	Event      *contract.Event // nil: the event itself stays
	Counters   contract.Counters
	RecordedAt time.Time
	Rows       []SavedRow
	Messages   []contract.Envelope // versions contiguous after Locked.Version; their Chain is set here
	Answers    []NewAnswer
}

// SavedRow is an RSVP and the version of its last message.
type SavedRow struct {
	*rsvp.Row
	Version int64
}

// Admit runs one transaction on one event: it takes the lock, reads, lets decide decide, and writes what it returns.
// Two round trips; a third when decide reads the queue. A nil Save writes nothing. decide's error comes back as it is.
//
// Read committed is enough and meant: each statement behind the lock sees all that was committed before it was granted.
func (s *Store) Admit(ctx context.Context, want Want, decide func(context.Context, *Locked) (*Save, error)) error {
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("connection to decide on event %s: %w", want.EventID, err)
	}
	defer conn.Release()
	locked, err := s.lock(ctx, conn, want)
	if err != nil {
		rollback(ctx, conn)
		return err
	}
	save, err := decide(ctx, locked)
	if err != nil || save == nil {
		rollback(ctx, conn)
		return err
	}
	if err := s.commit(ctx, conn, locked, save); err != nil {
		rollback(ctx, conn)
		return err
	}
	if save.Event != nil {
		s.events.put(*save.Event)
	}
	return nil
}

// rollback ends a transaction that is not wanted; the pool throws the connection away if that fails.
func rollback(ctx context.Context, conn *pgxpool.Conn) {
	if conn.Conn().IsClosed() || conn.Conn().PgConn().TxStatus() == 'I' {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_, _ = conn.Exec(ctx, "ROLLBACK")
}

const (
	// A plan made while the tables are small must not scan them later: prepared statements keep their plan.
	noScans = "SET LOCAL enable_seqscan = off"
	// And they must keep it: for an array of one the planner thinks a new plan worth it, every time. Planning was a
	// third of what a transaction of one RSVP took (0.25 of 0.8 ms, docs/performance.md).
	keepPlans = "SET LOCAL plan_cache_mode = force_generic_plan"

	selectCounter = `SELECT capacity, going, maybe, waitlisted, held, checked_in, version, revision, chain, recorded_at
		FROM event_counter WHERE event_id = $1 `
	selectBody = `SELECT body FROM event WHERE id = $1`

	// One index probe per id or address, whatever the planner thinks: with = ANY it walked all RSVPs of the event and
	// looked for the addresses in each (measured: a batch of 256 became four times slower by 20,000 RSVPs).
	selectByID = `SELECT ` + rsvpColumns + ` FROM unnest($1::uuid[]) AS wanted CROSS JOIN LATERAL (
			SELECT ` + rsvpColumns + ` FROM rsvp WHERE id = wanted LIMIT 1) AS r`
	selectByHMAC = `SELECT ` + rsvpColumns + ` FROM unnest($2::bytea[]) AS wanted CROSS JOIN LATERAL (
			SELECT ` + rsvpColumns + ` FROM rsvp WHERE event_id = $1 AND email_hmac = wanted LIMIT 1) AS r`
	selectOffers = `SELECT ` + rsvpColumns + ` FROM rsvp
		WHERE status = 'offered' AND offer_expires_at <= $2 AND event_id = $1 ORDER BY offer_expires_at, id`
	countQueue       = `SELECT count(*) FROM rsvp WHERE event_id = $1 AND status = 'waitlisted'`
	selectWholeQueue = `SELECT ` + rsvpColumns + ` FROM rsvp
		WHERE event_id = $1 AND status = 'waitlisted' ORDER BY queued_version, id`
	// At most n/size parties of a size can fill n seats.
	selectQueue = `SELECT ` + rsvpColumns + ` FROM generate_series(1, $2::int) AS size CROSS JOIN LATERAL (
			SELECT ` + rsvpColumns + ` FROM rsvp
			WHERE event_id = $1 AND status = 'waitlisted' AND party_size = size
			ORDER BY queued_version LIMIT $2::int / size) AS q
		ORDER BY queued_version, id`
)

func (s *Store) lock(ctx context.Context, conn *pgxpool.Conn, want Want) (*Locked, error) {
	l := &Locked{conn: conn}
	event, err := uuidOf(want.EventID)
	if err != nil {
		return nil, fault.ErrNotFound
	}
	b := &pgx.Batch{}
	b.Queue("BEGIN ISOLATION LEVEL READ COMMITTED")
	b.Queue(noScans)
	b.Queue(keepPlans)
	b.Queue(selectCounter+forUpdate, event).QueryRow(l.scanCounter)
	l.Event, _ = s.events.get(want.EventID)
	if l.Event.ID == "" {
		b.Queue(selectBody, event).QueryRow(l.scanBody)
	}
	if err := l.queueReads(b, event, want); err != nil {
		return nil, err
	}
	err = conn.SendBatch(ctx, b).Close()
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, fault.ErrNotFound.Detailf("event %s", want.EventID)
	}
	if err != nil {
		return nil, fmt.Errorf("lock event %s: %w", want.EventID, err)
	}
	if l.Event.Revision != l.Revision {
		if err := l.scanBody(conn.QueryRow(ctx, selectBody, event)); err != nil {
			return nil, fmt.Errorf("read event %s: %w", want.EventID, err)
		}
	}
	s.events.put(l.Event)
	return l, nil
}

// Peek reads what Admit would, without the lock: what it shows was true at some time during the call. Its queue cannot
// be read.
func (s *Store) Peek(ctx context.Context, want Want) (*Locked, error) {
	l := &Locked{}
	event, err := uuidOf(want.EventID)
	if err != nil {
		return nil, fault.ErrNotFound
	}
	b := &pgx.Batch{}
	b.Queue(noScans) // the batch is one transaction
	b.Queue(keepPlans)
	b.Queue(selectCounter, event).QueryRow(l.scanCounter)
	b.Queue(selectBody, event).QueryRow(l.scanBody)
	if err := l.queueReads(b, event, want); err != nil {
		return nil, err
	}
	err = s.pool.SendBatch(ctx, b).Close()
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, fault.ErrNotFound.Detailf("event %s", want.EventID)
	}
	if err != nil {
		return nil, fmt.Errorf("look at event %s: %w", want.EventID, err)
	}
	return l, nil
}

func (l *Locked) scanCounter(row pgx.Row) error {
	c := &l.Counters
	err := row.Scan(&c.Capacity, &c.Going, &c.Maybe, &c.Waitlisted, &c.Held, &c.CheckedIn, &l.Version, &l.Revision,
		&l.Chain, &l.RecordedAt)
	l.RecordedAt = l.RecordedAt.UTC()
	return err
}

func (l *Locked) scanBody(row pgx.Row) error {
	var body []byte
	if err := row.Scan(&body); err != nil {
		return err
	}
	l.Event = contract.Event{}
	return json.Unmarshal(body, &l.Event)
}

func (l *Locked) queueReads(b *pgx.Batch, event pgtype.UUID, want Want) error {
	scan := func(rows pgx.Rows) error {
		err := scanRSVPs(rows, &l.Rows)
		l.Rows = slices.DeleteFunc(l.Rows, func(r *rsvp.Row) bool { return r.RSVP.EventID != want.EventID })
		return err
	}
	if len(want.RSVPIDs) > 0 {
		ids, err := uuidsOf(want.RSVPIDs)
		if err != nil {
			return err
		}
		b.Queue(selectByID, ids).Query(scan)
	}
	if len(want.EmailHMACs) > 0 {
		b.Queue(selectByHMAC, event, pgtype.FlatArray[[]byte](want.EmailHMACs)).Query(scan)
	}
	if !want.OffersUntil.IsZero() {
		b.Queue(selectOffers, event, want.OffersUntil).Query(scan)
	}
	if len(want.Keys) > 0 {
		queueAnswers(b, want.Keys, &l.Answers)
	}
	return nil
}

// Queue reads of each party size, in the queue's order, the first waiting parties that could fill the seats.
func (l *Locked) Queue(ctx context.Context, seats int) ([]*rsvp.Row, error) {
	return l.queue(ctx, selectQueue, l.Event.ID, seats)
}

// WholeQueue reads the waitlist in its order.
func (l *Locked) WholeQueue(ctx context.Context) ([]*rsvp.Row, error) {
	return l.queue(ctx, selectWholeQueue, l.Event.ID)
}

// Waiting counts the parties on the waitlist.
func (l *Locked) Waiting(ctx context.Context) (int, error) {
	var n int
	if err := l.conn.QueryRow(ctx, countQueue, l.Event.ID).Scan(&n); err != nil {
		return 0, fmt.Errorf("count the queue of event %s: %w", l.Event.ID, err)
	}
	return n, nil
}

func (l *Locked) queue(ctx context.Context, sql string, args ...any) ([]*rsvp.Row, error) {
	rows, err := l.conn.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("read the queue of event %s: %w", l.Event.ID, err)
	}
	defer rows.Close()
	var queue []*rsvp.Row
	if err := scanRSVPs(rows, &queue); err != nil {
		return nil, fmt.Errorf("read the queue of event %s: %w", l.Event.ID, err)
	}
	return queue, nil
}

func (s *Store) commit(ctx context.Context, conn *pgxpool.Conn, l *Locked, save *Save) error {
	b := &pgx.Batch{}
	if err := queueSave(b, l, save); err != nil {
		return err
	}
	committed := false
	b.Queue("COMMIT").Exec(func(tag pgconn.CommandTag) error {
		committed = tag.String() == "COMMIT" // a transaction that had failed answers ROLLBACK
		return nil
	})
	err := conn.SendBatch(ctx, b).Close()
	if err == nil && !committed {
		err = errors.New("rolled back at commit")
	}
	if err == nil {
		return nil
	}
	if !refused(err) {
		err = fmt.Errorf("%w: %w", ErrUnknownOutcome, err)
	}
	return fmt.Errorf("save event %s: %w", l.Event.ID, err)
}

// refused tells that the server itself turned a statement down and lives on: then nothing was committed.
func refused(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Severity != "FATAL" && pg.Severity != "PANIC"
}
