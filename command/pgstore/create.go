package pgstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/fault"
	"github.com/turnout-events/turnout/internal/postgres"
)

// Creation is new events and the answer to the request that wanted them.
type Creation struct {
	Events []NewEvent
	Source string // the event that they are like, whose picture they show as well; "" = none
	Answer NewAnswer
}

// NewEvent is an event with its first messages, from version 1; their Chain is set here.
type NewEvent struct {
	Event    contract.Event
	Messages []contract.Envelope
}

const (
	insertEvent = `INSERT INTO event (id, slug, external_id, series_id, status, starts_at, ends_at, retain_until, body,
			organization_id, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`
	insertCounter = `INSERT INTO event_counter (event_id, capacity, version, revision, chain, recorded_at)
		VALUES ($1, $2, $3, $4, $5, $6)`
	// A picture belongs to one event: the source's may go while the copy's stays.
	copyCover = `INSERT INTO event_cover (event_id, sha256, content_type, body, created_at)
		SELECT $1, sha256, content_type, body, $2 FROM event_cover WHERE event_id = $3 AND sha256 = decode($4, 'hex')`
	selectSeries   = `SELECT starts_at FROM event WHERE series_id = $1`
	selectExternal = `SELECT id FROM event WHERE organization_id = $1 AND external_id = $2`
	// A second request with the same key waits for the first one at the key's row, so long and no longer.
	createKeyWait = "SET LOCAL lock_timeout = '1600ms'"

	externalConstraint = "event_organization_id_external_id_key"
	slugConstraint     = "event_slug_key"
)

// Create writes new events, their counter rows, messages, outbox rows and the answer in one transaction. If the key
// had an answer before, that comes back and nothing is written. Two requests with the same key at once: the second
// waits for the first, at most 1.6 s, and then fails as postgres.Retryable.
func (s *Store) Create(ctx context.Context, c Creation) (*Answer, error) {
	return s.createOnce(ctx, c.Answer.Key, func(conn *pgxpool.Conn) (Creation, error) {
		return c, create(ctx, conn, beginCreation(), c)
	})
}

// CreateInSeries is Create for events of a series. build is told when the events begin that the series has; until what
// it makes is written no other call for the series is. One that waits longer than 1.6 s for that is unavailable.
func (s *Store) CreateInSeries(ctx context.Context, key Key, seriesID string, build func(starts []time.Time) (Creation, error)) (*Answer, error) {
	return s.createOnce(ctx, key, func(conn *pgxpool.Conn) (c Creation, err error) {
		starts, err := lockSeries(ctx, conn, seriesID)
		if err != nil {
			return c, err
		}
		if c, err = build(starts); err != nil {
			return c, err
		}
		return c, create(ctx, conn, &pgx.Batch{}, c)
	})
}

func (s *Store) createOnce(ctx context.Context, key Key, write func(*pgxpool.Conn) (Creation, error)) (*Answer, error) {
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return nil, fmt.Errorf("connection to create an event: %w", err)
	}
	defer conn.Release()
	defer rollback(ctx, conn)
	if found, err := answerOf(ctx, conn, key); found != nil || err != nil {
		return found, err
	}
	c, err := write(conn)
	if postgres.Classify(err).Kind != postgres.Unique {
		return nil, err
	}
	// Either the same request was faster, or the ids are taken. The key tells.
	rollback(ctx, conn)
	if found, e := answerOf(ctx, conn, key); found != nil || e != nil {
		return found, e
	}
	return nil, taken(ctx, conn, c, err)
}

func beginCreation() *pgx.Batch {
	b := &pgx.Batch{}
	b.Queue(begin)
	b.Queue(createKeyWait)
	return b
}

// lockSeries begins the transaction. It looks at the series in a statement of its own after the lock: one that waits
// sees what there was when it began.
func lockSeries(ctx context.Context, conn *pgxpool.Conn, seriesID string) (starts []time.Time, err error) {
	b := beginCreation()
	b.Queue("SELECT pg_advisory_xact_lock($1)", postgres.LockKey("series "+seriesID))
	b.Queue(selectSeries, seriesID).Query(func(rows pgx.Rows) error {
		starts, err = pgx.CollectRows(rows, pgx.RowTo[time.Time])
		return err
	})
	if err = conn.SendBatch(ctx, b).Close(); postgres.Classify(err).Code == "55P03" { // lock_not_available: the timeout
		return nil, fault.ErrUnavailable.Detailf("the series is being repeated by another request").After(time.Second).Because(err)
	}
	if err != nil {
		return nil, fmt.Errorf("lock series %s: %w", seriesID, err)
	}
	return starts, nil
}

// Earlier is the answer that a key had before; nil when it had none.
func (s *Store) Earlier(ctx context.Context, key Key) (*Answer, error) {
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return nil, Unavailable(err, "look for the answer of a key")
	}
	defer conn.Release()
	found, err := answerOf(ctx, conn, key)
	return found, Unavailable(err, "look for the answer of a key")
}

func answerOf(ctx context.Context, conn *pgxpool.Conn, key Key) (*Answer, error) {
	var found map[Key]Answer
	b := &pgx.Batch{}
	queueAnswers(b, []Key{key}, &found)
	if err := conn.SendBatch(ctx, b).Close(); err != nil {
		return nil, fmt.Errorf("look for the answer of a key: %w", err)
	}
	if a, ok := found[key]; ok {
		return &a, nil
	}
	return nil, nil
}

// create adds to a transaction that b or an earlier batch begins, and commits it.
func create(ctx context.Context, conn *pgxpool.Conn, b *pgx.Batch, c Creation) error {
	for i := range c.Events {
		e, messages := &c.Events[i].Event, c.Events[i].Messages
		if err := queueEvent(b, insertEvent, e, e.OrganizationID, e.CreatedAt); err != nil {
			return err
		}
		chain, last := Chain(nil, messages), messages[len(messages)-1]
		b.Queue(insertCounter, e.ID, e.Capacity, last.Version, e.Revision, chain, last.RecordedAt)
		if c.Source != "" && e.Cover != nil {
			b.Queue(copyCover, e.ID, e.CreatedAt, c.Source, e.Cover.SHA256)
		}
	}
	queueNewAnswers(b, []NewAnswer{c.Answer})
	for i := range c.Events {
		if err := queueEventLog(b, c.Events[i].Messages); err != nil {
			return err
		}
	}
	b.Queue("COMMIT")
	err := conn.SendBatch(ctx, b).Close()
	if err == nil {
		return nil
	}
	if !refused(err) {
		err = fmt.Errorf("%w: %w", ErrUnknownOutcome, err)
	}
	return fmt.Errorf("create %d events: %w", len(c.Events), err)
}

// taken says which unique id of the new events another event has.
func taken(ctx context.Context, conn *pgxpool.Conn, c Creation, cause error) error {
	switch postgres.Classify(cause).Constraint {
	case slugConstraint:
		return ErrSlugTaken.Because(cause)
	case externalConstraint:
		for _, n := range c.Events {
			e, id := n.Event, ""
			err := conn.QueryRow(ctx, selectExternal, e.OrganizationID, nullText(e.ExternalID)).Scan(&id)
			if err == nil {
				return ErrExternalIDTaken.Detailf("%q is event %s", e.ExternalID, id).With("id", id).Because(cause)
			}
			if !errors.Is(err, pgx.ErrNoRows) {
				return fmt.Errorf("find external id: %w", err)
			}
		}
	}
	return cause
}
