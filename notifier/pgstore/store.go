// Package pgstore keeps the notifier's schema: what was seen of events and
// guests, and the notices. Every method takes its time as an argument: the
// clock of the database never decides what is due.
package pgstore

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/notifier/notice"
)

// Store is safe for concurrent use.
type Store struct{ pool *pgxpool.Pool }

// New takes a pool; its owner closes it.
func New(pool *pgxpool.Pool) *Store { return &Store{pool: pool} }

// Tx plans for one batch of messages. Lock order: events by id, then guests,
// then their notices, then those of members (FanMembers); the delivery side
// takes notices, skips locked ones, and takes bulk last.
type Tx struct{ tx pgx.Tx }

// Plan runs f in one transaction: what it records as seen and what it plans
// are there together or not at all.
func (s *Store) Plan(ctx context.Context, f func(*Tx) error) error {
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error { return f(&Tx{tx: tx}) })
	if err != nil {
		return fmt.Errorf("plan a batch: %w", err)
	}
	return nil
}

// LockEvents returns what is kept of the events, making rows of version 0 for
// those that are new, and holds their locks.
func (t *Tx) LockEvents(ctx context.Context, ids, organizations []string) (map[string]*notice.Event, error) {
	_, err := t.tx.Exec(ctx, `
		INSERT INTO notifier.event (id, organization_id, version)
		SELECT DISTINCT ON (i) i, o, 0 FROM unnest($1::uuid[], $2::uuid[]) AS n(i, o) ORDER BY i
		ON CONFLICT (id) DO NOTHING`, ids, organizations)
	if err != nil {
		return nil, fmt.Errorf("new events: %w", err)
	}
	rows, err := t.tx.Query(ctx, `
		SELECT `+eventColumns+` FROM notifier.event e WHERE e.id = ANY($1::uuid[]) ORDER BY e.id FOR UPDATE`, ids)
	if err != nil {
		return nil, fmt.Errorf("lock events: %w", err)
	}
	return collectEvents(rows)
}

// The column missing is of the release before, which may run beside this one;
// nothing reads it any more.
const eventColumns = `e.id, e.organization_id, e.version, e.epoch, e.checked_in, e.moved_at, e.body,
	e.going, e.held, e.waitlisted, e.is_full, e.fillings, e.open_since, e.digest_at`

