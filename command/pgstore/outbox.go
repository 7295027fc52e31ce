package pgstore

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// Backlog is what of one topic Kafka does not have yet.
type Backlog struct {
	Topic   int     // TopicRegistrations or TopicOrganizations
	Rows    int64   // messages
	Seconds float64 // age of the oldest
}

// Backlogs reads the outbox. An empty topic has no row.
func (s *Store) Backlogs(ctx context.Context) ([]Backlog, error) {
	rows, err := s.pool.Query(ctx, `SELECT topic, count(*), greatest(extract(epoch FROM clock_timestamp() - min(created_at)), 0)::float8
		FROM outbox GROUP BY topic ORDER BY topic`)
	if err != nil {
		return nil, Unavailable(err, "read the outbox")
	}
	out, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (b Backlog, err error) {
		return b, row.Scan(&b.Topic, &b.Rows, &b.Seconds)
	})
	return out, Unavailable(err, "read the outbox")
}
