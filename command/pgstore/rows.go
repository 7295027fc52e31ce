package pgstore

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/turnout-events/turnout/command/rsvp"
	"github.com/turnout-events/turnout/internal/contract"
)

const rsvpColumns = `id, event_id, email_hmac, status, response, party_size, queued_version, offer_expires_at,
	pending_expires_at, checked_in, epoch, sealed, body, created_at, updated_at`

// rsvpBody is what of a contract.RSVP no statement ever looks at.
type rsvpBody struct {
	OrganizationID   string            `json:"organization_id"`
	AddressConfirmed bool              `json:"address_confirmed,omitempty"`
	Approved         bool              `json:"approved,omitempty"`
	WalkIn           bool              `json:"walk_in,omitempty"`
	CheckedInAt      *time.Time        `json:"checked_in_at,omitempty"`
	SeatedAt         *time.Time        `json:"seated_at,omitempty"`
	Grew             []contract.Growth `json:"grew,omitempty"`
	Locale           string            `json:"locale,omitempty"`
	TimeZone         string            `json:"time_zone,omitempty"`
	Consents         contract.Consents `json:"consents"`
	Reminders        bool              `json:"reminders,omitempty"`
	Rating           int               `json:"rating,omitempty"`
	Erased           bool              `json:"erased,omitempty"`
	Door             []contract.Scan   `json:"door,omitempty"`
	LinkSentAt       *time.Time        `json:"link_sent_at,omitempty"`
}

func bodyOf(r *contract.RSVP) ([]byte, error) {
	return json.Marshal(rsvpBody{
		OrganizationID: r.OrganizationID, AddressConfirmed: r.AddressConfirmed, Approved: r.Approved, WalkIn: r.WalkIn,
		CheckedInAt: r.CheckedInAt, SeatedAt: r.SeatedAt, Grew: r.Grew, Locale: r.Locale, TimeZone: r.TimeZone, Consents: r.Consents,
		Reminders: r.Reminders, Rating: r.Rating, Erased: r.Erased, Door: r.Door, LinkSentAt: r.LinkSentAt,
	})
}

func (b *rsvpBody) into(r *contract.RSVP) {
	r.OrganizationID, r.AddressConfirmed, r.Approved, r.WalkIn = b.OrganizationID, b.AddressConfirmed, b.Approved, b.WalkIn
	r.CheckedInAt, r.SeatedAt, r.Grew = b.CheckedInAt, b.SeatedAt, b.Grew
	r.Locale, r.TimeZone, r.Consents = b.Locale, b.TimeZone, b.Consents
	r.Reminders, r.Rating, r.Erased, r.Door, r.LinkSentAt = b.Reminders, b.Rating, b.Erased, b.Door, b.LinkSentAt
}

func scanRSVPs(rows pgx.Rows, into *[]*rsvp.Row) error {
	for rows.Next() {
		row := &rsvp.Row{}
		r := &row.RSVP
		var body []byte
		if err := rows.Scan(&r.ID, &r.EventID, &row.EmailHMAC, &r.Status, &r.Response, &r.PartySize, &r.QueuedVersion,
			&r.OfferExpiresAt, &r.PendingExpiresAt, &r.CheckedIn, &r.Epoch, &r.Sealed, &body, &r.CreatedAt, &r.UpdatedAt); err != nil {
			return err
		}
		var rest rsvpBody
		if err := json.Unmarshal(body, &rest); err != nil {
			return fmt.Errorf("body of rsvp %s: %w", r.ID, err)
		}
		rest.into(r)
		r.CreatedAt, r.UpdatedAt = r.CreatedAt.UTC(), r.UpdatedAt.UTC()
		r.OfferExpiresAt, r.PendingExpiresAt = utc(r.OfferExpiresAt), utc(r.PendingExpiresAt)
		*into = append(*into, row)
	}
	return rows.Err()
}

// utc because pgx gives times in the zone of the process, and a time's zone shows in JSON.
func utc(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	u := t.UTC()
	return &u
}

func uuidOf(id string) (pgtype.UUID, error) {
	u, err := uuid.Parse(id)
	return pgtype.UUID{Bytes: u, Valid: err == nil}, err
}

func uuidsOf(ids []string) (pgtype.FlatArray[pgtype.UUID], error) {
	out := make(pgtype.FlatArray[pgtype.UUID], len(ids))
	for i, id := range ids {
		var err error
		if out[i], err = uuidOf(id); err != nil {
			return nil, fmt.Errorf("id %q: %w", id, err)
		}
	}
	return out, nil
}

func nullTime(t *time.Time) pgtype.Timestamptz {
	if t == nil {
		return pgtype.Timestamptz{}
	}
	return pgtype.Timestamptz{Time: *t, Valid: true}
}
