package pgstore

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/turnout-events/turnout/notifier/campaign"
	"github.com/turnout-events/turnout/notifier/notice"
)

// Campaign is a row of one. Lock order: campaign, then bulk, then notices; those
// skip what is locked, for who has planned or recorded some waits for bulk.
type Campaign struct {
	ID             string
	EventID        string
	OrganizationID string
	AccountID      string
	Name           string
	State          campaign.State
	Segment        campaign.Segment
	Variants       []campaign.Variant
	Body           string
	StartsAt       time.Time // zero: when somebody starts it
	StartedAt      time.Time
	FinishedAt     time.Time
	Reason         string
	Snapshot       bool   // recipients are fixed
	PlannedTo      string // recipients down to this id are planned
	Planned        bool   // all are
	RequestKey     string
	RequestHash    []byte
	CreatedAt      time.Time
}

const campaignColumns = `c.id, c.event_id, c.organization_id, c.account_id, c.name, c.state, c.segment, c.variants, c.body, c.starts_at,
	c.started_at, c.finished_at, c.reason, c.snapshot, coalesce(c.planned_to::text, ''), c.planned, c.request_key, c.request_hash, c.created_at`

func scanCampaign(row pgx.CollectableRow) (c Campaign, err error) {
	var (
		segment, variants         []byte
		starts, started, finished timestamp
	)
	err = row.Scan(&c.ID, &c.EventID, &c.OrganizationID, &c.AccountID, &c.Name, &c.State, &segment, &variants, &c.Body, &starts,
		&started, &finished, &c.Reason, &c.Snapshot, &c.PlannedTo, &c.Planned, &c.RequestKey, &c.RequestHash, &c.CreatedAt)
	if err != nil {
		return c, err
	}
	c.StartsAt, c.StartedAt, c.FinishedAt, c.CreatedAt = value(starts), value(started), value(finished), c.CreatedAt.UTC()
	if err := json.Unmarshal(segment, &c.Segment); err != nil {
		return c, fmt.Errorf("segment of campaign %s: %w", c.ID, err)
	}
	if err := json.Unmarshal(variants, &c.Variants); err != nil {
		return c, fmt.Errorf("variants of campaign %s: %w", c.ID, err)
	}
	return c, nil
}

// oneCampaign reads exactly one row of a query on any connection.
func oneCampaign(rows pgx.Rows, err error) (Campaign, error) {
	if err != nil {
		return Campaign{}, err
	}
	c, err := pgx.CollectExactlyOneRow(rows, scanCampaign)
	if errors.Is(err, pgx.ErrNoRows) {
		return c, ErrNotFound
	}
	return c, err
}

// ErrTooManyCampaigns means that the event has as many that are not over as it may have.
var ErrTooManyCampaigns = errors.New("too many campaigns")

// AddCampaign keeps a new one, unless the event has most that are not over. The
// same request again changes nothing and returns what the first one made.
func (s *Store) AddCampaign(ctx context.Context, c Campaign, most int) (Campaign, error) {
	segment, err := json.Marshal(c.Segment)
	if err != nil {
		return c, err
	}
	variants, err := json.Marshal(c.Variants)
	if err != nil {
		return c, err
	}
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `
			INSERT INTO notifier.campaign (id, event_id, organization_id, account_id, name, state, segment, variants, body, starts_at,
				request_key, request_hash, created_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT (account_id, request_key) DO NOTHING`,
			c.ID, c.EventID, c.OrganizationID, c.AccountID, c.Name, c.State, segment, variants, c.Body, orNull(c.StartsAt),
			c.RequestKey, c.RequestHash, c.CreatedAt)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 1 {
			var open int
			err := tx.QueryRow(ctx, `SELECT count(*) FROM notifier.campaign WHERE event_id = $1 AND state NOT IN ('done', 'cancelled')`, c.EventID).Scan(&open)
			if err == nil && open > most {
				err = ErrTooManyCampaigns
			}
			return err
		}
		before, err := oneCampaign(tx.Query(ctx, `SELECT `+campaignColumns+` FROM notifier.campaign c WHERE c.account_id = $1 AND c.request_key = $2`,
			c.AccountID, c.RequestKey))
		if err == nil && !bytes.Equal(before.RequestHash, c.RequestHash) {
			return ErrOtherRequest
		}
		c = before
		return err
	})
	if err != nil {
		return c, fmt.Errorf("campaign for event %s: %w", c.EventID, err)
	}
	return c, nil
}

