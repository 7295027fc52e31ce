package pgstore

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// KeptAnswer is an answer whose data key is still there.
type KeptAnswer struct{ EventID, RSVPID string }

// PastRetention lists answers that still have their data key although their
// event's retention is over.
func (s *Store) PastRetention(ctx context.Context, now time.Time, limit int) ([]KeptAnswer, error) {
	rows, err := s.pool.Query(ctx, `SELECT e.id::text, r.id::text FROM event e
		JOIN rsvp r ON r.event_id = e.id JOIN rsvp_key k ON k.rsvp_id = r.id
		WHERE e.retain_until < $1 ORDER BY e.id, r.id LIMIT $2`, now, limit)
	if err != nil {
		return nil, Unavailable(err, "look for answers past their retention")
	}
	past, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (k KeptAnswer, err error) {
		return k, row.Scan(&k.EventID, &k.RSVPID)
	})
	return past, Unavailable(err, "look for answers past their retention")
}
