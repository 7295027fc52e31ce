package pgstore

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/turnout-events/turnout/notifier/campaign"
	"github.com/turnout-events/turnout/notifier/notice"
)

// matching are the guests of a segment; $1 … $8 are matchArgs.
const matching = `
	FROM notifier.guest g
	WHERE g.event_id IN (
		SELECT e.id FROM notifier.event e
		WHERE CASE WHEN $3 THEN e.organization_id = $2 AND e.body IS NOT NULL AND e.body->>'status' <> 'draft' ELSE e.id = $1 END
		  AND ($7 = '' OR EXISTS (
			SELECT FROM jsonb_array_elements_text(CASE jsonb_typeof(e.body->'tags') WHEN 'array' THEN e.body->'tags' ELSE '[]' END) AS t
			WHERE lower(t) = lower($7)))
		  AND ($8 = '' OR lower(e.body->'venue'->>'city') = lower($8)))
	  AND g.status = ANY($4::text[]) AND g.party_size >= $5 AND ($6 = 0 OR g.party_size <= $6) AND NOT g.erased`

func matchArgs(eventID, organizationID string, s campaign.Segment) []any {
	return []any{eventID, organizationID, s.Scope == campaign.ScopeOrganization, s.Statuses(), s.PartyMin, s.PartyMax, s.Tag, s.City}
}

const (
	// candidateBatch is how many candidates are handed over at once: as many as
	// the key endpoint answers.
	candidateBatch = 500
	// snapshotBatch is how many recipients one statement keeps.
	snapshotBatch = 10_000
)

const candidateColumns = `g.rsvp_id, g.updates, g.marketing, g.erased`

func scanCandidate(row pgx.CollectableRow) (c campaign.Candidate, err error) {
	return c, row.Scan(&c.RSVPID, &c.Updates, &c.Marketing, &c.Erased, &c.Sealed)
}

// Matching hands over who would get a campaign now, the latest answer first.
// What needs no address reads none.
func (s *Store) Matching(ctx context.Context, eventID, organizationID string, g campaign.Segment, take func([]campaign.Candidate) error) error {
	err := pgx.BeginTxFunc(ctx, s.pool, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		return each(ctx, tx, candidateBatch, scanCandidate, take, `
			SELECT `+candidateColumns+`, CASE WHEN $9 THEN g.sealed ELSE '' END `+matching+` ORDER BY g.rsvp_id DESC`,
			append(matchArgs(eventID, organizationID, g), g.NeedsIdentity())...)
	})
	if err != nil {
		return fmt.Errorf("guests of a segment: %w", err)
	}
	return nil
}

// Attended hands over who was checked in at an event of the organization that
// started before another one of its events.
func (s *Store) Attended(ctx context.Context, organizationID, exceptEvent string, before time.Time, take func([]campaign.Candidate) error) error {
	err := pgx.BeginTxFunc(ctx, s.pool, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		return each(ctx, tx, candidateBatch, scanCandidate, take, `
			SELECT `+candidateColumns+`, g.sealed FROM notifier.guest g
			WHERE g.checked_in > 0 AND NOT g.erased AND g.event_id IN (
				SELECT e.id FROM notifier.event e
				WHERE e.organization_id = $1 AND e.id <> $2 AND (e.body->>'starts_at')::timestamptz < $3)`, organizationID, exceptEvent, before)
	})
	if err != nil {
		return fmt.Errorf("guests who attended: %w", err)
	}
	return nil
}

// each hands over what a query finds, size rows at a time, from a cursor: no
// statement runs as long as all of it takes.
func each[T any](ctx context.Context, tx pgx.Tx, size int, scan pgx.RowToFunc[T], take func([]T) error, query string, args ...any) error {
	if _, err := tx.Exec(ctx, `DECLARE found NO SCROLL CURSOR FOR `+query, args...); err != nil {
		return err
	}
	for {
		// Not prepared: the next cursor of this name on this connection has other columns.
		rows, err := tx.Query(ctx, fmt.Sprintf(`FETCH %d FROM found`, size), pgx.QueryExecModeExec)
		if err != nil {
			return err
		}
		batch, err := pgx.CollectRows(rows, scan)
		if err != nil {
			return err
		}
		if len(batch) > 0 {
			if err := take(batch); err != nil {
				return err
			}
		}
		if len(batch) < size {
			_, err := tx.Exec(ctx, `CLOSE found`)
			return err
		}
	}
}

// DueCampaigns starts those whose time has come and returns, oldest start
// first, those that have recipients to plan.
func (s *Store) DueCampaigns(ctx context.Context, now time.Time) ([]Campaign, error) {
	var out []Campaign
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `
			UPDATE notifier.campaign SET state = 'running', started_at = $1 WHERE state = 'scheduled' AND starts_at <= $1`, now); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, `SELECT `+campaignColumns+` FROM notifier.campaign c WHERE c.state = 'running' AND NOT c.planned ORDER BY c.started_at, c.id`)
		if err != nil {
			return err
		}
		out, err = pgx.CollectRows(rows, scanCampaign)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("due campaigns: %w", err)
	}
	return out, nil
}

