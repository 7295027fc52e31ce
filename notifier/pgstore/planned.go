package pgstore

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/turnout-events/turnout/notifier/notice"
)

// Add inserts notices in the state they have; one that exists already stays
// as it is. Those of announcements and campaigns wait until they are released
// (see bulk.go), whenever they are due. One statement for all: a batch of 500 answers plans 2,000 notices,
// on the database that also admits guests.
func (t *Tx) Add(ctx context.Context, notices []*notice.Notice) error {
	if len(notices) == 0 {
		return nil
	}
	var c columns
	for _, n := range notices {
		detail, err := json.Marshal(n.Detail)
		if err != nil {
			return fmt.Errorf("detail of notice %s: %w", n.ID, err)
		}
		c.row(n.ID, n.EventID, n.OrganizationID, n.RSVPID, string(n.Kind), n.Channel, n.Occurrence, int16(n.Kind.Lane()), n.DueAt,
			orNull(n.UsefulUntil), int32(n.Epoch), string(n.State), n.Reason, n.CauseType, n.CauseVersion, string(detail), n.PlannedAt,
			n.Outcome, orNull(n.FinishedAt))
	}
	_, err := t.tx.Exec(ctx, `
		INSERT INTO notifier.notification (id, event_id, organization_id, rsvp_id, kind, channel, occurrence, lane, due_at, next_at,
			useful_until, epoch, state, reason, cause_type, cause_version, detail, planned_at, outcome, finished_at)
		SELECT id, event_id, organization_id, rsvp_id, kind, channel, occurrence, lane, due_at,
			CASE WHEN kind IN ('announcement', 'campaign') AND state = 'planned' THEN 'infinity' ELSE due_at END,
			useful_until, epoch, state, reason, cause_type, cause_version, detail::jsonb, planned_at, outcome, finished_at
		FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::smallint[], $9::timestamptz[],
			$10::timestamptz[], $11::integer[], $12::text[], $13::text[], $14::text[], $15::bigint[], $16::text[], $17::timestamptz[],
			$18::text[], $19::timestamptz[])
			AS n(id, event_id, organization_id, rsvp_id, kind, channel, occurrence, lane, due_at,
				useful_until, epoch, state, reason, cause_type, cause_version, detail, planned_at, outcome, finished_at)
		ON CONFLICT (id) DO NOTHING`, c.args()...)
	if err != nil {
		return fmt.Errorf("add %d notices: %w", len(notices), err)
	}
	return nil
}

// Void takes back what waits. Of guests if rsvpIDs has any, else of all guests
// of the event, and then what is about this event: a campaign for another one
// may wait for the same people. No kinds means all kinds. held takes back only what was
// never tried and is not due yet.
func (t *Tx) Void(ctx context.Context, eventID string, rsvpIDs []string, kinds []notice.Kind, held bool, reason string, now time.Time) error {
	about := ""
	if len(rsvpIDs) == 0 {
		about = eventID
		var err error
		if rsvpIDs, err = t.guestsOf(ctx, eventID); err != nil {
			return err
		}
	}
	for guests := range slices.Chunk(rsvpIDs, guestsAtOnce) {
		_, err := t.tx.Exec(ctx, `
			UPDATE notifier.notification SET state = 'void', outcome = $2, finished_at = $3
			WHERE rsvp_id = ANY($1::uuid[]) AND state IN ('planned', 'failed')
			  AND (cardinality($4::text[]) = 0 OR kind = ANY($4::text[]))
			  AND (NOT $5 OR state = 'planned' AND attempts = 0 AND due_at > $3)
			  AND ($6 = '' OR event_id = nullif($6, '')::uuid)`,
			guests, reason, now, kindNames(kinds), held, about)
		if err != nil {
			return fmt.Errorf("void notices (%s): %w", reason, err)
		}
	}
	return nil
}

// Restore has the notices of an event due now that are void for the reason. It
// returns how many.
func (t *Tx) Restore(ctx context.Context, eventID, reason string, usefulUntil, now time.Time) (int64, error) {
	tag, err := t.tx.Exec(ctx, `
		UPDATE notifier.notification SET state = 'planned', outcome = '', finished_at = NULL, due_at = $4, next_at = $4,
			useful_until = coalesce(useful_until, $3)
		WHERE event_id = $1 AND state = 'void' AND outcome = $2`, eventID, reason, usefulUntil, now)
	if err != nil {
		return 0, fmt.Errorf("restore notices of event %s (%s): %w", eventID, reason, err)
	}
	return tag.RowsAffected(), nil
}

// guestsAtOnce bounds a statement about all guests of an event: each must end
// within the pool's limit, whatever the event's size.
const guestsAtOnce = 5000

func (t *Tx) guestsOf(ctx context.Context, eventID string) ([]string, error) {
	rows, err := t.tx.Query(ctx, `SELECT rsvp_id FROM notifier.guest WHERE event_id = $1 ORDER BY rsvp_id`, eventID)
	if err != nil {
		return nil, fmt.Errorf("guests of event %s: %w", eventID, err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("guests of event %s: %w", eventID, err)
	}
	return ids, nil
}

// Fan adds one notice like n for each guest of its event with one of the
// statuses, and returns how many. The id is notice.ID, computed by the
// database.
func (t *Tx) Fan(ctx context.Context, n notice.Notice, statuses []string, reminders, updates bool) (int64, error) {
	detail, err := json.Marshal(n.Detail)
	if err != nil {
		return 0, fmt.Errorf("detail of %s: %w", n.Kind, err)
	}
	all, err := t.guestsOf(ctx, n.EventID)
	if err != nil {
		return 0, err
	}
	var planned int64
	for guests := range slices.Chunk(all, guestsAtOnce) {
		tag, err := t.tx.Exec(ctx, `
			INSERT INTO notifier.notification (id, event_id, organization_id, rsvp_id, kind, channel, occurrence, lane, due_at,
				next_at, useful_until, epoch, state, reason, cause_type, cause_version, detail, planned_at, outcome)
			SELECT encode(substring(sha256(convert_to(g.rsvp_id || '/' || $4::text || '/' || $5::text || '/' || $6::text, 'UTF8')) FOR 16), 'hex')::uuid,
				g.event_id, g.organization_id, g.rsvp_id, $4::text, $5, $6, $7, $8::timestamptz,
				CASE WHEN $4::text IN ('announcement', 'campaign') THEN 'infinity' ELSE $8::timestamptz END, $9, $10, 'planned', $11, $12, $13, $14, $15, $17
			FROM notifier.guest g
			WHERE g.rsvp_id = ANY($1::uuid[]) AND g.status = ANY($2::text[]) AND NOT g.erased
			  AND (NOT $3 OR g.reminders) AND (NOT $16 OR g.updates)
			ON CONFLICT (id) DO NOTHING`,
			guests, statuses, reminders, n.Kind, n.Channel, n.Occurrence, n.Kind.Lane(), n.DueAt,
			orNull(n.UsefulUntil), n.Epoch, n.Reason, n.CauseType, n.CauseVersion, detail, n.PlannedAt, updates, n.Outcome)
		if err != nil {
			return 0, fmt.Errorf("fan out %s of event %s: %w", n.Kind, n.EventID, err)
		}
		planned += tag.RowsAffected()
	}
	return planned, nil
}

func kindNames(kinds []notice.Kind) []string {
	names := make([]string, len(kinds))
	for i, k := range kinds {
		names[i] = string(k)
	}
	return names
}
