package pgstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/turnout-events/turnout/notifier/notice"
)

// Webhook is an organizer's own system that hears of an organization's events.
type Webhook struct {
	ID             string
	OrganizationID string
	URL            string
	Secret         []byte // wrapped
	OldSecret      []byte // wrapped; nil: none
	OldUntil       time.Time
	CreatedBy      string
	CreatedAt      time.Time
	DisabledAt     time.Time
	DisabledReason string
}

const webhookColumns = `w.id, w.organization_id, w.url, w.secret, w.old_secret, w.old_until, w.created_by, w.created_at, w.disabled_at, w.disabled_reason`

func scanWebhook(row pgx.CollectableRow) (w Webhook, err error) {
	var old, disabled timestamp
	err = row.Scan(&w.ID, &w.OrganizationID, &w.URL, &w.Secret, &w.OldSecret, &old, &w.CreatedBy, &w.CreatedAt, &disabled, &w.DisabledReason)
	w.CreatedAt, w.OldUntil, w.DisabledAt = w.CreatedAt.UTC(), value(old), value(disabled)
	return w, err
}

// AddWebhook keeps a new one.
func (s *Store) AddWebhook(ctx context.Context, w Webhook) error {
	_, err := s.pool.Exec(ctx, `
		INSERT INTO notifier.webhook (id, organization_id, url, secret, created_by, created_at) VALUES ($1, $2, $3, $4, $5, $6)`,
		w.ID, w.OrganizationID, w.URL, w.Secret, w.CreatedBy, w.CreatedAt)
	if err != nil {
		return fmt.Errorf("add webhook: %w", err)
	}
	return nil
}

// Webhooks lists an organization's.
func (s *Store) Webhooks(ctx context.Context, organizationID string) ([]Webhook, error) {
	rows, err := s.pool.Query(ctx, `SELECT `+webhookColumns+` FROM notifier.webhook w WHERE w.organization_id = $1 ORDER BY w.id`, organizationID)
	if err != nil {
		return nil, fmt.Errorf("webhooks: %w", err)
	}
	return pgx.CollectRows(rows, scanWebhook)
}

// Webhook reads one.
func (s *Store) Webhook(ctx context.Context, webhookID string) (Webhook, error) {
	rows, err := s.pool.Query(ctx, `SELECT `+webhookColumns+` FROM notifier.webhook w WHERE w.id = $1`, webhookID)
	if err != nil {
		return Webhook{}, fmt.Errorf("webhook %s: %w", webhookID, err)
	}
	w, err := pgx.CollectExactlyOneRow(rows, scanWebhook)
	if errors.Is(err, pgx.ErrNoRows) {
		return w, ErrNotFound
	}
	return w, err
}

// DeleteWebhook forgets one and what it was still owed.
func (s *Store) DeleteWebhook(ctx context.Context, webhookID string) error {
	if _, err := s.pool.Exec(ctx, `DELETE FROM notifier.webhook WHERE id = $1`, webhookID); err != nil {
		return fmt.Errorf("delete webhook %s: %w", webhookID, err)
	}
	return nil
}

// RotateWebhook gives it a new secret; the one before signs too until then.
// It also enables it again.
func (s *Store) RotateWebhook(ctx context.Context, webhookID string, secret []byte, until time.Time) error {
	_, err := s.pool.Exec(ctx, `
		UPDATE notifier.webhook SET old_secret = secret, old_until = $3, secret = $2, disabled_at = NULL, disabled_reason = '' WHERE id = $1`,
		webhookID, secret, until)
	if err != nil {
		return fmt.Errorf("rotate secret of webhook %s: %w", webhookID, err)
	}
	return nil
}

// DisableWebhook stops posting to it and takes back what it was still owed.
func (s *Store) DisableWebhook(ctx context.Context, webhookID, reason string, now time.Time) error {
	return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `UPDATE notifier.webhook SET disabled_at = $2, disabled_reason = $3 WHERE id = $1 AND disabled_at IS NULL`,
			webhookID, now, reason); err != nil {
			return fmt.Errorf("disable webhook %s: %w", webhookID, err)
		}
		_, err := tx.Exec(ctx, `
			UPDATE notifier.webhook_delivery SET state = 'void', outcome = 'webhook disabled', finished_at = $2
			WHERE webhook_id = $1 AND state IN ('planned', 'failed')`, webhookID, now)
		if err != nil {
			return fmt.Errorf("disable webhook %s: %w", webhookID, err)
		}
		return nil
	})
}

// HookDelivery is one message for one webhook.
type HookDelivery struct {
	ID        string
	WebhookID string
	EventID   string
	Version   int64
	Type      string
	Body      []byte
	State     string
	Attempts  int
	PlannedAt time.Time
	NextAt    time.Time
	Fence     int64
	Outcome   string
	Finished  time.Time
}

const deliveryColumns = `d.id, d.webhook_id, d.event_id, d.version, d.type, d.body, d.state, d.attempts, d.planned_at, d.next_at, d.fence, d.outcome, d.finished_at`

func scanDelivery(row pgx.CollectableRow) (d HookDelivery, err error) {
	var finished timestamp
	err = row.Scan(&d.ID, &d.WebhookID, &d.EventID, &d.Version, &d.Type, &d.Body, &d.State, &d.Attempts, &d.PlannedAt, &d.NextAt, &d.Fence, &d.Outcome, &finished)
	d.PlannedAt, d.NextAt, d.Finished = d.PlannedAt.UTC(), d.NextAt.UTC(), value(finished)
	return d, err
}