// TakeSnapshot fixes who matches a campaign at this instant: who answers later
// is not among them. It is nothing when another notifier has done it.
func (s *Store) TakeSnapshot(ctx context.Context, c Campaign) error {
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `UPDATE notifier.campaign SET snapshot = true WHERE id = $1 AND state = 'running' AND NOT snapshot`, c.ID)
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
		return each(ctx, tx, snapshotBatch, pgx.RowTo[string], func(ids []string) error {
			_, err := tx.Exec(ctx, `INSERT INTO notifier.campaign_recipient (campaign_id, rsvp_id) SELECT $1, unnest($2::uuid[])`, c.ID, ids)
			return err
		}, `SELECT g.rsvp_id::text `+matching, matchArgs(c.EventID, c.OrganizationID, c.Segment)...)
	})
	if err != nil {
		return fmt.Errorf("recipients of campaign %s: %w", c.ID, err)
	}
	return nil
}

// last is above every id.
const last = "ffffffff-ffff-ffff-ffff-ffffffffffff"

// Recipients reads the next of a snapshot below an id (empty: from the top),
// the latest answer first. planned reads those that are planned already instead.
func (s *Store) Recipients(ctx context.Context, campaignID, below string, planned bool, limit int) ([]campaign.Candidate, error) {
	if below == "" {
		below = last
	}
	// The ids first: Postgres has no figures about rows that are a second old, and joins all of them to sort them then.
	rows, err := s.pool.Query(ctx, `
		WITH next AS MATERIALIZED (
			SELECT r.rsvp_id FROM notifier.campaign_recipient r
			WHERE r.campaign_id = $1 AND r.rsvp_id < $2 AND (NOT $3 OR r.variant IS NOT NULL OR r.skipped <> '')
			ORDER BY r.campaign_id DESC, r.rsvp_id DESC LIMIT $4)
		SELECT r.rsvp_id, coalesce(g.updates, false), coalesce(g.marketing, false), coalesce(g.erased, true), coalesce(g.sealed, '')
		FROM next r LEFT JOIN notifier.guest g ON g.rsvp_id = r.rsvp_id ORDER BY r.rsvp_id DESC`, campaignID, below, planned, limit)
	if err != nil {
		return nil, fmt.Errorf("recipients of campaign %s: %w", campaignID, err)
	}
	out, err := pgx.CollectRows(rows, scanCandidate)
	if err != nil {
		return nil, fmt.Errorf("recipients of campaign %s: %w", campaignID, err)
	}
	return out, nil
}

// Placed is what was decided about a recipient.
type Placed struct {
	RSVPID  string
	Variant int
	Skip    string // why there is no mail; empty: there is
	Notice  *notice.Notice
}

// Place plans a batch of recipients, held until the limit lets them go, and
// moves the campaign's mark from where c has it. done tells that there are no
// more. It is false when the campaign has moved meanwhile: paused (also when
// its recipients were to be fixed), cancelled, or planned by another notifier.
func (s *Store) Place(ctx context.Context, c Campaign, placed []Placed, to string, done bool, now time.Time) (ok bool, err error) {
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		row, err := lockCampaign(ctx, tx, c.ID)
		if err != nil || row.State != campaign.Running || !row.Snapshot || row.PlannedTo != c.PlannedTo || row.Planned {
			return err
		}
		ok = true
		var (
			cols  columns
			adds  []*notice.Notice
			anyTo = to
		)
		for _, p := range placed {
			cols.row(p.RSVPID, int16(p.Variant), p.Skip)
			if p.Notice != nil {
				adds = append(adds, p.Notice)
			}
		}
		if len(placed) > 0 {
			if _, err := tx.Exec(ctx, `
				UPDATE notifier.campaign_recipient r SET variant = CASE WHEN n.skipped = '' THEN n.variant END, skipped = n.skipped
				FROM unnest($2::uuid[], $3::smallint[], $4::text[]) AS n(rsvp_id, variant, skipped)
				WHERE r.campaign_id = $1 AND r.rsvp_id = n.rsvp_id AND r.rsvp_id = ANY($2::uuid[])`, append([]any{c.ID}, cols.args()...)...); err != nil {
				return err
			}
		}
		if err := (&Tx{tx: tx}).Add(ctx, adds); err != nil {
			return err
		}
		if anyTo == "" {
			anyTo = c.PlannedTo
		}
		if _, err := tx.Exec(ctx, `UPDATE notifier.campaign SET planned_to = nullif($2, '')::uuid, planned = $3 WHERE id = $1`, c.ID, anyTo, done); err != nil {
			return err
		}
		return wakeBulk(ctx, tx, c.OrganizationID, now)
	})
	if err != nil {
		return false, fmt.Errorf("plan campaign %s: %w", c.ID, err)
	}
	return ok, nil
}

// FinishCampaigns ends those of which nothing waits any more, and returns how
// many.
func (s *Store) FinishCampaigns(ctx context.Context, now time.Time) (int64, error) {
	tag, err := s.pool.Exec(ctx, `
		UPDATE notifier.campaign c SET state = 'done', finished_at = $1
		WHERE c.state = 'running' AND c.planned AND (`+anyNotice+` AND n.state IN ('planned', 'failed', 'claimed') LIMIT 1) IS NULL`, now)
	if err != nil {
		return 0, fmt.Errorf("finish campaigns: %w", err)
	}
	return tag.RowsAffected(), nil
}
