package pgstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/turnout-events/turnout/command/rsvp"
	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/fault"
)

// EventState is an event as the last commit left it.
type EventState struct {
	Event    contract.Event
	Counters contract.Counters
	Version  int64
}

const selectEventState = `SELECT e.body, c.capacity, c.going, c.maybe, c.waitlisted, c.held, c.checked_in, c.version
	FROM event e JOIN event_counter c ON c.event_id = e.id WHERE e.id = $1`

// Event reads an event without its lock: for authorization and for answers to edits that changed nothing.
func (s *Store) Event(ctx context.Context, id string) (*EventState, error) {
	event, err := uuidOf(id)
	if err != nil {
		return nil, fault.ErrNotFound
	}
	var body []byte
	st := &EventState{}
	c := &st.Counters
	err = s.pool.QueryRow(ctx, selectEventState, event).Scan(&body, &c.Capacity, &c.Going, &c.Maybe, &c.Waitlisted, &c.Held,
		&c.CheckedIn, &st.Version)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, fault.ErrNotFound.Detailf("event %s", id)
	}
	if err != nil {
		return nil, Unavailable(err, "read event %s", id)
	}
	if err := json.Unmarshal(body, &st.Event); err != nil {
		return nil, fmt.Errorf("body of event %s: %w", id, err)
	}
	return st, nil
}

// Owner tells which organization an event belongs to: what authorization needs, mostly from memory.
func (s *Store) Owner(ctx context.Context, id string) (organization string, err error) {
	if e, ok := s.events.get(id); ok {
		return e.OrganizationID, nil // an event never moves to another organization
	}
	st, err := s.Event(ctx, id)
	if err != nil {
		return "", err
	}
	s.events.put(st.Event)
	return st.Event.OrganizationID, nil
}

// RSVP reads an RSVP without the lock of its event.
func (s *Store) RSVP(ctx context.Context, id string) (*rsvp.Row, error) {
	u, err := uuidOf(id)
	if err != nil {
		return nil, fault.ErrNotFound
	}
	rows, err := s.rsvps(ctx, `SELECT `+rsvpColumns+` FROM rsvp WHERE id = $1`, u)
	if err != nil {
		return nil, Unavailable(err, "read rsvp %s", id)
	}
	if len(rows) == 0 {
		return nil, fault.ErrNotFound.Detailf("rsvp %s", id)
	}
	return rows[0], nil
}

// ByAddress reads every RSVP of an address, by its HMAC.
func (s *Store) ByAddress(ctx context.Context, hmac []byte) ([]*rsvp.Row, error) {
	rows, err := s.rsvps(ctx, `SELECT `+rsvpColumns+` FROM rsvp WHERE email_hmac = $1 ORDER BY id`, hmac)
	return rows, Unavailable(err, "read the rsvps of an address")
}

func (s *Store) rsvps(ctx context.Context, sql string, args ...any) ([]*rsvp.Row, error) {
	found, err := s.pool.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	defer found.Close()
	var rows []*rsvp.Row
	return rows, errors.Join(scanRSVPs(found, &rows), found.Err())
}

// Keys reads the wrapped data keys of RSVPs; one that is missing was destroyed, or never was.
func (s *Store) Keys(ctx context.Context, ids []string) (map[string][]byte, error) {
	u, err := uuidsOf(ids)
	if err != nil {
		return nil, fault.ErrInvalid.Because(err)
	}
	found, err := s.pool.Query(ctx, `SELECT rsvp_id, wrapped FROM rsvp_key WHERE rsvp_id = ANY($1::uuid[])`, u)
	if err != nil {
		return nil, Unavailable(err, "read data keys")
	}
	defer found.Close()
	keys := make(map[string][]byte, len(ids))
	for found.Next() {
		var id string
		var wrapped []byte
		if err := found.Scan(&id, &wrapped); err != nil {
			return nil, Unavailable(err, "read data keys")
		}
		keys[id] = wrapped
	}
	return keys, Unavailable(found.Err(), "read data keys")
}

