package pgstore

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/turnout-events/turnout/internal/postgres"
)

// SigningKey is a row of signing_key: an RSA key that signs access tokens.
type SigningKey struct {
	KID       string
	Wrapped   []byte // PKCS #8, wrapped by the environment's key
	CreatedAt time.Time
	RetiredAt *time.Time
}

// ChangeSigningKeys shows all keys, oldest first, to change, under a lock that
// lets one process at a time plan; it then saves what change returns: a new
// key (or nil), and the ids of keys that no longer sign, and of keys to forget.
func (s *Accounts) ChangeSigningKeys(ctx context.Context, now time.Time,
	change func([]SigningKey) (added *SigningKey, retired, forgotten []string, err error),
) ([]SigningKey, error) {
	var after []SigningKey
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, postgres.LockKey("turnout signing keys")); err != nil {
			return fmt.Errorf("lock signing keys: %w", err)
		}
		before, err := signingKeys(ctx, tx)
		if err != nil {
			return err
		}
		added, retired, forgotten, err := change(before)
		if err != nil {
			return err
		}
		if added == nil && len(retired) == 0 && len(forgotten) == 0 {
			after = before
			return nil
		}
		if added != nil {
			if _, err := tx.Exec(ctx, `INSERT INTO signing_key (kid, wrapped, created_at) VALUES ($1, $2, $3)`,
				added.KID, added.Wrapped, added.CreatedAt); err != nil {
				return fmt.Errorf("insert signing key: %w", err)
			}
		}
		if _, err := tx.Exec(ctx, `UPDATE signing_key SET retired_at = $2 WHERE kid = ANY ($1)`, retired, now); err != nil {
			return fmt.Errorf("retire signing keys: %w", err)
		}
		if _, err := tx.Exec(ctx, `DELETE FROM signing_key WHERE kid = ANY ($1)`, forgotten); err != nil {
			return fmt.Errorf("forget signing keys: %w", err)
		}
		after, err = signingKeys(ctx, tx)
		return err
	})
	return after, Unavailable(err, "change signing keys")
}

func signingKeys(ctx context.Context, tx pgx.Tx) ([]SigningKey, error) {
	rows, err := tx.Query(ctx, `SELECT kid, wrapped, created_at, retired_at FROM signing_key ORDER BY created_at, kid`)
	if err != nil {
		return nil, fmt.Errorf("select signing keys: %w", err)
	}
	keys, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (k SigningKey, err error) {
		return k, row.Scan(&k.KID, &k.Wrapped, &k.CreatedAt, &k.RetiredAt)
	})
	if err != nil {
		return nil, fmt.Errorf("select signing keys: %w", err)
	}
	return keys, nil
}
