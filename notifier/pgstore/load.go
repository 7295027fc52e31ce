package pgstore

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/notifier/notice"
)

// onTime: a reminder this late or less cannot have been overtaken by a later
// one, and 50,000 that are due together are spared the question.
const onTime = time.Minute

// Load adds to claimed notices what is needed to write them, in one round
// trip. Guests and events are shared by the deliveries that name them.
func (s *Store) Load(ctx context.Context, claimed []notice.Notice, now time.Time) ([]*notice.Delivery, error) {
	var events, guests, orgs, answers, reminders, queued, announced, devices []string
	for i := range claimed {
		n := &claimed[i]
		events, orgs = append(events, n.EventID), append(orgs, n.OrganizationID)
		if n.RSVPID != "" {
			guests = append(guests, n.RSVPID)
		}
		if n.Kind.IsAnswer() {
			answers = append(answers, n.ID)
		}
		if n.Kind == notice.Reminder && now.Sub(n.DueAt) > onTime {
			reminders = append(reminders, n.ID)
		}
		if n.Detail.Announcement != "" {
			announced = append(announced, n.Detail.Announcement)
		}
		if n.Kind == notice.Waitlisted {
			queued = append(queued, n.RSVPID)
		}
		if n.Detail.Subscription != "" {
			devices = append(devices, n.Detail.Subscription)
		}
	}
	var (
		byEvent    map[string]*notice.Event
		byGuest    map[string]*notice.Guest
		byOrg      = map[string]*notice.Organization{}
		superseded = map[string]bool{}
		ahead      = map[string]int{}
		said       = map[string]notice.Detail{}
		byDevice   = map[string]*notice.Device{}
	)
	b := &pgx.Batch{}
	b.Queue(`SELECT `+eventColumns+` FROM notifier.event e WHERE e.id = ANY($1::uuid[])`, events).Query(func(rows pgx.Rows) (err error) {
		byEvent, err = collectEvents(rows)
		return err
	})
	b.Queue(`SELECT `+guestColumns+` FROM notifier.guest g WHERE g.rsvp_id = ANY($1::uuid[])`, guests).Query(func(rows pgx.Rows) (err error) {
		byGuest, err = collectGuests(rows)
		return err
	})
	b.Queue(`SELECT id, version, body FROM notifier.organization WHERE id = ANY($1::uuid[])`, orgs).Query(func(rows pgx.Rows) error {
		return collectOrganizations(rows, byOrg)
	})
	if len(answers) > 0 {
		b.Queue(`
			SELECT n.id FROM notifier.notification n
			WHERE n.id = ANY($1::uuid[]) AND EXISTS (
				SELECT FROM notifier.notification l
				WHERE l.rsvp_id = n.rsvp_id AND l.channel = n.channel AND l.kind = ANY($2::text[]) AND l.cause_version > n.cause_version
				  AND (l.state IN ('claimed', 'sent', 'delivered') OR l.state IN ('planned', 'failed') AND l.next_at <= $3))`,
			answers, kindNames(notice.AnswerKinds), now).Query(func(rows pgx.Rows) error {
			return collectIDs(rows, superseded)
		})
	}
	if len(reminders) > 0 { // after a downtime two can be overdue: the later one says it all
		b.Queue(`
			SELECT n.id FROM notifier.notification n
			WHERE n.id = ANY($1::uuid[]) AND EXISTS (
				SELECT FROM notifier.notification l
				WHERE l.rsvp_id = n.rsvp_id AND l.channel = n.channel AND l.kind = n.kind AND l.epoch = n.epoch
				  AND l.due_at > n.due_at AND l.due_at <= $2 AND l.state IN ('planned', 'failed', 'claimed', 'sent', 'delivered'))`,
			reminders, now).Query(func(rows pgx.Rows) error {
			return collectIDs(rows, superseded)
		})
	}
	if len(queued) > 0 {
		b.Queue(`
			SELECT g.rsvp_id, (SELECT count(*) FROM notifier.guest a
				WHERE a.event_id = g.event_id AND a.status = 'waitlisted' AND a.queued_version < g.queued_version)
			FROM notifier.guest g WHERE g.rsvp_id = ANY($1::uuid[])`, queued).Query(func(rows pgx.Rows) error {
			return collectCounts(rows, ahead)
		})
	}
	if len(devices) > 0 {
		b.Queue(`SELECT `+deviceColumns+` FROM notifier.push_subscription s WHERE s.id = ANY($1::uuid[])`, devices).Query(func(rows pgx.Rows) error {
			return collectDevices(rows, byDevice)
		})
	}
	if len(announced) > 0 {
		b.Queue(`SELECT id, subject, body, audience, cancelled_at IS NOT NULL FROM notifier.announcement WHERE id = ANY($1::uuid[])`, announced).
			Query(func(rows pgx.Rows) error { return collectAnnouncements(rows, said) })
	}
	wordings, campaigns := queueWordings(b, events), queueCampaigns(b, claimed)
	if err := s.pool.SendBatch(ctx, b).Close(); err != nil {
		return nil, fmt.Errorf("load %d deliveries: %w", len(claimed), err)
	}
	out := make([]*notice.Delivery, len(claimed))
	for i := range claimed {
		n := claimed[i]
		if a, there := said[n.Detail.Announcement]; there {
			n.Detail.Subject, n.Detail.Body, n.Detail.Statuses, n.Detail.Withdrawn = a.Subject, a.Body, a.Statuses, a.Withdrawn
		}
		campaigns.fill(&n)
		out[i] = &notice.Delivery{
			Wording: wordings[wordingKey{n.EventID, n.Kind}],
			Notice:  n, Event: byEvent[n.EventID], Guest: byGuest[n.RSVPID], Organization: byOrg[n.OrganizationID],
			Ahead: ahead[n.RSVPID], Superseded: superseded[n.ID],
			Device: byDevice[n.Detail.Subscription],
		}
	}
	return out, s.loadMembers(ctx, out)
}

