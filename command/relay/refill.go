package relay

import (
	"context"
	"fmt"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/turnout-events/turnout/internal/contract"
)

// refillPage is how many messages go to Kafka at once.
const refillPage = 1000

// The logs by the topic they belong to. A page begins after the last subject
// and version of the page before: a log that grows meanwhile moves nothing.
var refillLogs = []struct{ topic, count, page string }{
	{contract.TopicOrganizations, `SELECT count(*) FROM organization_log`,
		`SELECT organization_id, version, type, organization_id, valid_at, recorded_at, actor, reason, traceparent, payload, hash
		FROM organization_log WHERE (organization_id, version) > ($1, $2) ORDER BY organization_id, version LIMIT $3`},
	{contract.TopicRegistrations, `SELECT count(*) FROM event_log`,
		`SELECT event_id, version, type, organization_id, valid_at, recorded_at, actor, reason, traceparent, payload, hash
		FROM event_log WHERE (event_id, version) > ($1, $2) ORDER BY event_id, version LIMIT $3`},
}

// Refill publishes every message of the logs again, in the order of each event:
// for a Kafka that has lost its data. Consumers know the versions they have, so
// what is there already changes nothing and nobody gets a second mail. Relays
// may work meanwhile. It gives the number of messages; progress may be nil.
func Refill(ctx context.Context, pool *pgxpool.Pool, out message.Publisher, progress func(done, total int64)) (int64, error) {
	var done, total int64
	for _, l := range refillLogs {
		var n int64
		if err := pool.QueryRow(ctx, l.count).Scan(&n); err != nil {
			return 0, fmt.Errorf("count the log of %s: %w", l.topic, err)
		}
		total += n
	}
	for _, l := range refillLogs {
		subject, version := "00000000-0000-0000-0000-000000000000", int64(0)
		for {
			rows, err := pool.Query(ctx, l.page, subject, version, refillPage)
			if err != nil {
				return done, fmt.Errorf("read the log of %s: %w", l.topic, err)
			}
			page, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (*message.Message, error) {
				var e contract.Envelope
				err := row.Scan(&e.Subject, &e.Version, &e.Type, &e.Org, &e.ValidAt, &e.RecordedAt, &e.Actor, &e.Reason,
					&e.Traceparent, &e.Payload, &e.Chain)
				subject, version = e.Subject, e.Version
				m := Message(&e)
				m.SetContext(ctx)
				return m, err
			})
			if err != nil {
				return done, fmt.Errorf("read the log of %s: %w", l.topic, err)
			}
			if len(page) == 0 {
				break
			}
			if err := out.Publish(l.topic, page...); err != nil {
				return done, fmt.Errorf("publish to %s: %w", l.topic, err)
			}
			if done += int64(len(page)); progress != nil {
				progress(done, total)
			}
		}
	}
	return done, nil
}
