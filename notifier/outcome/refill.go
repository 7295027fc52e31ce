package outcome

import (
	"context"
	"fmt"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/turnout-events/turnout/internal/contract"
)

// Refill publishes the last outcome of every notification that has one: for a
// Kafka that has lost its data. It gives their number; progress may be nil.
func Refill(ctx context.Context, pool *pgxpool.Pool, out message.Publisher, progress func(done, total int64)) (int64, error) {
	var done, total int64
	if err := pool.QueryRow(ctx, `SELECT count(*) FROM notifier.notification WHERE outcome_version > 0`).Scan(&total); err != nil {
		return 0, fmt.Errorf("count outcomes: %w", err)
	}
	last := "00000000-0000-0000-0000-000000000000"
	for {
		found, err := pool.Query(ctx, `
			SELECT 0::bigint, n.outcome_version, n.state, n.outcome, n.attempts, n.due_at, n.finished_at, coalesce(n.finished_at, n.planned_at), `+fixed+`
			FROM notifier.notification n WHERE n.outcome_version > 0 AND n.id > $1 ORDER BY n.id LIMIT $2`, last, batch)
		if err != nil {
			return done, fmt.Errorf("read outcomes: %w", err)
		}
		rows, err := pgx.CollectRows(found, scan)
		if err != nil {
			return done, fmt.Errorf("read outcomes: %w", err)
		}
		if len(rows) == 0 {
			return done, nil
		}
		messages := make([]*message.Message, len(rows))
		for i := range rows {
			messages[i] = toMessage(ctx, &rows[i].env)
		}
		if err := out.Publish(contract.TopicNotifications, messages...); err != nil {
			return done, fmt.Errorf("publish outcomes: %w", err)
		}
		last = rows[len(rows)-1].env.Subject
		if done += int64(len(rows)); progress != nil {
			progress(done, total)
		}
	}
}
