package pgstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/turnout-events/turnout/notifier/notice"
)

// Announcement is what an organizer writes to guests of an event.
type Announcement struct {
	ID             string
	EventID        string
	OrganizationID string
	AccountID      string
	Audience       string
	Subject        string
	Body           string
	Recipients     int
	Unwanted       int // guests of the audience who did not want updates
	RequestKey     string
	RequestHash    []byte
	CreatedAt      time.Time
	States         map[string]int // notices by state; of a list only
}

var (
	// ErrOtherRequest means that the key was used for something else.
	ErrOtherRequest = errors.New("the key was used for another request")
	// ErrHourlyLimit means that the organization has announced enough for now.
	ErrHourlyLimit = errors.New("hourly limit reached")
)

// Announce keeps the announcement and plans a notice like n for each guest of
// the statuses, in one transaction. The same request again changes nothing and
// returns what the first one did. most bounds announcements of an organization
// within the hour before a.CreatedAt, perHour mails to guests: what is beyond
// that goes later.
func (s *Store) Announce(ctx context.Context, a Announcement, n notice.Notice, statuses []string, most, perHour int) (Announcement, error) {
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		before, err := announcementByKey(ctx, tx, a.AccountID, a.RequestKey)
		switch {
		case err == nil && !bytes.Equal(before.RequestHash, a.RequestHash):
			return ErrOtherRequest
		case err == nil:
			a = before
			return nil
		case !errors.Is(err, pgx.ErrNoRows):
			return err
		}
		var lately int
		if err := tx.QueryRow(ctx, `SELECT count(*) FROM notifier.announcement WHERE organization_id = $1 AND created_at > $2`,
			a.OrganizationID, a.CreatedAt.Add(-time.Hour)).Scan(&lately); err != nil {
			return err
		}
		if lately >= most {
			return ErrHourlyLimit
		}
		if err := tx.QueryRow(ctx, `SELECT count(*) FROM notifier.guest WHERE event_id = $1 AND status = ANY($2::text[]) AND NOT erased AND NOT updates`,
			a.EventID, statuses).Scan(&a.Unwanted); err != nil {
			return err
		}
		planned, err := (&Tx{tx: tx}).Fan(ctx, n, statuses, false, true)
		if err != nil {
			return err
		}
		a.Recipients = int(planned)
		_, err = tx.Exec(ctx, `
			INSERT INTO notifier.announcement (id, event_id, organization_id, account_id, audience, subject, body, recipients, unwanted,
				request_key, request_hash, created_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
			a.ID, a.EventID, a.OrganizationID, a.AccountID, a.Audience, a.Subject, a.Body, a.Recipients, a.Unwanted,
			a.RequestKey, a.RequestHash, a.CreatedAt)
		if err != nil {
			return err
		}
		return letGo(ctx, tx, n, perHour)
	})
	if err != nil {
		return a, fmt.Errorf("announce for event %s: %w", a.EventID, err)
	}
	return a, nil
}

// collectAnnouncements reads what a mail has of its announcement.
func collectAnnouncements(rows pgx.Rows, into map[string]notice.Detail) error {
	var (
		d            notice.Detail
		id, audience string
	)
	_, err := pgx.ForEachRow(rows, []any{&id, &d.Subject, &d.Body, &audience, &d.Withdrawn}, func() error {
		d.Statuses = notice.Audiences[audience]
		into[id] = d
		return nil
	})
	return err
}

// letGo releases what the limit allows of a new announcement; the rest waits.
func letGo(ctx context.Context, tx pgx.Tx, n notice.Notice, perHour int) error {
	if err := wakeBulk(ctx, tx, n.OrganizationID, n.DueAt); err != nil {
		return err
	}
	_, err := release(ctx, tx, n.OrganizationID, perHour, n.DueAt)
	return err
}

const announcementColumns = `a.id, a.event_id, a.organization_id, a.account_id, a.audience, a.subject, a.body, a.recipients, a.unwanted,
	a.request_key, a.request_hash, a.created_at`

func scanAnnouncement(row pgx.Row) (a Announcement, err error) {
	err = row.Scan(&a.ID, &a.EventID, &a.OrganizationID, &a.AccountID, &a.Audience, &a.Subject, &a.Body, &a.Recipients, &a.Unwanted,
		&a.RequestKey, &a.RequestHash, &a.CreatedAt)
	a.CreatedAt = a.CreatedAt.UTC()
	return a, err
}

func announcementByKey(ctx context.Context, tx pgx.Tx, account, key string) (Announcement, error) {
	return scanAnnouncement(tx.QueryRow(ctx, `
		SELECT `+announcementColumns+` FROM notifier.announcement a WHERE a.account_id = $1 AND a.request_key = $2`, account, key))
}

// Announcements lists those of an event, the latest first, with what became of
// their notices.
func (s *Store) Announcements(ctx context.Context, eventID string, limit int) ([]Announcement, error) {
	rows, err := s.pool.Query(ctx, `
		SELECT `+announcementColumns+` FROM notifier.announcement a WHERE a.event_id = $1 ORDER BY a.created_at DESC, a.id DESC LIMIT $2`,
		eventID, limit)
	if err != nil {
		return nil, fmt.Errorf("announcements of event %s: %w", eventID, err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Announcement, error) { return scanAnnouncement(row) })
	if err != nil {
		return nil, fmt.Errorf("announcements of event %s: %w", eventID, err)
	}
	states, err := s.announcementStates(ctx, eventID)
	if err != nil {
		return nil, err
	}
	for i := range list {
		list[i].States = states[notice.AnnouncementOccurrence(list[i].ID)]
	}
	return list, nil
}

func (s *Store) announcementStates(ctx context.Context, eventID string) (map[string]map[string]int, error) {
	rows, err := s.pool.Query(ctx, `
		SELECT occurrence, state, count(*) FROM notifier.notification
		WHERE event_id = $1 AND kind = $2 GROUP BY occurrence, state`, eventID, notice.Announcement)
	if err != nil {
		return nil, fmt.Errorf("states of announcements: %w", err)
	}
	out := map[string]map[string]int{}
	var (
		occurrence, state string
		n                 int
	)
	_, err = pgx.ForEachRow(rows, []any{&occurrence, &state, &n}, func() error {
		if out[occurrence] == nil {
			out[occurrence] = map[string]int{}
		}
		out[occurrence][state] = n
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("states of announcements: %w", err)
	}
	return out, nil
}

// VoidAnnouncement takes back what has not gone yet, and returns how many. What
// is claimed already and put back untried is void when it is tried again.
func (s *Store) VoidAnnouncement(ctx context.Context, eventID, announcementID, reason string, now time.Time) (int64, error) {
	var taken int64
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `UPDATE notifier.announcement SET cancelled_at = coalesce(cancelled_at, $3) WHERE id = $1 AND event_id = $2`,
			announcementID, eventID, now); err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, `
			UPDATE notifier.notification SET state = 'void', outcome = $4, finished_at = $5
			WHERE event_id = $1 AND kind = $2 AND occurrence = $3 AND state IN ('planned', 'failed')`,
			eventID, notice.Announcement, notice.AnnouncementOccurrence(announcementID), reason, now)
		taken = tag.RowsAffected()
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("take back announcement %s: %w", announcementID, err)
	}
	return taken, nil
}
