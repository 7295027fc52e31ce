package pgstore

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// Key names a request that may come twice: the client's Idempotency-Key, or one of ours, within the event or route
// and the actor it belongs to.
type Key struct {
	Scope string
	Key   string
}

// Answer is what a key got before.
type Answer struct {
	RequestHash []byte // SHA-256 of the request
	Status      int
	Version     int64
	Sealed      []byte
}

// NewAnswer is an answer to keep.
type NewAnswer struct {
	Key
	Answer
	CreatedAt time.Time
}

const (
	selectAnswers = `SELECT i.scope, i.key, i.request_hash, i.status, i.version, i.answer
		FROM unnest($1::text[], $2::text[]) AS k(scope, key) CROSS JOIN LATERAL (
			SELECT scope, key, request_hash, status, version, answer FROM idempotency
			WHERE scope = k.scope AND key = k.key LIMIT 1) AS i`
	selectAnswer  = `SELECT scope, key, request_hash, status, version, answer FROM idempotency WHERE scope = $1 AND key = $2`
	insertAnswer  = `SELECT write_answer($1, $2, $3, $4, $5, $6, $7)` // as insertRSVP
	insertAnswers = `SELECT write_answers($1, $2, $3, $4, $5, $6, $7)`
	deleteAnswers = `DELETE FROM idempotency WHERE ctid = ANY (ARRAY(
		SELECT ctid FROM idempotency WHERE created_at < $1 LIMIT $2))`
)

func queueAnswers(b *pgx.Batch, keys []Key, into *map[Key]Answer) {
	var query *pgx.QueuedQuery
	if len(keys) == 1 {
		query = b.Queue(selectAnswer, keys[0].Scope, keys[0].Key)
	} else {
		scopes, names := make(pgtype.FlatArray[string], len(keys)), make(pgtype.FlatArray[string], len(keys))
		for i, k := range keys {
			scopes[i], names[i] = k.Scope, k.Key
		}
		query = b.Queue(selectAnswers, scopes, names)
	}
	query.Query(func(rows pgx.Rows) error {
		for rows.Next() {
			var k Key
			var a Answer
			if err := rows.Scan(&k.Scope, &k.Key, &a.RequestHash, &a.Status, &a.Version, &a.Sealed); err != nil {
				return err
			}
			if *into == nil {
				*into = map[Key]Answer{}
			}
			(*into)[k] = a
		}
		return rows.Err()
	})
}

func queueNewAnswers(b *pgx.Batch, answers []NewAnswer) {
	n := len(answers)
	if n <= few {
		for _, a := range answers {
			b.Queue(insertAnswer, a.Scope, a.Key.Key, a.RequestHash, a.Status, a.Version, a.Sealed, a.CreatedAt)
		}
		return
	}
	scope, key := make(pgtype.FlatArray[string], n), make(pgtype.FlatArray[string], n)
	hash, sealed := make(pgtype.FlatArray[[]byte], n), make(pgtype.FlatArray[[]byte], n)
	status, version := make(pgtype.FlatArray[int16], n), make(pgtype.FlatArray[int64], n)
	created := make(pgtype.FlatArray[time.Time], n)
	for i, a := range answers {
		scope[i], key[i], hash[i], sealed[i] = a.Scope, a.Key.Key, a.RequestHash, a.Sealed
		status[i], version[i], created[i] = int16(a.Status), a.Version, a.CreatedAt //nolint:gosec // an HTTP status
	}
	b.Queue(insertAnswers, scope, key, hash, status, version, sealed, created)
}

// ForgetAnswers deletes up to limit answers made before a time and tells how many.
func (s *Store) ForgetAnswers(ctx context.Context, before time.Time, limit int) (int64, error) {
	tag, err := s.pool.Exec(ctx, deleteAnswers, before, limit)
	if err != nil {
		return 0, Unavailable(err, "delete old answers")
	}
	return tag.RowsAffected(), nil
}