// ActiveWebhooks gives the webhooks of the organizations that take posts, by
// organization.
func (t *Tx) ActiveWebhooks(ctx context.Context, organizations []string) (map[string][]string, error) {
	rows, err := t.tx.Query(ctx, `
		SELECT w.organization_id, w.id FROM notifier.webhook w WHERE w.organization_id = ANY($1::uuid[]) AND w.disabled_at IS NULL`, organizations)
	if err != nil {
		return nil, fmt.Errorf("webhooks: %w", err)
	}
	out := map[string][]string{}
	var org, hook string
	_, err = pgx.ForEachRow(rows, []any{&org, &hook}, func() error {
		out[org] = append(out[org], hook)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("webhooks: %w", err)
	}
	return out, nil
}

// AddDeliveries plans posts; one for the same webhook and message stays as it is.
func (t *Tx) AddDeliveries(ctx context.Context, deliveries []HookDelivery) error {
	b := &pgx.Batch{}
	for _, d := range deliveries {
		b.Queue(`
			INSERT INTO notifier.webhook_delivery (id, webhook_id, event_id, version, type, body, state, planned_at, next_at)
			VALUES ($1, $2, $3, $4, $5, $6, 'planned', $7, $7) ON CONFLICT DO NOTHING`,
			d.ID, d.WebhookID, d.EventID, d.Version, d.Type, d.Body, d.PlannedAt)
	}
	return t.send(ctx, b, "plan webhook posts")
}

// ClaimHooks takes due posts, those of an event in their order as far as they
// are due together; none of the webhooks in without.
func (s *Store) ClaimHooks(ctx context.Context, now time.Time, lease time.Duration, limit int, without []string) ([]HookDelivery, error) {
	rows, err := s.pool.Query(ctx, `
		WITH due AS (
			SELECT id FROM notifier.webhook_delivery WHERE state IN ('planned', 'failed') AND next_at <= $1 AND webhook_id <> ALL($4::uuid[])
			ORDER BY next_at, version LIMIT $3 FOR UPDATE SKIP LOCKED)
		UPDATE notifier.webhook_delivery d SET state = 'claimed', fence = d.fence + 1, lease_until = $2
		FROM due WHERE d.id = due.id RETURNING `+deliveryColumns, now, now.Add(lease), limit, without)
	if err != nil {
		return nil, fmt.Errorf("claim webhook posts: %w", err)
	}
	return pgx.CollectRows(rows, scanDelivery)
}

// RecordHook writes what became of a claimed post; false: the lease was lost.
func (s *Store) RecordHook(ctx context.Context, d HookDelivery) (bool, error) {
	tag, err := s.pool.Exec(ctx, `
		UPDATE notifier.webhook_delivery SET state = $3, outcome = $4, attempts = $5, next_at = $6, finished_at = $7, lease_until = NULL
		WHERE id = $1 AND fence = $2 AND state = 'claimed'`, d.ID, d.Fence, d.State, d.Outcome, d.Attempts, d.NextAt, orNull(d.Finished))
	if err != nil {
		return false, fmt.Errorf("record webhook post %s: %w", d.ID, err)
	}
	return tag.RowsAffected() == 1, nil
}

// TookHooks tells whether a webhook took any post since then. What it took was
// planned at most as long before as a post is tried.
func (s *Store) TookHooks(ctx context.Context, webhookID string, since time.Time) (takes bool, err error) {
	err = s.pool.QueryRow(ctx, `
		SELECT EXISTS (SELECT FROM notifier.webhook_delivery
			WHERE webhook_id = $1 AND planned_at > $2::timestamptz - interval '7 days' AND state = 'sent' AND finished_at > $2)`,
		webhookID, since).Scan(&takes)
	if err != nil {
		return false, fmt.Errorf("what webhook %s took: %w", webhookID, err)
	}
	return takes, nil
}

// ReclaimHooks puts back posts whose lease is over.
func (s *Store) ReclaimHooks(ctx context.Context, now time.Time) (int64, error) {
	tag, err := s.pool.Exec(ctx, `
		UPDATE notifier.webhook_delivery SET state = CASE WHEN attempts > 0 THEN 'failed' ELSE 'planned' END
		WHERE state = 'claimed' AND lease_until < $1`, now)
	if err != nil {
		return 0, fmt.Errorf("take back lost webhook posts: %w", err)
	}
	return tag.RowsAffected(), nil
}

// HookDeliveries lists a webhook's posts, the latest first.
func (s *Store) HookDeliveries(ctx context.Context, webhookID string, limit int) ([]HookDelivery, error) {
	rows, err := s.pool.Query(ctx, `
		SELECT `+deliveryColumns+` FROM notifier.webhook_delivery d WHERE d.webhook_id = $1 ORDER BY d.planned_at DESC, d.version DESC LIMIT $2`,
		webhookID, limit)
	if err != nil {
		return nil, fmt.Errorf("posts of webhook %s: %w", webhookID, err)
	}
	return pgx.CollectRows(rows, scanDelivery)
}

// Redeliver has finished posts of a webhook tried again: those planned since,
// or only the one with the id if it is not empty.
func (s *Store) Redeliver(ctx context.Context, webhookID, deliveryID string, since, now time.Time) (int64, error) {
	tag, err := s.pool.Exec(ctx, `
		UPDATE notifier.webhook_delivery SET state = $5, attempts = 0, next_at = $4, planned_at = $4, finished_at = NULL, outcome = 'asked for again'
		WHERE webhook_id = $1 AND state IN ('sent', 'dead', 'void') AND planned_at >= $3 AND ($2 = '' OR id = nullif($2, '')::uuid)`,
		webhookID, deliveryID, since, now, notice.Planned)
	if err != nil {
		return 0, fmt.Errorf("post to webhook %s again: %w", webhookID, err)
	}
	return tag.RowsAffected(), nil
}
