package pgstore

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/fault"
)

// Census is an event at a version, and who has asked it: the HMACs of addresses and the keys of one scope.
type Census struct {
	Event           contract.Event
	Counters        contract.Counters
	Version         int64
	Addresses, Keys map[string]struct{}
}

const selectVersion = `SELECT version FROM event_counter WHERE event_id = $1`

// Version is the event's present one, which every change of the event and of its answers raises.
func (s *Store) Version(ctx context.Context, eventID string) (version int64, err error) {
	event, err := uuidOf(eventID)
	if err != nil {
		return 0, fault.ErrNotFound
	}
	err = s.pool.QueryRow(ctx, selectVersion, event).Scan(&version)
	return version, Unavailable(err, "read the version of an event")
}

// Census reads one; nil when there are more than most addresses or keys, or when the event changed meanwhile.
func (s *Store) Census(ctx context.Context, eventID, scope string, most int) (*Census, error) {
	event, err := uuidOf(eventID)
	if err != nil {
		return nil, fault.ErrNotFound
	}
	l := &Locked{}
	c := &Census{Addresses: map[string]struct{}{}, Keys: map[string]struct{}{}}
	b := &pgx.Batch{}
	b.Queue(selectCounter, event).QueryRow(l.scanCounter)
	b.Queue(selectBody, event).QueryRow(l.scanBody)
	b.Queue(`SELECT email_hmac FROM rsvp WHERE event_id = $1 AND email_hmac IS NOT NULL LIMIT $2`, event, most+1).
		Query(func(rows pgx.Rows) error {
			var hmac []byte
			_, err := pgx.ForEachRow(rows, []any{&hmac}, func() error { c.Addresses[string(hmac)] = struct{}{}; return nil })
			return err
		})
	b.Queue(`SELECT key FROM idempotency WHERE scope = $1 LIMIT $2`, scope, most+1).Query(func(rows pgx.Rows) error {
		var key string
		_, err := pgx.ForEachRow(rows, []any{&key}, func() error { c.Keys[key] = struct{}{}; return nil })
		return err
	})
	var after int64
	b.Queue(selectVersion, event).QueryRow(func(row pgx.Row) error { return row.Scan(&after) })
	if err := s.pool.SendBatch(ctx, b).Close(); err != nil {
		if errors.Is(err, pgx.ErrNoRows) {
			return nil, fault.ErrNotFound
		}
		return nil, Unavailable(err, "take the census of an event")
	}
	if len(c.Addresses) > most || len(c.Keys) > most || after != l.Version {
		return nil, nil
	}
	c.Event, c.Counters, c.Version = l.Event, l.Counters, l.Version
	return c, nil
}
