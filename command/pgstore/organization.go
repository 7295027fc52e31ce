package pgstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/postgres"
	"github.com/turnout-events/turnout/internal/seal"
)

// Organizations are the tenants and who belongs to them. Every change and its
// message are one transaction. Safe for concurrent use.
type Organizations struct {
	pool       *pgxpool.Pool
	answerKeys [][]byte
}

// NewOrganizations uses the pool; the ring seals stored answers.
func NewOrganizations(pool *pgxpool.Pool, ring *seal.Keyring) (*Organizations, error) {
	keys, err := ring.Purpose(seal.PurposeAnswer)
	return &Organizations{pool: pool, answerKeys: keys}, err
}

// Said is the message about a change of an organization.
type Said struct {
	Type        string
	Actor       string
	Traceparent string
}

// Encode makes the answer that is stored with a key: pure and quick.
type Encode func(o contract.Organization, version int64) (status int, body []byte, err error)

// Create saves a new organization with its first member. ErrTaken: its slug is
// somebody else's.
func (s *Organizations) Create(ctx context.Context, once Once, o contract.Organization, said Said, now time.Time, encode Encode) (Kept, bool, error) {
	return s.once(ctx, once, now, func(tx pgx.Tx) (Kept, error) {
		body, err := bodyOfOrganization(o)
		if err != nil {
			return Kept{}, err
		}
		_, err = tx.Exec(ctx, `INSERT INTO organization (id, slug, body, version, chain, recorded_at, created_at)
			VALUES ($1, $2, $3, 0, '', $4, $5)`, o.ID, o.Slug, body, now, o.CreatedAt)
		if postgres.IsUnique(err, "organization_slug_key") {
			return Kept{}, ErrTaken
		}
		if err != nil {
			return Kept{}, err
		}
		return s.save(ctx, tx, organizationRow{body: o, recordedAt: now}, o, said, now, encode)
	})
}

// Change loads the organization under its lock, lets change decide on a copy,
// and saves the result with its message. A Type of "" means that nothing
// changed. ErrNone: there is no such organization.
func (s *Organizations) Change(ctx context.Context, once Once, orgID string, now time.Time,
	change func(o *contract.Organization) (Said, error), encode Encode,
) (Kept, bool, error) {
	return s.once(ctx, once, now, func(tx pgx.Tx) (Kept, error) {
		row, err := lockOrganization(ctx, tx, orgID)
		if err != nil {
			return Kept{}, err
		}
		after := row.body
		after.Members = append([]contract.Member(nil), row.body.Members...)
		said, err := change(&after)
		if err != nil {
			return Kept{}, err
		}
		if said.Type == "" {
			status, body, err := encode(row.body, row.version)
			return Kept{Status: status, Body: body, Version: row.version}, err
		}
		return s.save(ctx, tx, row, after, said, now, encode)
	})
}

type organizationRow struct {
	body       contract.Organization
	version    int64
	chain      []byte
	recordedAt time.Time
}

func lockOrganization(ctx context.Context, tx pgx.Tx, orgID string) (organizationRow, error) {
	return readOrganization(ctx, tx, orgID, " FOR NO KEY UPDATE")
}

func readOrganization(ctx context.Context, tx pgx.Tx, orgID, lock string) (r organizationRow, err error) {
	var body []byte
	err = tx.QueryRow(ctx, `SELECT body, version, chain, recorded_at FROM organization WHERE id = $1`+lock, orgID).
		Scan(&body, &r.version, &r.chain, &r.recordedAt)
	if errors.Is(err, pgx.ErrNoRows) {
		return r, ErrNone
	}
	if err != nil {
		return r, fmt.Errorf("organization %s: %w", orgID, err)
	}
	if err := json.Unmarshal(body, &r.body); err != nil {
		return r, fmt.Errorf("body of organization %s: %w", orgID, err)
	}
	rows, err := tx.Query(ctx, `SELECT m.account_id::text, m.role, a.sealed FROM member m JOIN account a ON a.id = m.account_id
		WHERE m.organization_id = $1 ORDER BY m.created_at, m.account_id`, orgID)
	if err != nil {
		return r, fmt.Errorf("members of organization %s: %w", orgID, err)
	}
	r.body.Members, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (m contract.Member, err error) {
		return m, row.Scan(&m.AccountID, &m.Role, &m.Sealed)
	})
	if err != nil {
		return r, fmt.Errorf("members of organization %s: %w", orgID, err)
	}
	return r, nil
}

