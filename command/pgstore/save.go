package pgstore

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/turnout-events/turnout/internal/contract"
)

// few is up to how many rows are written by a statement each: making a table of arrays costs as much as writing two rows.
const few = 2

const (
	// Functions of migration 0020: a unique index by itself would write what it refuses into the server's log.
	insertRSVPs = `SELECT write_rsvps($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)`
	insertRSVP  = `SELECT write_rsvp($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)`
	// All four have the same arguments. The event stays out of the condition: with it the planner may walk all its RSVPs.
	updateRSVPs = `UPDATE rsvp SET email_hmac = r.email_hmac, status = r.status, response = r.response,
			party_size = r.party_size, queued_version = r.queued_version, offer_expires_at = r.offer_expires_at,
			pending_expires_at = r.pending_expires_at, checked_in = r.checked_in, epoch = r.epoch, sealed = r.sealed,
			body = r.body, updated_at = r.updated_at, version = r.version
		FROM unnest($2::uuid[], $3::bytea[], $4::text[], $5::text[], $6::int[], $7::bigint[], $8::timestamptz[],
			$9::timestamptz[], $10::int[], $11::int[], $12::bytea[], $13::jsonb[], $14::timestamptz[], $15::timestamptz[],
			$16::bigint[])
		AS r(id, email_hmac, status, response, party_size, queued_version, offer_expires_at, pending_expires_at, checked_in,
			epoch, sealed, body, created_at, updated_at, version)
		WHERE rsvp.id = r.id AND $1::uuid IS NOT NULL`
	updateRSVP = `UPDATE rsvp SET email_hmac = $3, status = $4, response = $5, party_size = $6, queued_version = $7,
			offer_expires_at = $8, pending_expires_at = $9, checked_in = $10, epoch = $11, sealed = $12, body = $13,
			updated_at = $15, version = $16
		WHERE id = $2 AND $1::uuid IS NOT NULL AND $14::timestamptz IS NOT NULL`
	insertKey  = `INSERT INTO rsvp_key (rsvp_id, wrapped) VALUES ($1, $2)`
	insertKeys = `INSERT INTO rsvp_key (rsvp_id, wrapped) SELECT k.id, k.wrapped FROM unnest($1::uuid[], $2::bytea[]) AS k(id, wrapped)`
	deleteKeys = `DELETE FROM rsvp_key WHERE rsvp_id = ANY($1::uuid[])`

	updateEvent = `UPDATE event SET slug = $2, external_id = $3, series_id = $4, status = $5, starts_at = $6, ends_at = $7,
			retain_until = $8, body = $9 WHERE id = $1`
	// It takes the lock of the row if the transaction does not have it. Where the log ends otherwise than the decision was
	// made for, it divides by zero, and with it the whole transaction is refused. The chain's hash is of all that happened:
	// another log may have come to the same version.
	updateCounter = `WITH moved AS (
			UPDATE event_counter SET capacity = $3, going = $4, maybe = $5, waitlisted = $6, held = $7, checked_in = $8,
				version = $9, revision = $10, chain = $11, recorded_at = $12
			WHERE event_id = $1 ` + sameLog + ` RETURNING 1)
		SELECT 1 / count(*) FROM moved`
)

// queueSave queues what a batch did, the counter row first, and gives what that row is then.
func queueSave(b *pgx.Batch, l *Locked, save *Save) (Head, error) {
	event, err := uuidOf(l.Event.ID)
	if err != nil {
		return Head{}, err
	}
	head := l.Head
	if len(save.Messages) > 0 { // else an answer to repeat, and nothing that happened
		head = save.after(l)
		c := &head.Counters
		b.Queue(updateCounter, event, l.Version, c.Capacity, c.Going, c.Maybe, c.Waitlisted, c.Held, c.CheckedIn, head.Version,
			head.Revision, head.Chain, head.RecordedAt, l.Chain)
	}
	if err := queueRSVPs(b, event, save.Rows); err != nil {
		return Head{}, err
	}
	queueNewAnswers(b, save.Answers)
	if len(save.Messages) == 0 {
		return head, nil
	}
	if err := queueEventLog(b, save.Messages); err != nil {
		return Head{}, err
	}
	if save.Event == nil {
		return head, nil
	}
	return head, queueEvent(b, updateEvent, save.Event)
}

// after is the counter row when the messages, which get their Chain here, are in the log.
func (save *Save) after(l *Locked) Head {
	h := Head{
		Counters: save.Counters, Version: save.Messages[len(save.Messages)-1].Version, Revision: l.Revision,
		Chain: Chain(l.Chain, save.Messages), RecordedAt: save.RecordedAt,
	}
	if save.Event != nil {
		h.Revision = save.Event.Revision
	}
	return h
}

func queueEvent(b *pgx.Batch, sql string, e *contract.Event, more ...any) error {
	body, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("body of event %s: %w", e.ID, err)
	}
	retain := e.EndsAt.Add(time.Duration(e.RetentionDays) * 24 * time.Hour)
	args := append([]any{e.ID, e.Slug, nullText(e.ExternalID), nullText(e.SeriesID), e.Status, e.StartsAt, e.EndsAt, retain,
		body}, more...)
	b.Queue(sql, args...)
	return nil
}

