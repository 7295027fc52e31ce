package pgstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// wakeBulk has an organization's held mail looked at now. It locks the row
// that whoever releases holds.
func wakeBulk(ctx context.Context, tx pgx.Tx, organizationID string, now time.Time) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO notifier.bulk AS b (organization_id, check_at) VALUES ($1, $2)
		ON CONFLICT (organization_id) DO UPDATE SET check_at = least(b.check_at, $2)`, organizationID, now)
	if err != nil {
		return fmt.Errorf("wake held mail: %w", err)
	}
	return nil
}

// Release lets held mail go, of every organization in which there may be room:
// within any hour at most perHour mails of its campaigns and announcements. It
// returns how many were released.
func (s *Store) Release(ctx context.Context, perHour int, now time.Time) (released int64, err error) {
	// What somebody had locked when there was room was passed over, and nothing was left to look at it again; a notifier of
	// the release before puts mail back to be held and wakes nobody.
	_, err = s.pool.Exec(ctx, `
		INSERT INTO notifier.bulk (organization_id, check_at)
		SELECT DISTINCT c.organization_id, $1::timestamptz FROM notifier.campaign c
		WHERE c.state = 'running' AND NOT EXISTS (SELECT FROM notifier.bulk b WHERE b.organization_id = c.organization_id)
		  AND (`+anyNotice+` AND n.state IN ('planned', 'failed') AND n.next_at = 'infinity' LIMIT 1) IS NOT NULL
		ORDER BY 1
		ON CONFLICT (organization_id) DO NOTHING`, now)
	if err != nil {
		return 0, fmt.Errorf("wake held mail: %w", err)
	}
	for {
		var n int64
		found := false
		err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
			var org string
			err := tx.QueryRow(ctx, `
				SELECT organization_id FROM notifier.bulk WHERE check_at <= $1 ORDER BY check_at LIMIT 1 FOR UPDATE SKIP LOCKED`, now).Scan(&org)
			if errors.Is(err, pgx.ErrNoRows) {
				return nil
			}
			if err != nil {
				return err
			}
			found = true
			n, err = release(ctx, tx, org, perHour, now)
			return err
		})
		if err != nil {
			return released, fmt.Errorf("release held mail: %w", err)
		}
		released += n
		if !found {
			return released, nil
		}
	}
}

// release needs the lock of the organization's row in bulk. The mails of the
// last hour are counted, not remembered: what was taken back after its release
// makes room again. A released mail is due at its release, so those that are
// due later, which may be most of a campaign, need not be looked at; the minute
// is for another notifier's clock.
func release(ctx context.Context, tx pgx.Tx, org string, perHour int, now time.Time) (int64, error) {
	var (
		lately int
		oldest timestamp
	)
	err := tx.QueryRow(ctx, `
		SELECT count(*), min(due_at) FROM notifier.notification
		WHERE organization_id = $1 AND kind IN ('announcement', 'campaign') AND due_at > $2 AND due_at <= $3 AND next_at < 'infinity' AND state <> 'void'`,
		org, now.Add(-time.Hour), now.Add(time.Minute)).Scan(&lately, &oldest)
	if err != nil {
		return 0, err
	}
	var n int64
	if room := perHour - lately; room > 0 {
		tag, err := tx.Exec(ctx, `
			WITH next AS (
				SELECT n.id FROM notifier.notification n
				WHERE n.organization_id = $1 AND n.next_at = 'infinity' AND n.state IN ('planned', 'failed')
				  AND (n.kind <> 'campaign' OR n.occurrence IN (
					SELECT 'c/' || c.id FROM notifier.campaign c WHERE c.organization_id = $1 AND c.state = 'running'))
				ORDER BY n.due_at, n.id LIMIT $2 FOR UPDATE SKIP LOCKED)
			UPDATE notifier.notification n SET next_at = $3, due_at = $3, outcome = '' FROM next WHERE n.id = next.id`, org, room, now)
		if err != nil {
			return 0, err
		}
		if n = tag.RowsAffected(); n < int64(room) { // nothing more may go, until somebody wakes it
			_, err := tx.Exec(ctx, `DELETE FROM notifier.bulk WHERE organization_id = $1`, org)
			return n, err
		}
		if lately == 0 {
			oldest = orNull(now)
		}
	}
	_, err = tx.Exec(ctx, `UPDATE notifier.bulk SET check_at = $2 WHERE organization_id = $1`, org, value(oldest).Add(time.Hour))
	return n, err
}
