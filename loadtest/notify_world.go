package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/seal"
	"github.com/turnout-events/turnout/notifier/notice"
	"github.com/turnout-events/turnout/notifier/pgstore"
)

// mailWorkers are the connections of every arm.
const mailWorkers = 8

// postOffice is a notifier of the load's own, with guests that it owes reminders. The guests are written into the stores
// as the roles would (sealed, each with a wrapped key of their own), because a hundred thousand answers and their
// confirmations would take longer than what is measured.
type postOffice struct {
	*world
	sink   *sink
	store  *pgstore.Store
	event  notice.Event
	guests []string // RSVP ids
	cards  []*notice.Guest
	ring   *seal.Keyring
}

func newPostOffice(ctx context.Context, o options, guests int) (p *postOffice, err error) {
	w, err := newWorld(ctx, o)
	if err != nil {
		return nil, err
	}
	p = &postOffice{world: w, store: pgstore.New(w.db)}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close(ctx))
		}
	}()
	if p.sink, err = newSink(ctx, w.dir); err != nil {
		return p, err
	}
	w.env["TURNOUT_SMTP_ADDR"] = p.sink.addr
	w.env["TURNOUT_NOTIFIER_WORKERS"] = fmt.Sprint(mailWorkers)
	if _, err := p.role(ctx, "command"); err != nil { // migrates, and gives the keys
		return p, err
	}
	if err := p.fill(ctx, guests); err != nil {
		return p, err
	}
	c, err := start(ctx, w.dir, "notify", w.env["TURNOUT_NOTIFIER_ADDR"], w.env["TURNOUT_NOTIFIER_OPS_URL"]+"/readyz", w.environ(), w.binary, "notify")
	if err == nil {
		w.children = append(w.children, c)
	}
	return p, err
}

func (p *postOffice) close(ctx context.Context) error {
	err := p.world.close(ctx)
	if p.sink != nil {
		err = errors.Join(err, p.sink.close())
	}
	return err
}

// fill makes one event in a year and its confirmed guests.
func (p *postOffice) fill(ctx context.Context, guests int) error {
	ring, err := seal.ParseKeyring(p.env["TURNOUT_SECRETS"])
	if err != nil {
		return err
	}
	p.ring = ring
	now := time.Now().UTC().Truncate(time.Microsecond)
	event, org := uuid.NewString(), uuid.NewString()
	p.event = notice.Event{ID: event, OrganizationID: org, Version: 2, Known: true, Body: contract.Event{
		ID: event, OrganizationID: org, Slug: "load", Status: contract.EventPublished, Title: "An evening of measured music",
		StartsAt: now.AddDate(1, 0, 0), EndsAt: now.AddDate(1, 0, 0).Add(2 * time.Hour), TimeZone: "Europe/Berlin",
		Venue: &contract.Venue{Name: "Town hall", Address: "Market 1", City: "Weimar", Country: "DE"}, Visibility: contract.VisibilityPublic,
	}}
	const page = 2000
	for len(p.guests) < guests {
		var some []*notice.Guest
		var keys, rsvps [][]any
		for range min(page, guests-len(p.guests)) {
			g, wrapped, err := p.guest(ring, len(p.guests))
			if err != nil {
				return err
			}
			some, keys, p.guests = append(some, g), append(keys, []any{g.RSVPID, wrapped}), append(p.guests, g.RSVPID)
			rsvps = append(rsvps, []any{g.RSVPID, event, g.Status, contract.Going, g.PartySize, g.Sealed, "{}", g.Version, now, now})
		}
		if _, err := p.db.CopyFrom(ctx, pgx.Identifier{"rsvp"}, []string{"id", "event_id", "status", "response", "party_size", "sealed", "body",
			"version", "created_at", "updated_at"}, pgx.CopyFromRows(rsvps)); err != nil {
			return err
		}
		if _, err := p.db.CopyFrom(ctx, pgx.Identifier{"rsvp_key"}, []string{"rsvp_id", "wrapped"}, pgx.CopyFromRows(keys)); err != nil {
			return err
		}
		p.cards = append(p.cards, some...)
		err := p.store.Plan(ctx, func(tx *pgstore.Tx) error {
			if _, err := tx.LockEvents(ctx, []string{event}, []string{org}); err != nil {
				return err
			}
			return errors.Join(tx.SaveEvents(ctx, []*notice.Event{&p.event}), tx.SaveGuests(ctx, some))
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *postOffice) guest(ring *seal.Keyring, i int) (*notice.Guest, []byte, error) {
	g := &notice.Guest{
		RSVPID: uuid.NewString(), EventID: p.event.ID, OrganizationID: p.event.OrganizationID, Version: 2, Status: contract.StatusConfirmed,
		PartySize: 1, Locale: "en", TimeZone: "Europe/Berlin", Updates: true, Reminders: true,
	}
	address := fmt.Sprintf("guest-%d@example.net", i)
	plain, err := json.Marshal(contract.Personal{Name: fmt.Sprintf("Guest %d", i), Email: address, EmailHMAC: ring.EmailHMAC(address)})
	if err != nil {
		return nil, nil, err
	}
	key, err := seal.NewKey()
	if err != nil {
		return nil, nil, err
	}
	if g.Sealed, err = seal.Seal(key, plain, g.RSVPID); err != nil {
		return nil, nil, err
	}
	wrapped, err := ring.Wrap(key, g.RSVPID)
	return g, wrapped, err
}

// owe plans a reminder for each of the first n guests; due says when each is. What was owed before is gone.
func (p *postOffice) owe(ctx context.Context, n int, due func(i int) time.Time) (map[string]time.Time, error) {
	if _, err := p.db.Exec(ctx, `TRUNCATE notifier.notification, notifier.outbox`); err != nil {
		return nil, err
	}
	when := make(map[string]time.Time, n)
	now := time.Now().UTC()
	occurrence := "load/" + uuid.NewString()
	for at := 0; at < n; {
		var some []*notice.Notice
		for ; at < n && len(some) < 2000; at++ {
			one := &notice.Notice{
				ID: notice.ID(p.guests[at], notice.Reminder, notice.ChannelMail, occurrence), EventID: p.event.ID,
				OrganizationID: p.event.OrganizationID, RSVPID: p.guests[at], Kind: notice.Reminder, Channel: notice.ChannelMail,
				Occurrence: occurrence, DueAt: due(at), UsefulUntil: p.event.Body.StartsAt, State: notice.Planned, Reason: "before-start",
				CauseType: contract.RSVPConfirmedV1, CauseVersion: 2, PlannedAt: now, Detail: notice.Detail{Offset: "24h"},
			}
			some, when[one.ID] = append(some, one), one.DueAt
		}
		if err := p.store.Plan(ctx, func(tx *pgstore.Tx) error { return tx.Add(ctx, some) }); err != nil {
			return nil, err
		}
	}
	for _, sql := range []string{"VACUUM ANALYZE notifier.notification", "VACUUM ANALYZE notifier.guest", "CHECKPOINT"} {
		if _, err := p.db.Exec(ctx, sql); err != nil {
			return nil, err
		}
	}
	return when, p.sink.reset()
}

func waitUntil(ctx context.Context, at time.Time) error {
	timer := time.NewTimer(time.Until(at))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
