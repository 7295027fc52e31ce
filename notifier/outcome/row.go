package outcome

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/jackc/pgx/v5"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/kafkabus"
)

type row struct {
	id  int64
	env contract.Envelope
}

// next deletes what is acknowledged and reads on, in one round trip. Ids need
// no care for gaps: those of one notification are given under its lock.
func next(ctx context.Context, conn *pgx.Conn, done []int64, limit int) ([]row, error) {
	ctx, cancel := context.WithTimeout(ctx, stepBound)
	defer cancel()
	var rows []row
	b := &pgx.Batch{}
	if len(done) > 0 {
		b.Queue(`DELETE FROM notifier.outbox WHERE id = ANY($1::bigint[])`, done)
	}
	b.Queue(`
		SELECT o.id, o.version, o.state, o.outcome, o.attempts, o.due_at, o.finished_at, o.created_at, `+fixed+`
		FROM (SELECT id, notification_id, version, state, outcome, attempts, due_at, finished_at, created_at
			FROM notifier.outbox ORDER BY id LIMIT $1) AS o
		JOIN notifier.notification n ON n.id = o.notification_id ORDER BY o.id`, limit).Query(func(found pgx.Rows) (err error) {
		rows, err = pgx.CollectRows(found, scan)
		return err
	})
	if err := conn.SendBatch(ctx, b).Close(); err != nil {
		return nil, fmt.Errorf("read the notifier's outbox: %w", err)
	}
	return rows, nil
}

// fixed is what never changes of a notification.
const fixed = `n.id, n.event_id, n.organization_id, coalesce(n.rsvp_id::text, ''), n.kind, n.channel, n.reason, n.cause_type, n.cause_version`

func scan(found pgx.CollectableRow) (r row, err error) {
	var n contract.Notification
	e := &r.env
	err = found.Scan(&r.id, &e.Version, &n.State, &n.Outcome, &n.Attempts, &n.DueAt, &n.FinishedAt, &e.RecordedAt,
		&n.ID, &n.EventID, &n.OrganizationID, &n.RSVPID, &n.Kind, &n.Channel, &n.Reason, &n.CauseType, &n.CauseVersion)
	if err != nil {
		return r, err
	}
	return r, fill(e, n)
}

// types by the state that a notification came to. Any other means that it is
// tried again after all.
var types = map[string]string{
	"sent": contract.NotificationSentV1, "delivered": contract.NotificationDeliveredV1, "bounced": contract.NotificationBouncedV1,
	"dead": contract.NotificationDeadV1, "void": contract.NotificationVoidV1,
}

func fill(e *contract.Envelope, n contract.Notification) (err error) {
	n.DueAt = contract.Time(n.DueAt)
	e.RecordedAt = contract.Time(e.RecordedAt)
	e.ValidAt = e.RecordedAt
	if n.FinishedAt != nil {
		at := contract.Time(*n.FinishedAt)
		n.FinishedAt, e.ValidAt = &at, at
	}
	var ended bool
	if e.Type, ended = types[n.State]; !ended {
		e.Type = contract.NotificationRevivedV1
	}
	e.Subject, e.Org, e.Actor = n.ID, n.OrganizationID, "system:notifier"
	e.Payload, err = json.Marshal(contract.NotificationMessage{Notification: n})
	return err
}

func toMessage(ctx context.Context, e *contract.Envelope) *message.Message {
	m := message.NewMessage(e.ID(), e.Payload)
	m.Metadata = e.Headers()
	m.Metadata[kafkabus.MetaKey] = e.Subject
	m.SetContext(ctx)
	return m
}
