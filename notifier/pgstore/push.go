package pgstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/turnout-events/turnout/notifier/notice"
)

// ErrTooManyDevices means that the answer has as many devices as it may have.
var ErrTooManyDevices = errors.New("too many devices")

const deviceColumns = `s.id, s.rsvp_id, s.epoch, s.kinds, s.sealed, s.created_at`

func scanDevice(row pgx.CollectableRow) (d notice.Device, err error) {
	err = row.Scan(&d.ID, &d.RSVPID, &d.Epoch, &d.Kinds, &d.Sealed, &d.AddedAt)
	d.AddedAt = d.AddedAt.UTC()
	return d, err
}

func collectDevices(rows pgx.Rows, into map[string]*notice.Device) error {
	list, err := pgx.CollectRows(rows, scanDevice)
	for i := range list {
		into[list[i].ID] = &list[i]
	}
	return err
}

// AddDevice keeps a device of a guest, or what changed of it, and plans on it
// the reminders that the guest has still to come. most bounds the devices of
// one answer. It is true for a new one. The event's lock is held meanwhile: a
// move that is being planned either sees the device, or is seen.
func (s *Store) AddDevice(ctx context.Context, d notice.Device, eventID string, most int, now time.Time) (added bool, err error) {
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT FROM notifier.event WHERE id = $1 FOR UPDATE`, eventID); err != nil {
			return err
		}
		var there, erased bool
		var others int
		if err := tx.QueryRow(ctx, `
			SELECT count(*) FILTER (WHERE s.id <> $2), coalesce(bool_or(s.id = $2), false),
				coalesce((SELECT g.erased FROM notifier.guest g WHERE g.rsvp_id = $1), true)
			FROM notifier.push_subscription s WHERE s.rsvp_id = $1`, d.RSVPID, d.ID).Scan(&others, &there, &erased); err != nil {
			return err
		}
		switch {
		case erased:
			return ErrNotFound
		case !there && others >= most:
			return ErrTooManyDevices
		}
		added = !there
		if _, err := tx.Exec(ctx, `
			INSERT INTO notifier.push_subscription (id, rsvp_id, event_id, epoch, kinds, sealed, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
			ON CONFLICT (id) DO UPDATE SET epoch = excluded.epoch, kinds = excluded.kinds, sealed = excluded.sealed`,
			d.ID, d.RSVPID, eventID, d.Epoch, kindNames(d.Kinds), d.Sealed, d.AddedAt); err != nil {
			return err
		}
		if _, err := voidDevices(ctx, tx, []string{d.RSVPID}, d.ID, kindNames(d.Kinds), "not-wanted-on-the-device", now); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `
			INSERT INTO notifier.notification AS n (id, event_id, organization_id, rsvp_id, kind, channel, occurrence, lane, due_at,
				next_at, useful_until, epoch, state, reason, cause_type, cause_version, detail, planned_at)
			SELECT `+pushID("m.rsvp_id", "m.kind", "m.occurrence", "$2")+`, m.event_id, m.organization_id, m.rsvp_id, m.kind, $3,
				m.occurrence || '/' || $2::text, m.lane, m.due_at, m.due_at, m.useful_until, m.epoch, 'planned', m.reason, m.cause_type,
				m.cause_version, m.detail || jsonb_build_object('subscription', $2::text), $4
			FROM notifier.notification m
			WHERE m.rsvp_id = $1 AND m.channel = $5 AND m.kind = $6 AND m.kind = ANY($7::text[]) AND m.state = 'planned' AND m.attempts = 0
			ON CONFLICT (id) DO UPDATE SET state = 'planned', outcome = '', finished_at = NULL
			WHERE n.state = 'void' AND n.attempts = 0 AND n.due_at > $4`,
			d.RSVPID, d.ID, notice.ChannelPush, now, notice.ChannelMail, notice.Reminder, kindNames(d.Kinds))
		return err
	})
	if err != nil {
		return false, fmt.Errorf("add device of RSVP %s: %w", d.RSVPID, err)
	}
	return added, nil
}

// pushID is notice.ID of a push, computed by the database.
func pushID(rsvp, kind, occurrence, device string) string {
	return `encode(substring(sha256(convert_to(` + rsvp + ` || '/' || ` + kind + ` || '/` + notice.ChannelPush + `/' || ` + occurrence + ` || '/' || ` +
		device + `::text, 'UTF8')) FOR 16), 'hex')::uuid`
}

// Devices lists those of a guest, the oldest first.
func (s *Store) Devices(ctx context.Context, rsvpID string) ([]notice.Device, error) {
	rows, err := s.pool.Query(ctx, `SELECT `+deviceColumns+` FROM notifier.push_subscription s WHERE s.rsvp_id = $1 ORDER BY s.created_at, s.id`, rsvpID)
	if err != nil {
		return nil, fmt.Errorf("devices of RSVP %s: %w", rsvpID, err)
	}
	return pgx.CollectRows(rows, scanDevice)
}

// Device reads one.
func (s *Store) Device(ctx context.Context, deviceID string) (notice.Device, error) {
	rows, err := s.pool.Query(ctx, `SELECT `+deviceColumns+` FROM notifier.push_subscription s WHERE s.id = $1`, deviceID)
	if err != nil {
		return notice.Device{}, fmt.Errorf("device %s: %w", deviceID, err)
	}
	d, err := pgx.CollectExactlyOneRow(rows, scanDevice)
	if errors.Is(err, pgx.ErrNoRows) {
		return d, ErrNotFound
	}
	return d, err
}

// ForgetDevice deletes one and takes back what waits for it. One that a push
// is being handed to is with its holder, who records what came of it.
func (s *Store) ForgetDevice(ctx context.Context, deviceID, reason string, now time.Time) error {
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		var rsvpID string
		err := tx.QueryRow(ctx, `DELETE FROM notifier.push_subscription WHERE id = $1 RETURNING rsvp_id`, deviceID).Scan(&rsvpID)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		_, err = voidDevices(ctx, tx, []string{rsvpID}, deviceID, nil, reason, now)
		return err
	})
	if err != nil {
		return fmt.Errorf("forget device %s: %w", deviceID, err)
	}
	return nil
}

// voidDevices takes back pushes that wait for a device (empty: any), but for
// those of the kinds to keep.
func voidDevices(ctx context.Context, tx pgx.Tx, rsvpIDs []string, deviceID string, keep []string, reason string, now time.Time) (int64, error) {
	tag, err := tx.Exec(ctx, `
		UPDATE notifier.notification SET state = 'void', outcome = $4, finished_at = $5
		WHERE rsvp_id = ANY($1::uuid[]) AND channel = $2 AND ($3 = '' OR detail->>'subscription' = $3) AND state IN ('planned', 'failed')
		  AND kind <> ALL(coalesce($6::text[], '{}'))`, rsvpIDs, notice.ChannelPush, deviceID, reason, now, keep)
	return tag.RowsAffected(), err
}

// ForgetDevices deletes all devices of erased guests.
func (t *Tx) ForgetDevices(ctx context.Context, rsvpIDs []string) error {
	if len(rsvpIDs) == 0 {
		return nil
	}
	if _, err := t.tx.Exec(ctx, `DELETE FROM notifier.push_subscription WHERE rsvp_id = ANY($1::uuid[])`, rsvpIDs); err != nil {
		return fmt.Errorf("forget devices: %w", err)
	}
	return nil
}

// DevicesOf gives the devices of guests, by RSVP.
func (t *Tx) DevicesOf(ctx context.Context, rsvpIDs []string) (map[string][]notice.Device, error) {
	if len(rsvpIDs) == 0 {
		return nil, nil
	}
	rows, err := t.tx.Query(ctx, `SELECT `+deviceColumns+` FROM notifier.push_subscription s WHERE s.rsvp_id = ANY($1::uuid[]) ORDER BY s.id`, rsvpIDs)
	if err != nil {
		return nil, fmt.Errorf("devices: %w", err)
	}
	list, err := pgx.CollectRows(rows, scanDevice)
	if err != nil {
		return nil, fmt.Errorf("devices: %w", err)
	}
	out := map[string][]notice.Device{}
	for _, d := range list {
		out[d.RSVPID] = append(out[d.RSVPID], d)
	}
	return out, nil
}

// FanPush is Fan for the devices of those guests.
func (t *Tx) FanPush(ctx context.Context, n notice.Notice, statuses []string, reminders, updates bool) (int64, error) {
	detail, err := json.Marshal(n.Detail)
	if err != nil {
		return 0, fmt.Errorf("detail of %s: %w", n.Kind, err)
	}
	tag, err := t.tx.Exec(ctx, `
		INSERT INTO notifier.notification (id, event_id, organization_id, rsvp_id, kind, channel, occurrence, lane, due_at,
			next_at, useful_until, epoch, state, reason, cause_type, cause_version, detail, planned_at)
		SELECT `+pushID("g.rsvp_id", "$4::text", "$6::text", "s.id")+`,
			g.event_id, g.organization_id, g.rsvp_id, $4, $5, $6::text || '/' || s.id::text, $7, $8, $8, $9, $10, 'planned', $11, $12, $13,
			$14::jsonb || jsonb_build_object('subscription', s.id::text), $15
		FROM notifier.push_subscription s JOIN notifier.guest g ON g.rsvp_id = s.rsvp_id
		WHERE s.event_id = $1 AND $4 = ANY(s.kinds) AND g.status = ANY($2::text[]) AND NOT g.erased
		  AND (NOT $3 OR g.reminders) AND (NOT $16 OR g.updates)
		ON CONFLICT (id) DO NOTHING`,
		n.EventID, statuses, reminders, n.Kind, notice.ChannelPush, n.Occurrence, n.Kind.Lane(), n.DueAt,
		orNull(n.UsefulUntil), n.Epoch, n.Reason, n.CauseType, n.CauseVersion, string(detail), n.PlannedAt, updates)
	if err != nil {
		return 0, fmt.Errorf("fan out %s of event %s to devices: %w", n.Kind, n.EventID, err)
	}
	return tag.RowsAffected(), nil
}