// Key reads the wrapped data key of one RSVP.
func (s *Store) Key(ctx context.Context, id string) ([]byte, error) {
	keys, err := s.Keys(ctx, []string{id})
	if err != nil {
		return nil, err
	}
	if keys[id] == nil {
		return nil, fault.ErrNotFound.Detailf("data key of %s", id)
	}
	return keys[id], nil
}

const selectHistory = `SELECT event_id, version, type, organization_id, valid_at, recorded_at, actor, reason, traceparent,
	payload, hash FROM event_log WHERE event_id = $1 AND version > $2 ORDER BY version LIMIT $3`

// History reads up to limit messages of an event's log behind a version.
func (s *Store) History(ctx context.Context, id string, after int64, limit int) ([]contract.Envelope, error) {
	event, err := uuidOf(id)
	if err != nil {
		return nil, fault.ErrNotFound
	}
	rows, err := s.pool.Query(ctx, selectHistory, event, after, limit)
	if err != nil {
		return nil, Unavailable(err, "read the log of event %s", id)
	}
	messages, err := ScanLog(rows)
	return messages, Unavailable(err, "read the log of event %s", id)
}

// ScanLog reads and closes rows of event_log's columns in the order event_id (or organization_id), version, type,
// organization_id, valid_at, recorded_at, actor, reason, traceparent, payload, hash.
func ScanLog(rows pgx.Rows) ([]contract.Envelope, error) {
	var messages []contract.Envelope
	err := EachLogRow(rows, func(m *contract.Envelope) { messages = append(messages, *m) })
	return messages, err
}

// Due is what time alone changes.
type Due struct {
	Offers  []string            // events with an offer that ran out
	Pending map[string][]string // RSVPs that were not confirmed in time, by event
}

const (
	// RSVPs of a cancelled event keep their state for good: without the second
	// condition they would come first at every sweep and fill its limit.
	ofLiveEvent = ` AND EXISTS (SELECT 1 FROM event WHERE event.id = rsvp.event_id AND event.status = 'published')`
	// Those of an event that was moved up end at its start, before their own time. One probe per event with an offer:
	// left to itself the planner read all events (measured: 86 ms with 100,000 of them, 2,700 with offers; so 12 ms).
	selectDueOffers = `SELECT DISTINCT event_id::text FROM ((SELECT event_id FROM rsvp
			WHERE status = 'offered' AND offer_expires_at <= $1` + ofLiveEvent + ` ORDER BY offer_expires_at LIMIT $2)
		UNION ALL (SELECT event_id FROM (SELECT DISTINCT event_id FROM rsvp WHERE status = 'offered') AS offering
			CROSS JOIN LATERAL (SELECT 1 FROM event
				WHERE id = event_id AND status = 'published' AND starts_at <= $1 LIMIT 1) AS begun LIMIT $2)) AS due`
	selectDuePending = `SELECT event_id, id FROM rsvp
		WHERE status = 'pending' AND pending_expires_at <= $1` + ofLiveEvent + ` ORDER BY pending_expires_at LIMIT $2`
)

// Due looks for up to limit RSVPs of each kind whose time is over.
func (s *Store) Due(ctx context.Context, now time.Time, limit int) (Due, error) {
	due := Due{Pending: map[string][]string{}}
	b := &pgx.Batch{}
	b.Queue(selectDueOffers, now, limit).Query(func(rows pgx.Rows) (err error) {
		due.Offers, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	b.Queue(selectDuePending, now, limit).Query(func(rows pgx.Rows) error {
		var event, id string
		_, err := pgx.ForEachRow(rows, []any{&event, &id}, func() error {
			due.Pending[event] = append(due.Pending[event], id)
			return nil
		})
		return err
	})
	return due, Unavailable(s.pool.SendBatch(ctx, b).Close(), "look for what is due")
}