func collectOrganizations(rows pgx.Rows, into map[string]*notice.Organization) error {
	var (
		id      string
		version int64
		body    []byte
	)
	_, err := pgx.ForEachRow(rows, []any{&id, &version, &body}, func() error {
		var o contract.Organization
		if err := json.Unmarshal(body, &o); err != nil {
			return fmt.Errorf("body of organization %s: %w", id, err)
		}
		into[id] = &notice.Organization{ID: id, Version: version, Body: o}
		return nil
	})
	return err
}

// Suppression says what keeps mail from an address.
type Suppression struct {
	OrganizationID string // empty: it holds for all
	Reason         string
}

// The reasons of a suppression.
const (
	Unsubscribed = "unsubscribed"
	Bounced      = "bounced"
	Complained   = "complained"
)

// Suppressions gives what is on record for the identities of addresses.
func (s *Store) Suppressions(ctx context.Context, hmacs [][]byte) (map[string][]Suppression, error) {
	rows, err := s.pool.Query(ctx, `
		SELECT hmac, coalesce(organization_id::text, ''), reason FROM notifier.suppression WHERE hmac = ANY($1)`, hmacs)
	if err != nil {
		return nil, fmt.Errorf("suppressions: %w", err)
	}
	out := map[string][]Suppression{}
	var (
		hmac []byte
		one  Suppression
	)
	_, err = pgx.ForEachRow(rows, []any{&hmac, &one.OrganizationID, &one.Reason}, func() error {
		out[string(hmac)] = append(out[string(hmac)], one)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("suppressions: %w", err)
	}
	return out, nil
}

// Suppress puts an address on record; again changes nothing.
func (s *Store) Suppress(ctx context.Context, hmac []byte, one Suppression, source string, now time.Time) error {
	_, err := s.pool.Exec(ctx, `
		INSERT INTO notifier.suppression (hmac, organization_id, reason, source, created_at)
		VALUES ($1, nullif($2, '')::uuid, $3, $4, $5) ON CONFLICT DO NOTHING`, hmac, one.OrganizationID, one.Reason, source, now)
	if err != nil {
		return fmt.Errorf("suppress: %w", err)
	}
	return nil
}

func collectIDs(rows pgx.Rows, into map[string]bool) error {
	var id string
	_, err := pgx.ForEachRow(rows, []any{&id}, func() error {
		into[id] = true
		return nil
	})
	return err
}

func collectCounts(rows pgx.Rows, into map[string]int) error {
	var (
		id string
		n  int
	)
	_, err := pgx.ForEachRow(rows, []any{&id, &n}, func() error {
		into[id] = n
		return nil
	})
	return err
}
