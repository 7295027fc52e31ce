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

// saveMembers makes the rows what a message says of who belongs to an
// organization. What somebody chose stays, also when they come back.
func (t *Tx) saveMembers(ctx context.Context, o contract.Organization) error {
	accounts, roles, sealed := make([]string, len(o.Members)), make([]string, len(o.Members)), make([][]byte, len(o.Members))
	for i, m := range o.Members {
		accounts[i], roles[i], sealed[i] = m.AccountID, m.Role, append([]byte{}, m.Sealed...)
	}
	if _, err := t.tx.Exec(ctx, `DELETE FROM notifier.member WHERE organization_id = $1 AND account_id <> ALL($2::uuid[])`, o.ID, accounts); err != nil {
		return fmt.Errorf("members of organization %s: %w", o.ID, err)
	}
	_, err := t.tx.Exec(ctx, `
		INSERT INTO notifier.member (organization_id, account_id, role, sealed)
		SELECT $1, account_id, role, sealed FROM unnest($2::uuid[], $3::text[], $4::bytea[]) AS n(account_id, role, sealed)
		ON CONFLICT (organization_id, account_id) DO UPDATE SET role = excluded.role, sealed = excluded.sealed`, o.ID, accounts, roles, sealed)
	if err != nil {
		return fmt.Errorf("members of organization %s: %w", o.ID, err)
	}
	return nil
}

// FanMembers adds one notice like n for each member of its organization who
// wants the kind, and returns how many. The id is notice.ID of the account,
// computed by the database; one that exists already stays as it is. A digest is
// of all events of the organization, whose batches do not wait for each other's
// events: always the same order, or they wait for each other here in a circle.
func (t *Tx) FanMembers(ctx context.Context, n notice.Notice) (int64, error) {
	detail, err := json.Marshal(n.Detail)
	if err != nil {
		return 0, fmt.Errorf("detail of %s: %w", n.Kind, err)
	}
	tag, err := t.tx.Exec(ctx, `
		INSERT INTO notifier.notification (id, event_id, organization_id, account_id, kind, channel, occurrence, lane, due_at,
			next_at, useful_until, epoch, state, reason, cause_type, cause_version, detail, planned_at)
		SELECT encode(substring(sha256(convert_to(m.account_id || '/' || $4::text || '/' || $5::text || '/' || $6::text, 'UTF8')) FOR 16), 'hex')::uuid,
			$1, m.organization_id, m.account_id, $4::text, $5::text, $6::text, $7, $8, $8, $9, $10, 'planned', $11, $12, $13, $14, $15
		FROM notifier.member m LEFT JOIN notifier.member_choice c USING (organization_id, account_id)
		WHERE m.organization_id = $2 AND m.role = ANY($3::text[])
		  AND coalesce(CASE $4::text WHEN 'digest' THEN c.digest WHEN 'event_full' THEN c.event_full END, true)
		ORDER BY m.account_id
		ON CONFLICT (id) DO NOTHING`,
		n.EventID, n.OrganizationID, notice.MemberRoles, string(n.Kind), n.Channel, n.Occurrence, n.Kind.Lane(), n.DueAt,
		orNull(n.UsefulUntil), n.Epoch, n.Reason, n.CauseType, n.CauseVersion, detail, n.PlannedAt)
	if err != nil {
		return 0, fmt.Errorf("fan out %s of event %s to members: %w", n.Kind, n.EventID, err)
	}
	return tag.RowsAffected(), nil
}

const memberColumns = `m.organization_id, m.account_id, m.role, m.sealed, coalesce(c.digest, true), coalesce(c.event_full, true), coalesce(c.locale, 'en')`

const memberTables = `notifier.member m LEFT JOIN notifier.member_choice c USING (organization_id, account_id)`

func collectMembers(rows pgx.Rows, into map[memberKey]*notice.Member) error {
	var m notice.Member
	_, err := pgx.ForEachRow(rows, []any{
		&m.OrganizationID, &m.AccountID, &m.Role, &m.Sealed, &m.Choice.Digest, &m.Choice.EventFull, &m.Choice.Locale,
	}, func() error {
		one := m
		one.Sealed = append([]byte(nil), m.Sealed...)
		into[memberKey{m.OrganizationID, m.AccountID}] = &one
		return nil
	})
	return err
}

type memberKey struct{ organization, account string }

// Member reads who an account is in an organization, and what they chose.
func (s *Store) Member(ctx context.Context, organizationID, accountID string) (*notice.Member, error) {
	rows, err := s.pool.Query(ctx, `SELECT `+memberColumns+` FROM `+memberTables+` WHERE m.organization_id = $1 AND m.account_id = $2`, organizationID, accountID)
	if err != nil {
		return nil, fmt.Errorf("member %s: %w", accountID, err)
	}
	all := map[memberKey]*notice.Member{}
	if err := collectMembers(rows, all); err != nil {
		return nil, fmt.Errorf("member %s: %w", accountID, err)
	}
	if m := all[memberKey{organizationID, accountID}]; m != nil {
		return m, nil
	}
	return nil, ErrNotFound
}

