package pgstore

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/turnout-events/turnout/internal/contract"
)

// Reads for the auditor: they run in its transaction, which is a snapshot.

// EachLogRow reads and closes rows like ScanLog does, one at a time; the envelope is the callee's until it returns.
func EachLogRow(rows pgx.Rows, f func(*contract.Envelope)) error {
	defer rows.Close()
	for rows.Next() {
		var m contract.Envelope
		if err := rows.Scan(&m.Subject, &m.Version, &m.Type, &m.Org, &m.ValidAt, &m.RecordedAt, &m.Actor, &m.Reason,
			&m.Traceparent, &m.Payload, &m.Chain); err != nil {
			return err
		}
		m.ValidAt, m.RecordedAt = m.ValidAt.UTC(), m.RecordedAt.UTC()
		f(&m)
	}
	return rows.Err()
}

// CounterRow reads an event and its counter row.
func CounterRow(ctx context.Context, tx pgx.Tx, event string) (*Locked, error) {
	l := &Locked{}
	if err := l.scanCounter(tx.QueryRow(ctx, selectCounter, event)); err != nil {
		return nil, fmt.Errorf("counter row of event %s: %w", event, err)
	}
	if err := l.scanBody(tx.QueryRow(ctx, selectBody, event)); err != nil {
		return nil, fmt.Errorf("body of event %s: %w", event, err)
	}
	return l, nil
}

// OrganizationRow reads an organization with its members, and where its log ends for it. ErrNone: there is none.
func OrganizationRow(ctx context.Context, tx pgx.Tx, id string) (o contract.Organization, version int64, chain []byte, err error) {
	r, err := readOrganization(ctx, tx, id, "")
	return r.body, r.version, r.chain, err
}

const selectRSVPsForAudit = `SELECT r.id, r.event_id, r.status, r.response, r.party_size, r.queued_version,
		r.offer_expires_at, r.pending_expires_at, r.checked_in, r.epoch, r.sealed, r.body, r.created_at, r.updated_at,
		r.version, k.rsvp_id IS NOT NULL
	FROM rsvp r LEFT JOIN rsvp_key k ON k.rsvp_id = r.id WHERE r.event_id = $1`

// EachRSVP reads every RSVP of an event, the version of its last message, and whether its data key is there.
func EachRSVP(ctx context.Context, tx pgx.Tx, event string, f func(v *contract.RSVP, version int64, hasKey bool)) error {
	rows, err := tx.Query(ctx, selectRSVPsForAudit, event)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var r contract.RSVP
		var body []byte
		var version int64
		var hasKey bool
		if err := rows.Scan(&r.ID, &r.EventID, &r.Status, &r.Response, &r.PartySize, &r.QueuedVersion, &r.OfferExpiresAt,
			&r.PendingExpiresAt, &r.CheckedIn, &r.Epoch, &r.Sealed, &body, &r.CreatedAt, &r.UpdatedAt, &version, &hasKey); err != nil {
			return err
		}
		var rest rsvpBody
		if err := json.Unmarshal(body, &rest); err != nil {
			return fmt.Errorf("body of rsvp %s: %w", r.ID, err)
		}
		rest.into(&r)
		r.CreatedAt, r.UpdatedAt = r.CreatedAt.UTC(), r.UpdatedAt.UTC()
		r.OfferExpiresAt, r.PendingExpiresAt = utc(r.OfferExpiresAt), utc(r.PendingExpiresAt)
		f(&r, version, hasKey)
	}
	return rows.Err()
}
