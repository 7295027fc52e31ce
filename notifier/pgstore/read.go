package pgstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/turnout-events/turnout/notifier/notice"
)

// ErrNotFound means that there is no such row.
var ErrNotFound = errors.New("not found")

// Event reads what is kept of an event.
func (s *Store) Event(ctx context.Context, eventID string) (*notice.Event, error) {
	rows, err := s.pool.Query(ctx, `SELECT `+eventColumns+` FROM notifier.event e WHERE e.id = $1`, eventID)
	if err != nil {
		return nil, fmt.Errorf("event %s: %w", eventID, err)
	}
	return only(collectEvents(rows))
}

// Guest reads what is kept of an RSVP.
func (s *Store) Guest(ctx context.Context, rsvpID string) (*notice.Guest, error) {
	rows, err := s.pool.Query(ctx, `SELECT `+guestColumns+` FROM notifier.guest g WHERE g.rsvp_id = $1`, rsvpID)
	if err != nil {
		return nil, fmt.Errorf("guest %s: %w", rsvpID, err)
	}
	return only(collectGuests(rows))
}

// Guests reads what is kept of several RSVPs.
func (s *Store) Guests(ctx context.Context, rsvpIDs []string) (map[string]*notice.Guest, error) {
	rows, err := s.pool.Query(ctx, `SELECT `+guestColumns+` FROM notifier.guest g WHERE g.rsvp_id = ANY($1::uuid[])`, rsvpIDs)
	if err != nil {
		return nil, fmt.Errorf("guests: %w", err)
	}
	return collectGuests(rows)
}

// Organization reads how an organization looks and who has which role in it.
func (s *Store) Organization(ctx context.Context, organizationID string) (*notice.Organization, error) {
	rows, err := s.pool.Query(ctx, `SELECT id, version, body FROM notifier.organization WHERE id = $1`, organizationID)
	if err != nil {
		return nil, fmt.Errorf("organization %s: %w", organizationID, err)
	}
	all := map[string]*notice.Organization{}
	err = collectOrganizations(rows, all)
	return only(all, err)
}

func only[T any](all map[string]*T, err error) (*T, error) {
	if err != nil {
		return nil, err
	}
	for _, one := range all {
		return one, nil
	}
	return nil, ErrNotFound
}

// Filter says which notices of an event to list. Zero fields do not filter.
type Filter struct {
	EventID string
	RSVPID  string
	Kind    string
	State   string
	// Planned and ID are where the last page ended.
	BeforePlanned time.Time
	BeforeID      string
	Limit         int
}

// List gives notices, the latest planned first.
func (s *Store) List(ctx context.Context, f Filter) ([]notice.Notice, error) {
	rows, err := s.pool.Query(ctx, `
		SELECT `+noticeColumns+` FROM notifier.notification n
		WHERE n.event_id = $1 AND ($2 = '' OR n.rsvp_id = nullif($2, '')::uuid) AND ($3 = '' OR n.kind = $3) AND ($4 = '' OR n.state = $4)
		  AND ($6 = '' OR (n.planned_at, n.id) < ($5, nullif($6, '')::uuid))
		ORDER BY n.planned_at DESC, n.id DESC LIMIT $7`,
		f.EventID, f.RSVPID, f.Kind, f.State, f.BeforePlanned, f.BeforeID, f.Limit)
	if err != nil {
		return nil, fmt.Errorf("notices of event %s: %w", f.EventID, err)
	}
	return collectNotices(rows)
}

// Explain gives the notices that an id means: one notice, or all about an
// RSVP, oldest first.
func (s *Store) Explain(ctx context.Context, anyID string) ([]notice.Notice, error) {
	rows, err := s.pool.Query(ctx, `
		SELECT `+noticeColumns+` FROM notifier.notification n WHERE n.id = $1 OR n.rsvp_id = $1
		ORDER BY n.planned_at, n.due_at, n.id LIMIT 1000`, anyID)
	if err != nil {
		return nil, fmt.Errorf("notices of %s: %w", anyID, err)
	}
	return collectNotices(rows)
}

// VoidOptional takes back what waits of the kinds that somebody has
// unsubscribed from.
func (s *Store) VoidOptional(ctx context.Context, rsvpID, reason string, now time.Time) error {
	var kinds []notice.Kind
	for _, k := range notice.Kinds {
		if k.Optional() {
			kinds = append(kinds, k)
		}
	}
	return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		return (&Tx{tx: tx}).Void(ctx, "", []string{rsvpID}, kinds, false, reason, now)
	})
}

// Reported records what a mail system said about a notice that was sent, and
// returns whose it was. An empty state keeps the one it has.
func (s *Store) Reported(ctx context.Context, noticeID string, state notice.State, words string) (rsvpID string, err error) {
	err = s.pool.QueryRow(ctx, `
		UPDATE notifier.notification SET
			state = CASE WHEN $2 <> '' AND state = 'sent' OR $2 = 'bounced' AND state = 'delivered' THEN $2 ELSE state END,
			outcome = CASE WHEN state IN ('sent', 'delivered') THEN $3 ELSE outcome END
		WHERE id = $1 AND (attempts > 0 OR state NOT IN ('planned', 'void')) RETURNING coalesce(rsvp_id::text, '')`, noticeID, string(state), words).Scan(&rsvpID)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", ErrNotFound
	}
	if err != nil {
		return "", fmt.Errorf("report about notice %s: %w", noticeID, err)
	}
	return rsvpID, nil
}

// Dead lists notices that were given up, the latest first.
func (s *Store) Dead(ctx context.Context, limit int) ([]notice.Notice, error) {
	rows, err := s.pool.Query(ctx, `
		SELECT `+noticeColumns+` FROM notifier.notification n WHERE n.state = 'dead' ORDER BY n.finished_at DESC, n.id LIMIT $1`, limit)
	if err != nil {
		return nil, fmt.Errorf("dead notices: %w", err)
	}
	return collectNotices(rows)
}

// Revive has dead notices tried again from the start: one, or all of them when
// the id is empty. What is of no use any more stays dead: a reminder of an event
// that has begun, an offer that has lapsed. It returns how many are tried.
func (s *Store) Revive(ctx context.Context, noticeID string, now time.Time) (int64, error) {
	tag, err := s.pool.Exec(ctx, `
		UPDATE notifier.notification SET state = 'planned', attempts = 0, refusals = 0, next_at = $2, due_at = $2, finished_at = NULL,
			outcome = 'sent again by an operator; before: ' || outcome
		WHERE state = 'dead' AND (useful_until IS NULL OR useful_until > $2) AND ($1 = '' OR id = nullif($1, '')::uuid)`, noticeID, now)
	if err != nil {
		return 0, fmt.Errorf("send dead notices again: %w", err)
	}
	return tag.RowsAffected(), nil
}