// Campaign reads one.
func (s *Store) Campaign(ctx context.Context, campaignID string) (Campaign, error) {
	c, err := oneCampaign(s.pool.Query(ctx, `SELECT `+campaignColumns+` FROM notifier.campaign c WHERE c.id = $1`, campaignID))
	if err != nil {
		return c, fmt.Errorf("campaign %s: %w", campaignID, err)
	}
	return c, nil
}

// Campaigns lists those of an event, the latest first.
func (s *Store) Campaigns(ctx context.Context, eventID string, limit int) ([]Campaign, error) {
	rows, err := s.pool.Query(ctx, `
		SELECT `+campaignColumns+` FROM notifier.campaign c WHERE c.event_id = $1 ORDER BY c.created_at DESC, c.id DESC LIMIT $2`, eventID, limit)
	if err != nil {
		return nil, fmt.Errorf("campaigns of event %s: %w", eventID, err)
	}
	list, err := pgx.CollectRows(rows, scanCampaign)
	if err != nil {
		return nil, fmt.Errorf("campaigns of event %s: %w", eventID, err)
	}
	return list, nil
}

// MoveCampaign does what a member asks for, with all that follows from it, in
// one transaction; see campaign.Next for what is refused.
func (s *Store) MoveCampaign(ctx context.Context, campaignID string, a campaign.Action, reason string, now time.Time) (c Campaign, err error) {
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if c, err = lockCampaign(ctx, tx, campaignID); err != nil {
			return err
		}
		next, err := campaign.Next(c.State, a)
		if err != nil || next == c.State {
			return err
		}
		return moveCampaign(ctx, tx, &c, next, reason, now)
	})
	if err != nil {
		return c, fmt.Errorf("%s campaign %s: %w", a, campaignID, err)
	}
	return c, nil
}

func lockCampaign(ctx context.Context, tx pgx.Tx, campaignID string) (Campaign, error) {
	return oneCampaign(tx.Query(ctx, `SELECT `+campaignColumns+` FROM notifier.campaign c WHERE c.id = $1 FOR UPDATE`, campaignID))
}

func moveCampaign(ctx context.Context, tx pgx.Tx, c *Campaign, next campaign.State, reason string, now time.Time) error {
	c.State, c.Reason = next, reason
	switch next {
	case campaign.Running:
		if c.StartedAt.IsZero() {
			c.StartedAt = now
		}
	case campaign.Cancelled, campaign.Done:
		c.FinishedAt = now
	}
	_, err := tx.Exec(ctx, `UPDATE notifier.campaign SET state = $2, reason = $3, started_at = $4, finished_at = $5 WHERE id = $1`,
		c.ID, c.State, c.Reason, orNull(c.StartedAt), orNull(c.FinishedAt))
	if err != nil {
		return err
	}
	// Whoever releases mail holds this row: it either sees the new state, or what it released is taken back below.
	if err := wakeBulk(ctx, tx, c.OrganizationID, now); err != nil {
		return err
	}
	switch next {
	case campaign.Paused:
		// What is beyond this is claimed, found paused and put back: this only spares that.
		_, err = tx.Exec(ctx, `
			UPDATE notifier.notification SET next_at = 'infinity', outcome = $2
			WHERE id IN (
				SELECT id FROM notifier.notification
				WHERE kind = 'campaign' AND occurrence = $1 AND state IN ('planned', 'failed') AND next_at < 'infinity'
				LIMIT $3 FOR UPDATE SKIP LOCKED)`, notice.CampaignOccurrence(c.ID), HeldPaused, moveBatch)
	case campaign.Cancelled:
		_, err = voidCampaign(ctx, tx, c.ID, now)
	}
	return err
}