// save writes what differs between before and after, the log and the outbox.
func (s *Organizations) save(ctx context.Context, tx pgx.Tx, before organizationRow, after contract.Organization,
	said Said, now time.Time, encode Encode,
) (Kept, error) {
	body, err := bodyOfOrganization(after)
	if err != nil {
		return Kept{}, err
	}
	version := before.version + 1
	payload, err := json.Marshal(contract.OrganizationMessage{Organization: after})
	if err != nil {
		return Kept{}, err
	}
	messages := []contract.Envelope{{
		Subject: after.ID, Version: version, Type: said.Type, Org: after.ID, Actor: said.Actor, Traceparent: said.Traceparent,
		ValidAt: contract.Time(now), RecordedAt: RecordedAt(now, before.recordedAt), Payload: payload,
	}}
	chain := Chain(before.chain, messages)
	if err := saveMembers(ctx, tx, after, now); err != nil {
		return Kept{}, err
	}
	if _, err := tx.Exec(ctx, `UPDATE organization SET body = $2, version = $3, chain = $4, recorded_at = $5 WHERE id = $1`,
		after.ID, body, version, chain, messages[0].RecordedAt); err != nil {
		return Kept{}, fmt.Errorf("update organization %s: %w", after.ID, err)
	}
	if err := AppendOrganization(ctx, tx, messages); err != nil {
		return Kept{}, fmt.Errorf("log of organization %s: %w", after.ID, err)
	}
	status, answer, err := encode(after, version)
	return Kept{Status: status, Body: answer, Version: version}, err
}

// saveMembers makes the rows what the organization says.
func saveMembers(ctx context.Context, tx pgx.Tx, o contract.Organization, now time.Time) error {
	accounts, roles := make([]string, len(o.Members)), make([]string, len(o.Members))
	for i, m := range o.Members {
		accounts[i], roles[i] = m.AccountID, m.Role
	}
	_, err := tx.Exec(ctx, `DELETE FROM member WHERE organization_id = $1 AND account_id <> ALL ($2::uuid[])`, o.ID, accounts)
	if err != nil {
		return fmt.Errorf("remove members of %s: %w", o.ID, err)
	}
	_, err = tx.Exec(ctx, `INSERT INTO member (organization_id, account_id, role, created_at)
		SELECT $1, m.account_id, m.role, $4 FROM unnest($2::uuid[], $3::text[]) AS m(account_id, role)
		ON CONFLICT (organization_id, account_id) DO UPDATE SET role = EXCLUDED.role WHERE member.role <> EXCLUDED.role`,
		o.ID, accounts, roles, now)
	if err != nil {
		return fmt.Errorf("save members of %s: %w", o.ID, err)
	}
	return nil
}

func bodyOfOrganization(o contract.Organization) ([]byte, error) {
	o.Members = nil // they are rows of their own
	return json.Marshal(o)
}

// Role is the role of an account in an organization, "" for a stranger.
func (s *Organizations) Role(ctx context.Context, orgID, accountID string) (string, error) {
	var role string
	err := s.pool.QueryRow(ctx, `SELECT role FROM member WHERE organization_id = $1 AND account_id = $2`, orgID, accountID).Scan(&role)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", nil
	}
	return role, Unavailable(err, "role of %s in %s", accountID, orgID)
}
