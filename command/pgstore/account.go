package pgstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/postgres"
)

// ErrTaken means that a unique name (an address, a slug) is somebody else's.
var ErrTaken = errors.New("taken")

// ErrNone means that there is no such row.
var ErrNone = errors.New("no such row")

// Accounts are the rows of who signs in. Safe for concurrent use.
type Accounts struct{ pool *pgxpool.Pool }

// NewAccounts uses the pool.
func NewAccounts(pool *pgxpool.Pool) *Accounts { return &Accounts{pool: pool} }

// Account is a row of account with its key. Sealed is contract.MemberPersonal,
// encrypted with the account's data key, which WrappedKey holds wrapped; the
// latter is nil once the account was erased.
type Account struct {
	ID           string
	EmailHMAC    []byte
	Sealed       []byte
	PasswordHash string
	WrappedKey   []byte
	CreatedAt    time.Time
}

// Insert saves a new account. ErrTaken: the address has one.
func (s *Accounts) Insert(ctx context.Context, a Account) error {
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO account (id, email_hmac, sealed, password_hash, created_at)
			VALUES ($1, $2, $3, $4, $5)`, a.ID, a.EmailHMAC, a.Sealed, a.PasswordHash, a.CreatedAt)
		if postgres.IsUnique(err, "account_email_hmac_key") {
			return ErrTaken
		}
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO account_key (account_id, wrapped) VALUES ($1, $2)`, a.ID, a.WrappedKey)
		return err
	})
	return Unavailable(err, "insert account %s", a.ID)
}

const selectAccount = `SELECT a.id::text, a.email_hmac, a.sealed, a.password_hash, k.wrapped, a.created_at
	FROM account a LEFT JOIN account_key k ON k.account_id = a.id `

// ByEmail finds the account of an address. ErrNone: there is none.
func (s *Accounts) ByEmail(ctx context.Context, emailHMAC []byte) (Account, error) {
	return s.one(ctx, selectAccount+`WHERE a.email_hmac = $1`, emailHMAC)
}

// ByID finds an account. ErrNone: there is none.
func (s *Accounts) ByID(ctx context.Context, id string) (Account, error) {
	return s.one(ctx, selectAccount+`WHERE a.id = $1`, id)
}

// MemberAccount is a member with the account's sealed name and address, and its key: nil once it was erased.
type MemberAccount struct {
	contract.Member
	WrappedKey []byte
}

// Members gives those of an organization, in the order in which they joined.
func (s *Accounts) Members(ctx context.Context, orgID string) ([]MemberAccount, error) {
	rows, err := s.pool.Query(ctx, `SELECT m.account_id::text, m.role, a.sealed, k.wrapped FROM member m
		JOIN account a ON a.id = m.account_id LEFT JOIN account_key k ON k.account_id = a.id
		WHERE m.organization_id = $1 ORDER BY m.created_at, m.account_id`, orgID)
	if err != nil {
		return nil, Unavailable(err, "accounts of organization %s", orgID)
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (m MemberAccount, err error) {
		return m, row.Scan(&m.AccountID, &m.Role, &m.Sealed, &m.WrappedKey)
	})
	return all, Unavailable(err, "accounts of organization %s", orgID)
}

func (s *Accounts) one(ctx context.Context, sql string, arg any) (Account, error) {
	var a Account
	err := s.pool.QueryRow(ctx, sql, arg).Scan(&a.ID, &a.EmailHMAC, &a.Sealed, &a.PasswordHash, &a.WrappedKey, &a.CreatedAt)
	if errors.Is(err, pgx.ErrNoRows) {
		return Account{}, ErrNone
	}
	return a, Unavailable(err, "select account")
}

// SetPassword replaces the hash, for one made with older parameters.
func (s *Accounts) SetPassword(ctx context.Context, accountID, hash string) error {
	_, err := s.pool.Exec(ctx, `UPDATE account SET password_hash = $2 WHERE id = $1`, accountID, hash)
	return Unavailable(err, "update password of %s", accountID)
}