func collectEvents(rows pgx.Rows) (map[string]*notice.Event, error) {
	events := map[string]*notice.Event{}
	var (
		e                   notice.Event
		moved, open, digest timestamp
		body                []byte
	)
	_, err := pgx.ForEachRow(rows, []any{&e.ID, &e.OrganizationID, &e.Version, &e.Epoch, &e.CheckedIn, &moved, &body,
		&e.Going, &e.Held, &e.Waitlisted, &e.Full, &e.Fillings, &open, &digest}, func() error {
		one := e
		one.MovedAt, one.OpenSince, one.DigestAt = value(moved), value(open), value(digest)
		if body != nil {
			one.Known = true
			if err := json.Unmarshal(body, &one.Body); err != nil {
				return fmt.Errorf("body of event %s: %w", one.ID, err)
			}
		}
		events[one.ID] = &one
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read events: %w", err)
	}
	return events, nil
}

const guestColumns = `g.rsvp_id, g.event_id, g.organization_id, g.version, g.status, g.party_size, g.queued_version,
	g.checked_in, g.epoch, g.locale, g.time_zone, g.updates, g.marketing, g.reminders, g.erased, g.sealed, g.quiet_until, g.told, g.digest_at`

// Guests returns those of the RSVPs that are known.
func (t *Tx) Guests(ctx context.Context, ids []string) (map[string]*notice.Guest, error) {
	rows, err := t.tx.Query(ctx, `SELECT `+guestColumns+` FROM notifier.guest g WHERE g.rsvp_id = ANY($1::uuid[])`, ids)
	if err != nil {
		return nil, fmt.Errorf("guests: %w", err)
	}
	return collectGuests(rows)
}

func collectGuests(rows pgx.Rows) (map[string]*notice.Guest, error) {
	guests := map[string]*notice.Guest{}
	var (
		g             notice.Guest
		quiet, digest timestamp
	)
	_, err := pgx.ForEachRow(rows, []any{
		&g.RSVPID, &g.EventID, &g.OrganizationID, &g.Version, &g.Status, &g.PartySize, &g.QueuedVersion,
		&g.CheckedIn, &g.Epoch, &g.Locale, &g.TimeZone, &g.Updates, &g.Marketing, &g.Reminders, &g.Erased, &g.Sealed, &quiet, &g.Told, &digest,
	}, func() error {
		one := g
		one.QuietUntil, one.DigestAt = value(quiet), value(digest)
		one.Sealed = append([]byte(nil), g.Sealed...)
		guests[one.RSVPID] = &one
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read guests: %w", err)
	}
	return guests, nil
}

// SaveEvents keeps the events as they are now.
func (t *Tx) SaveEvents(ctx context.Context, events []*notice.Event) error {
	b := &pgx.Batch{}
	for _, e := range events {
		var body []byte
		if e.Known {
			var err error
			if body, err = json.Marshal(e.Body); err != nil {
				return fmt.Errorf("body of event %s: %w", e.ID, err)
			}
		}
		b.Queue(`UPDATE notifier.event SET organization_id = $2, version = $3, epoch = $4, checked_in = $5, moved_at = $6,
			body = $7, going = $8, held = $9, waitlisted = $10, is_full = $11, fillings = $12, open_since = $13, digest_at = $14
			WHERE id = $1`, e.ID, e.OrganizationID, e.Version, e.Epoch, e.CheckedIn, orNull(e.MovedAt),
			body, e.Going, e.Held, e.Waitlisted, e.Full, e.Fillings, orNull(e.OpenSince), orNull(e.DigestAt))
	}
	return t.send(ctx, b, "save events")
}

// SaveGuests keeps the guests as they are now; each at most once.
func (t *Tx) SaveGuests(ctx context.Context, guests []*notice.Guest) error {
	if len(guests) == 0 {
		return nil
	}
	var c columns
	for _, g := range guests {
		sealed := g.Sealed
		if g.Erased || sealed == nil {
			sealed = []byte{}
		}
		c.row(g.RSVPID, g.EventID, g.OrganizationID, g.Version, g.Status, int32(g.PartySize), g.QueuedVersion, int32(g.CheckedIn),
			int32(g.Epoch), g.Locale, g.TimeZone, g.Updates, g.Marketing, g.Reminders, g.Erased, sealed, orNull(g.QuietUntil), g.Told, orNull(g.DigestAt))
	}
	if _, err := t.tx.Exec(ctx, saveGuests, c.args()...); err != nil {
		return fmt.Errorf("save %d guests: %w", len(guests), err)
	}
	return nil
}

const saveGuests = `
	INSERT INTO notifier.guest AS g (rsvp_id, event_id, organization_id, version, status, party_size, queued_version,
		checked_in, epoch, locale, time_zone, updates, marketing, reminders, erased, sealed, quiet_until, told, digest_at)
	SELECT rsvp_id, event_id, organization_id, version, status, party_size, queued_version,
		checked_in, epoch, locale, time_zone, updates, marketing, reminders, erased, sealed, quiet_until, told, digest_at
	FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bigint[], $5::text[], $6::integer[], $7::bigint[], $8::integer[],
		$9::integer[], $10::text[], $11::text[], $12::boolean[], $13::boolean[], $14::boolean[],
		$15::boolean[], $16::bytea[], $17::timestamptz[], $18::text[], $19::timestamptz[])
		AS n(rsvp_id, event_id, organization_id, version, status, party_size, queued_version,
			checked_in, epoch, locale, time_zone, updates, marketing, reminders, erased, sealed, quiet_until, told, digest_at)
	ON CONFLICT (rsvp_id) DO UPDATE SET version = excluded.version, status = excluded.status, party_size = excluded.party_size,
		queued_version = excluded.queued_version, checked_in = excluded.checked_in, epoch = excluded.epoch, locale = excluded.locale,
		time_zone = excluded.time_zone, updates = excluded.updates, marketing = excluded.marketing, reminders = excluded.reminders, erased = excluded.erased,
		sealed = excluded.sealed, quiet_until = excluded.quiet_until, told = excluded.told,
		digest_at = excluded.digest_at
	WHERE g.version < excluded.version`

// SaveOrganization keeps how an organization looks and who has which role in
// it; what says who they are stays sealed, apart.
func (t *Tx) SaveOrganization(ctx context.Context, o contract.Organization, version int64) error {
	whole := o
	members := make([]contract.Member, len(o.Members))
	for i, m := range o.Members {
		members[i] = contract.Member{AccountID: m.AccountID, Role: m.Role}
	}
	o.Members = members
	body, err := json.Marshal(o)
	if err != nil {
		return fmt.Errorf("body of organization %s: %w", o.ID, err)
	}
	tag, err := t.tx.Exec(ctx, `
		INSERT INTO notifier.organization AS o (id, version, body) VALUES ($1, $2, $3)
		ON CONFLICT (id) DO UPDATE SET version = $2, body = $3 WHERE o.version < $2`, o.ID, version, body)
	if err != nil {
		return fmt.Errorf("save organization %s: %w", o.ID, err)
	}
	if tag.RowsAffected() == 0 {
		return nil // known, or older than what is
	}
	return t.saveMembers(ctx, whole)
}

func (t *Tx) send(ctx context.Context, b *pgx.Batch, what string) error {
	if b.Len() == 0 {
		return nil
	}
	if err := t.tx.SendBatch(ctx, b).Close(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}
