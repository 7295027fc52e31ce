package pgstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
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
	// OffersUntil loads the open offers that end by then, at their time or at the start. Take the present plus more than
	// a wait for the lock, or an offer that ran out while waiting would be missed.
	OffersUntil time.Time
}

// Decide turns what the database has into what is to be written; nil: nothing.
type Decide func(context.Context, *Locked) (*Save, error)

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
// Two round trips; a third when decide reads the queue, or when the event has offers that its policy does not announce. A
// nil Save writes nothing. decide's error comes back as it is. The Head is the event's after it.
//
// Read committed is enough and meant: each statement behind the lock sees all that was committed before it was granted.
func (s *Store) Admit(ctx context.Context, want Want, decide Decide) (Head, error) {
	conn, err := s.acquire(ctx)
	if err != nil {
		return Head{}, fmt.Errorf("connection to decide on event %s: %w", want.EventID, err)
	}
	defer conn.Release()
	locked, err := s.lock(ctx, conn, want)
	if err != nil {
		rollback(ctx, conn)
		return Head{}, err
	}
	save, err := decide(ctx, locked)
	if err != nil || save == nil {
		rollback(ctx, conn)
		return locked.Head, err
	}
	head, err := s.commit(ctx, conn, &pgx.Batch{}, locked, save)
	if err != nil {
		rollback(ctx, conn)
	}
	return head, err
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
	begin = "BEGIN ISOLATION LEVEL READ COMMITTED"

	selectCounter = `SELECT capacity, going, maybe, waitlisted, held, checked_in, version, revision, chain, recorded_at
		FROM event_counter WHERE event_id = $1 `
	selectBody = `SELECT body FROM event WHERE id = $1`

	// One index probe per id or address, whatever the planner thinks: with = ANY it walked all RSVPs of the event and
	// looked for the addresses in each (measured: a batch of 256 became four times slower by 20,000 RSVPs).
	selectByID = `SELECT ` + rsvpColumns + ` FROM unnest($1::uuid[]) AS wanted CROSS JOIN LATERAL (
			SELECT ` + rsvpColumns + ` FROM rsvp WHERE id = wanted LIMIT 1) AS r`
	selectByHMAC = `SELECT ` + rsvpColumns + ` FROM unnest($2::bytea[]) AS wanted CROSS JOIN LATERAL (
			SELECT ` + rsvpColumns + ` FROM rsvp WHERE event_id = $1 AND email_hmac = wanted LIMIT 1) AS r`
	selectByOneHMAC = `SELECT ` + rsvpColumns + ` FROM rsvp WHERE event_id = $1 AND email_hmac = $2 LIMIT 1`
	// All of them once the event has started: they end then, if it was moved up after they were made.
	selectOffers = `SELECT ` + rsvpColumns + ` FROM rsvp
		WHERE status = 'offered' AND event_id = $1 AND offer_expires_at <= (
			SELECT CASE WHEN starts_at <= $2 THEN 'infinity' ELSE $2 END FROM event WHERE id = $1)
		ORDER BY offer_expires_at, id`
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
	b.Queue(begin)
	b.Queue(selectCounter+forUpdate, event).QueryRow(l.scanCounter)
	l.Event, _ = s.events.get(want.EventID)
	if l.Event.ID == "" {
		b.Queue(selectBody, event).QueryRow(l.scanBody)
	}
	offers := l.Event.WaitlistPolicy == contract.WaitlistOffer
	if err := l.queueReads(b, event, want, offers); err != nil {
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
	if err := l.lateOffers(ctx, conn, event, want, offers); err != nil {
		return nil, err
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
	conn, err := s.acquire(ctx)
	if err != nil {
		return nil, fmt.Errorf("connection to look at event %s: %w", want.EventID, err)
	}
	defer conn.Release()
	b := &pgx.Batch{}
	b.Queue(selectCounter, event).QueryRow(l.scanCounter)
	b.Queue(selectBody, event).QueryRow(l.scanBody)
	if err := l.queueReads(b, event, want, true); err != nil {
		return nil, err
	}
	err = conn.SendBatch(ctx, b).Close()
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, fault.ErrNotFound.Detailf("event %s", want.EventID)
	}
	if err != nil {
		return nil, fmt.Errorf("look at event %s: %w", want.EventID, err)
	}
	s.events.put(l.Event) // who is told that it has changed looks at it again
	return l, nil
}

// commit sends the rest of a transaction, whose first statements are in b already.
func (s *Store) commit(ctx context.Context, conn *pgxpool.Conn, b *pgx.Batch, l *Locked, save *Save) (Head, error) {
	head, err := queueSave(b, l, save)
	if err != nil {
		return Head{}, err
	}
	committed := false
	b.Queue("COMMIT").Exec(func(tag pgconn.CommandTag) error {
		committed = tag.String() == "COMMIT" // a transaction that had failed answers ROLLBACK
		return nil
	})
	scratchOf(conn).makeRoom(conn.Conn(), len(save.Rows))
	err = conn.SendBatch(ctx, b).Close()
	if err == nil && !committed {
		err = errors.New("rolled back at commit")
	}
	if err == nil {
		if save.Event != nil {
			s.events.put(*save.Event)
		}
		return head, nil
	}
	if !refused(err) {
		err = fmt.Errorf("%w: %w", ErrUnknownOutcome, err)
	}
	return Head{}, fmt.Errorf("save event %s: %w", l.Event.ID, err)
}

// refused tells that the server itself turned a statement down and lives on: then nothing was committed.
func refused(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Severity != "FATAL" && pg.Severity != "PANIC"
}
