package pgstore

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/fault"
)

// Known gives an event, mostly from memory: it may be some edits old. Every
// batch on the event brings it up to date.
func (s *Store) Known(ctx context.Context, id string) (contract.Event, error) {
	if e, ok := s.events.get(id); ok {
		return e, nil
	}
	st, err := s.Event(ctx, id)
	if err != nil {
		return contract.Event{}, err
	}
	s.events.put(st.Event)
	return st.Event, nil
}

// DataKeys are the wrapped keys of RSVPs and accounts, and those ids whose key
// was destroyed. An id in neither is not known here.
type DataKeys struct {
	Wrapped map[string][]byte
	Gone    []string
}

// DataKeys reads keys of RSVPs and accounts.
func (s *Store) DataKeys(ctx context.Context, ids []string) (DataKeys, error) {
	out := DataKeys{Wrapped: make(map[string][]byte, len(ids)), Gone: []string{}}
	u, err := uuidsOf(ids)
	if err != nil {
		return out, fault.ErrInvalid.Because(err)
	}
	rows, err := s.pool.Query(ctx, `SELECT r.id::text, k.wrapped FROM rsvp r LEFT JOIN rsvp_key k ON k.rsvp_id = r.id WHERE r.id = ANY ($1)
		UNION ALL SELECT a.id::text, k.wrapped FROM account a LEFT JOIN account_key k ON k.account_id = a.id WHERE a.id = ANY ($1)`, u)
	if err != nil {
		return out, Unavailable(err, "read data keys")
	}
	var id string
	var wrapped []byte
	_, err = pgx.ForEachRow(rows, []any{&id, &wrapped}, func() error {
		if wrapped == nil {
			out.Gone = append(out.Gone, id)
		} else {
			out.Wrapped[id] = append([]byte(nil), wrapped...)
		}
		return nil
	})
	return out, Unavailable(err, "read data keys")
}
