package pgstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/turnout-events/turnout/notifier/notice"
)

// Wording is an organizer's own words for a kind of mail of one event.
type Wording struct {
	EventID   string
	Kind      notice.Kind
	Locale    string
	Words     notice.Wording
	AccountID string
	UpdatedAt time.Time
}

// SaveWording puts the words in the place of those that were there.
func (s *Store) SaveWording(ctx context.Context, w Wording) error {
	_, err := s.pool.Exec(ctx, `
		INSERT INTO notifier.wording (event_id, kind, locale, subject, intro, body, account_id, updated_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT (event_id, kind, locale) DO UPDATE
		SET subject = $4, intro = $5, body = $6, account_id = $7, updated_at = $8`,
		w.EventID, w.Kind, w.Locale, w.Words.Subject, w.Words.Intro, w.Words.Body, w.AccountID, w.UpdatedAt)
	if err != nil {
		return fmt.Errorf("save words of %s for event %s: %w", w.Kind, w.EventID, err)
	}
	return nil
}

// DeleteWording goes back to the built-in words.
func (s *Store) DeleteWording(ctx context.Context, eventID string, kind notice.Kind, locale string) error {
	_, err := s.pool.Exec(ctx, `DELETE FROM notifier.wording WHERE event_id = $1 AND kind = $2 AND locale = $3`, eventID, kind, locale)
	if err != nil {
		return fmt.Errorf("delete words of %s for event %s: %w", kind, eventID, err)
	}
	return nil
}

const wordingColumns = `event_id, kind, locale, subject, intro, body, account_id, updated_at`

func scanWording(row pgx.CollectableRow) (w Wording, err error) {
	err = row.Scan(&w.EventID, &w.Kind, &w.Locale, &w.Words.Subject, &w.Words.Intro, &w.Words.Body, &w.AccountID, &w.UpdatedAt)
	w.UpdatedAt = w.UpdatedAt.UTC()
	return w, err
}

// Wordings lists those of an event, by kind and language.
func (s *Store) Wordings(ctx context.Context, eventID string) ([]Wording, error) {
	rows, err := s.pool.Query(ctx, `SELECT `+wordingColumns+` FROM notifier.wording WHERE event_id = $1 ORDER BY kind, locale`, eventID)
	if err != nil {
		return nil, fmt.Errorf("words of event %s: %w", eventID, err)
	}
	all, err := pgx.CollectRows(rows, scanWording)
	if err != nil {
		return nil, fmt.Errorf("words of event %s: %w", eventID, err)
	}
	return all, nil
}

// Wording reads one; ErrNotFound means that the built-in words stand.
func (s *Store) Wording(ctx context.Context, eventID string, kind notice.Kind, locale string) (Wording, error) {
	rows, err := s.pool.Query(ctx, `SELECT `+wordingColumns+` FROM notifier.wording WHERE event_id = $1 AND kind = $2 AND locale = $3`,
		eventID, kind, locale)
	if err != nil {
		return Wording{}, fmt.Errorf("words of event %s: %w", eventID, err)
	}
	w, err := pgx.CollectExactlyOneRow(rows, scanWording)
	if errors.Is(err, pgx.ErrNoRows) {
		return w, ErrNotFound
	}
	if err != nil {
		return w, fmt.Errorf("words of event %s: %w", eventID, err)
	}
	return w, nil
}

type wordingKey struct {
	event string
	kind  notice.Kind
}

// queueWordings has the words of the events read with the rest of a claim.
func queueWordings(b *pgx.Batch, events []string) map[wordingKey]map[string]notice.Wording {
	out := map[wordingKey]map[string]notice.Wording{}
	b.Queue(`SELECT `+wordingColumns+` FROM notifier.wording WHERE event_id = ANY($1::uuid[])`, events).Query(func(rows pgx.Rows) error {
		all, err := pgx.CollectRows(rows, scanWording)
		for _, w := range all {
			key := wordingKey{w.EventID, w.Kind}
			if out[key] == nil {
				out[key] = map[string]notice.Wording{}
			}
			out[key][w.Locale] = w.Words
		}
		return err
	})
	return out
}

// TestMail takes one of the test mails that an account has within an hour, and
// says whether there was one left.
func (s *Store) TestMail(ctx context.Context, account string, most int, now time.Time) (ok bool, err error) {
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `DELETE FROM notifier.test_mail WHERE sent_at <= $1`, now.Add(-time.Hour)); err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, `
			INSERT INTO notifier.test_mail (account_id, sent_at)
			SELECT $1, $2 WHERE (SELECT count(*) FROM notifier.test_mail WHERE account_id = $1) < $3`, account, now, most)
		ok = tag.RowsAffected() == 1
		return err
	})
	if err != nil {
		return false, fmt.Errorf("count test mails: %w", err)
	}
	return ok, nil
}