// Choose keeps what a member wants by mail and takes back what waits of the
// rest.
func (s *Store) Choose(ctx context.Context, organizationID, accountID string, c notice.Choice, now time.Time) error {
	var off []notice.Kind
	for _, k := range notice.MemberKinds {
		if m := (&notice.Member{Role: contract.RoleOwner, Choice: c}); !m.Wants(k) {
			off = append(off, k)
		}
	}
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `
			INSERT INTO notifier.member_choice (organization_id, account_id, digest, event_full, locale) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (organization_id, account_id) DO UPDATE SET digest = excluded.digest, event_full = excluded.event_full, locale = excluded.locale`,
			organizationID, accountID, c.Digest, c.EventFull, c.Locale); err != nil {
			return err
		}
		return voidOfMember(ctx, tx, organizationID, accountID, off, now)
	})
	if err != nil {
		return fmt.Errorf("choice of member %s: %w", accountID, err)
	}
	return nil
}

func voidOfMember(ctx context.Context, tx pgx.Tx, organizationID, accountID string, kinds []notice.Kind, now time.Time) error {
	_, err := tx.Exec(ctx, `
		UPDATE notifier.notification SET state = 'void', outcome = $4, finished_at = $5
		WHERE organization_id = $1 AND account_id = $2 AND kind = ANY($3::text[]) AND state IN ('planned', 'failed')`,
		organizationID, accountID, kindNames(kinds), Unsubscribed, now)
	return err
}

// SwitchOff is Choose for one kind, for whoever follows the link of a mail: it
// only ever switches off, whoever else chooses at the same time. It holds also
// for who is no member any more and comes back.
func (s *Store) SwitchOff(ctx context.Context, organizationID, accountID string, kind notice.Kind, now time.Time) error {
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `
			INSERT INTO notifier.member_choice AS c (organization_id, account_id, digest, event_full, locale) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (organization_id, account_id) DO UPDATE
			SET digest = c.digest AND excluded.digest, event_full = c.event_full AND excluded.event_full`,
			organizationID, accountID, kind != notice.Digest, kind != notice.EventFull, notice.AsBefore.Locale); err != nil {
			return err
		}
		return voidOfMember(ctx, tx, organizationID, accountID, []notice.Kind{kind}, now)
	})
	if err != nil {
		return fmt.Errorf("switch off %s for member %s: %w", kind, accountID, err)
	}
	return nil
}

// loadMembers adds to deliveries for members who they are and, to digests,
// what there is to tell.
func (s *Store) loadMembers(ctx context.Context, deliveries []*notice.Delivery) error {
	var orgs, accounts []string
	for _, d := range deliveries {
		if d.Notice.AccountID != "" {
			orgs, accounts = append(orgs, d.Notice.OrganizationID), append(accounts, d.Notice.AccountID)
		}
	}
	if len(accounts) == 0 {
		return nil
	}
	rows, err := s.pool.Query(ctx, `SELECT `+memberColumns+` FROM `+memberTables+`
		WHERE (m.organization_id, m.account_id) IN (SELECT o, a FROM unnest($1::uuid[], $2::uuid[]) AS n(o, a))`, orgs, accounts)
	if err != nil {
		return fmt.Errorf("members: %w", err)
	}
	members := map[memberKey]*notice.Member{}
	if err := collectMembers(rows, members); err != nil {
		return fmt.Errorf("members: %w", err)
	}
	type digest struct {
		organization string
		due          time.Time
	}
	known := map[digest][]notice.News{} // the same for all members
	for _, d := range deliveries {
		n := &d.Notice
		if n.AccountID == "" {
			continue
		}
		d.Member = members[memberKey{n.OrganizationID, n.AccountID}]
		if n.Kind != notice.Digest {
			continue
		}
		// Not n.DueAt, which an operator's resend moves.
		due := n.DigestAt()
		k := digest{n.OrganizationID, due}
		news, there := known[k]
		if !there {
			if news, err = s.News(ctx, n.OrganizationID, due); err != nil {
				return err
			}
			known[k] = news
		}
		d.News = news
	}
	return nil
}

// News gives what the digest due at that time tells of an organization's
// events, the next to start first.
func (s *Store) News(ctx context.Context, organizationID string, due time.Time) ([]notice.News, error) {
	rows, err := s.pool.Query(ctx, `
		SELECT e.id, e.body, e.going, e.held, e.waitlisted, g.status, count(*), sum(g.party_size)
		FROM notifier.guest g JOIN notifier.event e ON e.id = g.event_id
		WHERE g.organization_id = $1 AND g.digest_at = $2 AND NOT g.erased AND e.body IS NOT NULL
		GROUP BY e.id, g.status ORDER BY e.body->>'starts_at', e.id, g.status`, organizationID, due)
	if err != nil {
		return nil, fmt.Errorf("news of organization %s: %w", organizationID, err)
	}
	var (
		out             []notice.News
		one             notice.News
		body            []byte
		status          string
		answers, people int
	)
	_, err = pgx.ForEachRow(rows, []any{&one.EventID, &body, &one.Going, &one.Held, &one.Waiting, &status, &answers, &people}, func() error {
		if len(out) == 0 || out[len(out)-1].EventID != one.EventID {
			var e contract.Event
			if err := json.Unmarshal(body, &e); err != nil {
				return fmt.Errorf("body of event %s: %w", one.EventID, err)
			}
			next := one
			next.Title, next.Slug, next.StartsAt, next.TimeZone, next.Capacity = e.Title, e.Slug, e.StartsAt, e.TimeZone, e.Capacity
			next.Answers, next.People = map[string]int{}, 0
			out = append(out, next)
		}
		last := &out[len(out)-1]
		last.Answers[status] = answers
		if status == contract.StatusConfirmed {
			last.People = people
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("news of organization %s: %w", organizationID, err)
	}
	return out, nil
}
