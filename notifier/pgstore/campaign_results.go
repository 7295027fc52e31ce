package pgstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Tally is what became of a campaign so far.
type Tally struct {
	Matched  int            // recipients of the snapshot
	Skipped  map[string]int // of them, by why they get no mail
	Variants map[int]*Counts
}

// Counts of one variant.
type Counts struct {
	Recipients int
	States     map[string]int // of their notices
	Opened     int            // recipients, each once
	Clicked    int
}

// TallyCampaign counts.
func (s *Store) TallyCampaign(ctx context.Context, campaignID string) (Tally, error) {
	t := Tally{Skipped: map[string]int{}, Variants: map[int]*Counts{}}
	rows, err := s.pool.Query(ctx, `
		SELECT coalesce(r.variant, -1), r.skipped, coalesce(n.state, ''), count(*), count(r.opened_at), count(r.clicked_at)
		FROM notifier.campaign_recipient r
		LEFT JOIN notifier.notification n ON n.kind = 'campaign' AND n.occurrence = 'c/' || r.campaign_id AND n.rsvp_id = r.rsvp_id
		WHERE r.campaign_id = $1 GROUP BY 1, 2, 3`, campaignID)
	if err != nil {
		return t, fmt.Errorf("results of campaign %s: %w", campaignID, err)
	}
	var (
		variant, n, opened, clicked int
		skipped, state              string
	)
	_, err = pgx.ForEachRow(rows, []any{&variant, &skipped, &state, &n, &opened, &clicked}, func() error {
		t.Matched += n
		if skipped != "" {
			t.Skipped[skipped] += n
		}
		if variant < 0 {
			return nil
		}
		c := t.Variants[variant]
		if c == nil {
			c = &Counts{States: map[string]int{}}
			t.Variants[variant] = c
		}
		c.Recipients, c.Opened, c.Clicked = c.Recipients+n, c.Opened+opened, c.Clicked+clicked
		if state != "" {
			c.States[state] += n
		}
		return nil
	})
	if err != nil {
		return t, fmt.Errorf("results of campaign %s: %w", campaignID, err)
	}
	return t, nil
}

// CountOpened and CountClicked count a recipient once, and only while the
// organization wants it counted. ErrNotFound: there is no such mail of a
// campaign.
func (s *Store) CountOpened(ctx context.Context, noticeID string, now time.Time) error {
	return s.countOnce(ctx, noticeID, "opened_at", now)
}

// CountClicked is CountOpened for a link.
func (s *Store) CountClicked(ctx context.Context, noticeID string, now time.Time) error {
	return s.countOnce(ctx, noticeID, "clicked_at", now)
}

func (s *Store) countOnce(ctx context.Context, noticeID, column string, now time.Time) error {
	var there bool
	err := s.pool.QueryRow(ctx, `
		WITH sent AS (
			SELECT (n.detail->>'campaign')::uuid AS campaign_id, n.rsvp_id, coalesce((o.body->>'tracking')::boolean, false) AS tracking
			FROM notifier.notification n LEFT JOIN notifier.organization o ON o.id = n.organization_id
			WHERE n.id = $1 AND n.kind = 'campaign'),
		counted AS (
			UPDATE notifier.campaign_recipient r SET `+column+` = $2 FROM sent
			WHERE sent.tracking AND r.campaign_id = sent.campaign_id AND r.rsvp_id = sent.rsvp_id AND r.`+column+` IS NULL)
		SELECT true FROM sent`, noticeID, now).Scan(&there)
	if errors.Is(err, pgx.ErrNoRows) {
		return ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("count notice %s: %w", noticeID, err)
	}
	return nil
}