func nullText(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func queueRSVPs(b *pgx.Batch, event pgtype.UUID, rows []SavedRow) error {
	var fresh, changed, keyed, erased []SavedRow
	for _, r := range rows {
		if r.New {
			fresh = append(fresh, r)
		} else {
			changed = append(changed, r)
		}
		if r.WrappedKey != nil {
			keyed = append(keyed, r)
		}
		if r.DestroyKey {
			erased = append(erased, r)
		}
	}
	// An address may move from a changed row to a new one.
	if err := queueRows(b, updateRSVP, updateRSVPs, event, changed); err != nil {
		return err
	}
	if err := queueRows(b, insertRSVP, insertRSVPs, event, fresh); err != nil {
		return err
	}
	if len(keyed) <= few {
		for _, r := range keyed {
			u, err := uuidOf(r.RSVP.ID)
			if err != nil {
				return err
			}
			b.Queue(insertKey, u, r.WrappedKey)
		}
	} else {
		ids, wrapped := make([]string, len(keyed)), make(pgtype.FlatArray[[]byte], len(keyed))
		for i, r := range keyed {
			ids[i], wrapped[i] = r.RSVP.ID, r.WrappedKey
		}
		u, err := uuidsOf(ids)
		if err != nil {
			return err
		}
		b.Queue(insertKeys, u, wrapped)
	}
	if len(erased) > 0 {
		ids := make([]string, len(erased))
		for i, r := range erased {
			ids[i] = r.RSVP.ID
		}
		u, err := uuidsOf(ids)
		if err != nil {
			return err
		}
		b.Queue(deleteKeys, u)
	}
	return nil
}

// queueRows writes rows by a statement each if they are few, else by one for all.
func queueRows(b *pgx.Batch, one, all string, event pgtype.UUID, rows []SavedRow) error {
	if len(rows) > few {
		args, err := rsvpArguments(event, rows)
		if err != nil {
			return err
		}
		b.Queue(all, args...)
		return nil
	}
	for _, row := range rows {
		args, err := rsvpArgument(event, row)
		if err != nil {
			return err
		}
		b.Queue(one, args...)
	}
	return nil
}

func rsvpArgument(event pgtype.UUID, row SavedRow) ([]any, error) {
	r := &row.RSVP
	id, err := uuidOf(r.ID)
	if err != nil {
		return nil, fmt.Errorf("id of rsvp %q: %w", r.ID, err)
	}
	body, err := bodyOf(r)
	if err != nil {
		return nil, fmt.Errorf("body of rsvp %s: %w", r.ID, err)
	}
	return []any{event, id, row.EmailHMAC, r.Status, r.Response, r.PartySize, r.QueuedVersion, nullTime(r.OfferExpiresAt),
		nullTime(r.PendingExpiresAt), r.CheckedIn, r.Epoch, r.Sealed, body, r.CreatedAt, r.UpdatedAt, row.Version}, nil
}

func rsvpArguments(event pgtype.UUID, rows []SavedRow) ([]any, error) {
	n := len(rows)
	id := make(pgtype.FlatArray[pgtype.UUID], n)
	hmac, sealed, body := make(pgtype.FlatArray[[]byte], n), make(pgtype.FlatArray[[]byte], n), make(pgtype.FlatArray[[]byte], n)
	status, response := make(pgtype.FlatArray[string], n), make(pgtype.FlatArray[string], n)
	party, checkedIn, epoch := make(pgtype.FlatArray[int32], n), make(pgtype.FlatArray[int32], n), make(pgtype.FlatArray[int32], n)
	queued, version := make(pgtype.FlatArray[int64], n), make(pgtype.FlatArray[int64], n)
	offer, pending := make(pgtype.FlatArray[pgtype.Timestamptz], n), make(pgtype.FlatArray[pgtype.Timestamptz], n)
	created, updated := make(pgtype.FlatArray[time.Time], n), make(pgtype.FlatArray[time.Time], n)
	for i, row := range rows {
		r := &row.RSVP
		var err error
		if id[i], err = uuidOf(r.ID); err != nil {
			return nil, fmt.Errorf("id of rsvp %q: %w", r.ID, err)
		}
		if body[i], err = bodyOf(r); err != nil {
			return nil, fmt.Errorf("body of rsvp %s: %w", r.ID, err)
		}
		hmac[i], sealed[i], status[i], response[i] = row.EmailHMAC, r.Sealed, r.Status, r.Response
		party[i], checkedIn[i], epoch[i] = int32(r.PartySize), int32(r.CheckedIn), int32(r.Epoch) //nolint:gosec // the rules keep them small
		queued[i], version[i] = r.QueuedVersion, row.Version
		offer[i], pending[i] = nullTime(r.OfferExpiresAt), nullTime(r.PendingExpiresAt)
		created[i], updated[i] = r.CreatedAt, r.UpdatedAt
	}
	return []any{event, id, hmac, status, response, party, queued, offer, pending, checkedIn, epoch, sealed, body, created,
		updated, version}, nil
}