// moveBatch is how many notices one statement changes: with their outcomes
// they take well below the time that a statement has.
const moveBatch = 5000

type executor interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

func voidCampaign(ctx context.Context, db executor, campaignID string, now time.Time) (int64, error) {
	tag, err := db.Exec(ctx, `
		UPDATE notifier.notification SET state = 'void', outcome = $2, finished_at = $3
		WHERE id IN (
			SELECT id FROM notifier.notification
			WHERE kind = 'campaign' AND occurrence = $1 AND state IN ('planned', 'failed') LIMIT $4 FOR UPDATE SKIP LOCKED)`,
		notice.CampaignOccurrence(campaignID), VoidedCampaign, now, moveBatch)
	return tag.RowsAffected(), err
}

// anyNotice begins a question whether campaign c has a notice. A scalar one:
// an EXISTS may be joined, over all notices of all campaigns.
const anyNotice = `SELECT n.id FROM notifier.notification n WHERE n.kind = 'campaign' AND n.occurrence = 'c/' || c.id`

// VoidCancelled takes back what cancelling a large campaign has left. None of
// it would go; it only has to say why.
func (s *Store) VoidCancelled(ctx context.Context, now time.Time) error {
	rows, err := s.pool.Query(ctx, `
		SELECT c.id::text FROM notifier.campaign c WHERE c.state = 'cancelled' AND c.finished_at > $1 AND (`+anyNotice+`
			AND n.state IN ('planned', 'failed') LIMIT 1) IS NOT NULL`, now.Add(-24*time.Hour))
	if err != nil {
		return fmt.Errorf("cancelled campaigns: %w", err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	for i := 0; i < len(ids) && err == nil; i++ {
		for n := int64(1); n > 0 && err == nil; {
			n, err = voidCampaign(ctx, s.pool, ids[i], now)
		}
	}
	if err != nil {
		return fmt.Errorf("cancelled campaigns: %w", err)
	}
	return nil
}

// What stands with notices that wait for their campaign or the limit, or that
// were taken back with it.
const (
	HeldPaused     = "campaign paused"
	HeldForLimit   = "waits for the organization's hourly limit"
	VoidedCampaign = "campaign-cancelled"
)

// CampaignState reads how one stands now.
func (s *Store) CampaignState(ctx context.Context, campaignID string) (state campaign.State, err error) {
	err = s.pool.QueryRow(ctx, `SELECT state FROM notifier.campaign WHERE id = $1`, campaignID).Scan(&state)
	if err != nil {
		return "", fmt.Errorf("state of campaign %s: %w", campaignID, err)
	}
	return state, nil
}

// loadedCampaigns gives claimed notices the words of their campaigns.
type loadedCampaigns map[string]Campaign

func queueCampaigns(b *pgx.Batch, claimed []notice.Notice) loadedCampaigns {
	out := loadedCampaigns{}
	var ids []string
	for i := range claimed {
		if id := claimed[i].Detail.Campaign; id != "" {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return out
	}
	b.Queue(`SELECT `+campaignColumns+` FROM notifier.campaign c WHERE c.id = ANY($1::uuid[])`, ids).Query(func(rows pgx.Rows) error {
		all, err := pgx.CollectRows(rows, scanCampaign)
		for _, c := range all {
			out[c.ID] = c
		}
		return err
	})
	return out
}

func (l loadedCampaigns) fill(n *notice.Notice) {
	c, there := l[n.Detail.Campaign]
	if !there {
		return
	}
	n.Detail.Subject, n.Detail.Body = c.Variants[min(n.Detail.Variant, len(c.Variants)-1)].Subject, c.Body
	n.Detail.Statuses, n.Detail.Marketing = c.Segment.Statuses(), c.Segment.Scope == campaign.ScopeOrganization
}