// RefreshToken is a row of refresh_token.
type RefreshToken struct {
	Hash      []byte
	Family    string
	AccountID string
	IssuedAt  time.Time
	ExpiresAt time.Time
}

// InsertRefresh starts a family: one sign-in.
func (s *Accounts) InsertRefresh(ctx context.Context, t RefreshToken) error {
	_, err := s.pool.Exec(ctx, insertRefresh, t.Hash, t.Family, t.AccountID, t.IssuedAt, t.ExpiresAt)
	return Unavailable(err, "insert refresh token")
}

const insertRefresh = `INSERT INTO refresh_token (token_hash, family, account_id, issued_at, expires_at)
	VALUES ($1, $2, $3, $4, $5)`

// What can come of a refresh token.
const (
	RefreshRotated = iota
	RefreshUnknown // never issued, expired, or its family is dead
	RefreshReused  // used before: the family is dead now
)

// Rotate marks the token used and saves its successor in the same family, in
// one transaction. A token that was used already kills its family: either its
// owner or a thief holds a copy, and nobody can tell who asks.
func (s *Accounts) Rotate(ctx context.Context, hash []byte, next RefreshToken) (accountID string, outcome int, err error) {
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		var used *time.Time
		var expires time.Time
		family, err := lockFamily(ctx, tx, hash)
		if err != nil {
			return err
		}
		err = tx.QueryRow(ctx, `SELECT account_id::text, expires_at, used_at FROM refresh_token
			WHERE token_hash = $1 FOR UPDATE`, hash).Scan(&accountID, &expires, &used)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			outcome = RefreshUnknown
			return nil
		case err != nil:
			return fmt.Errorf("select refresh token: %w", err)
		case used != nil:
			outcome = RefreshReused
			return deleteFamily(ctx, tx, family)
		case !expires.After(next.IssuedAt):
			outcome = RefreshUnknown
			return nil
		}
		if _, err := tx.Exec(ctx, `UPDATE refresh_token SET used_at = $2 WHERE token_hash = $1`, hash, next.IssuedAt); err != nil {
			return fmt.Errorf("use refresh token: %w", err)
		}
		if _, err := tx.Exec(ctx, insertRefresh, next.Hash, family, accountID, next.IssuedAt, next.ExpiresAt); err != nil {
			return fmt.Errorf("insert refresh token: %w", err)
		}
		return nil
	})
	return accountID, outcome, Unavailable(err, "rotate refresh token")
}

// EndFamily ends the sign-in that a token belongs to, if there is one.
func (s *Accounts) EndFamily(ctx context.Context, hash []byte) error {
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		family, err := lockFamily(ctx, tx, hash)
		if err != nil || family == "" {
			return err
		}
		return deleteFamily(ctx, tx, family)
	})
	return Unavailable(err, "end family of refresh token")
}

// lockFamily keeps everybody else from the family of a token until the
// transaction ends; "": there is no such token. Locks of rows would not do: who
// deletes a family waits for the token that another is rotating, but does not
// see the successor that it has inserted meanwhile.
func lockFamily(ctx context.Context, tx pgx.Tx, hash []byte) (family string, err error) {
	err = tx.QueryRow(ctx, `SELECT family::text FROM refresh_token WHERE token_hash = $1`, hash).Scan(&family)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("select family of refresh token: %w", err)
	}
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, postgres.LockKey("refresh family "+family)); err != nil {
		return "", fmt.Errorf("lock family of refresh token: %w", err)
	}
	return family, nil
}

func deleteFamily(ctx context.Context, tx pgx.Tx, family string) error {
	_, err := tx.Exec(ctx, `DELETE FROM refresh_token WHERE family = $1`, family)
	return err
}

// SweepRefresh forgets tokens that expired before now.
func (s *Accounts) SweepRefresh(ctx context.Context, now time.Time) error {
	_, err := s.pool.Exec(ctx, `DELETE FROM refresh_token WHERE expires_at < $1`, now)
	return Unavailable(err, "sweep refresh tokens")
}
