package pgstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/turnout-events/turnout/internal/fault"
	"github.com/turnout-events/turnout/internal/postgres"
	"github.com/turnout-events/turnout/internal/seal"
)

// Once names a request that a client may send again: what has the same scope
// and key is the same request. Without a key every request is a new one.
type Once struct {
	Scope string // route and actor
	Key   string
	Hash  []byte // of the request, keyed
}

// Kept is an answer as it is stored and given again, byte for byte.
type Kept struct {
	Status  int
	Body    []byte
	Version int64
}

// The refusals of a repeated key (draft-ietf-httpapi-idempotency-key-header).
var (
	ErrKeyReused  = fault.New(fault.Unprocessable, "idempotency-key-reused", "The key was used for another request")
	ErrKeyRunning = fault.New(fault.Conflict, "idempotency-key-in-use", "A request with this key is still running")
)

// repeatWait is how long a repeat waits for the first request of its key, within what a request may take.
const repeatWait = 1600 * time.Millisecond

// once runs do in one transaction and keeps its answer there too, so that a
// crash keeps both or neither. Requests with the same key run one after the
// other, over all processes.
func (s *Organizations) once(ctx context.Context, o Once, now time.Time, do func(pgx.Tx) (Kept, error)) (kept Kept, replayed bool, err error) {
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if o.Key == "" {
			var err error
			kept, err = do(tx)
			return err
		}
		if kept, replayed, err = s.earlier(ctx, tx, o); err != nil || replayed {
			return err
		}
		var err error
		if kept, err = do(tx); err != nil {
			return err
		}
		sealed, err := seal.Seal(s.answerKeys[0], kept.Body, o.owner())
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, insertAnswer, o.Scope, o.Key, o.Hash, kept.Status, kept.Version, sealed, now)
		return err
	})
	return kept, replayed, Unavailable(err, "request %s", o.Scope)
}

func (o Once) owner() string { return o.Scope + "\x00" + o.Key }

// earlier waits for a running request with the same key, and gives its answer.
func (s *Organizations) earlier(ctx context.Context, tx pgx.Tx, o Once) (Kept, bool, error) {
	if _, err := tx.Exec(ctx, fmt.Sprintf("SET LOCAL lock_timeout = %d", repeatWait.Milliseconds())); err != nil {
		return Kept{}, false, err
	}
	_, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, postgres.LockKey("key "+o.owner()))
	if postgres.Classify(err).Code == "55P03" { // lock_not_available: the timeout
		return Kept{}, false, ErrKeyRunning.After(time.Second)
	}
	if err != nil {
		return Kept{}, false, err
	}
	var k Kept
	var hash, sealed []byte
	err = tx.QueryRow(ctx, `SELECT request_hash, status, version, answer FROM idempotency WHERE scope = $1 AND key = $2`,
		o.Scope, o.Key).Scan(&hash, &k.Status, &k.Version, &sealed)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return Kept{}, false, nil
	case err != nil:
		return Kept{}, false, err
	case !bytes.Equal(hash, o.Hash):
		return Kept{}, false, ErrKeyReused
	}
	for _, key := range s.answerKeys {
		if k.Body, err = seal.Open(key, sealed, o.owner()); err == nil {
			return k, true, nil
		}
	}
	return Kept{}, false, fmt.Errorf("stored answer: %w", err)
}
