// Package pgstore keeps events, RSVPs, the log, idempotency keys and the outbox in Postgres. There is no way to change
// an event or an RSVP without its messages: Admit and Create take what changed and what says so together, and write both
// in one transaction.
//
// Lock order, everywhere: counter row, RSVPs, idempotency keys, log, outbox.
package pgstore

import (
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/turnout-events/turnout/internal/fault"
	"github.com/turnout-events/turnout/internal/postgres"
)

// Store is safe for concurrent use.
type Store struct {
	pool   *pgxpool.Pool
	events *bodies
}

// New takes the pool of the command role. Its size bounds how many events are decided at once.
func New(pool *pgxpool.Pool) *Store {
	return &Store{pool: pool, events: newBodies(4096)}
}

// Connections is the size of the pool.
func (s *Store) Connections() int { return int(s.pool.Config().MaxConns) }

// The faults of this package.
var (
	// ErrExternalIDTaken carries the id of the event that has it as the member "id".
	ErrExternalIDTaken = fault.New(fault.Conflict, "external-id-taken", "The organization has an event with this external id")
	ErrSlugTaken       = fault.New(fault.Conflict, "slug-taken", "The slug is taken")
)

// ErrUnknownOutcome is in the chain of an error after which the transaction may have been committed: the connection
// broke while COMMIT was under way. Running the same keys again tells.
var ErrUnknownOutcome = errors.New("the connection broke during the commit")

// retryAfter is what a client is told when Postgres is away: long enough to take load off, short enough to be there
// when it is back.
const retryAfter = 2 * time.Second

// Unavailable wraps an error of a read in a fault when the database is away or overloaded; any other error is
// internal, with what was attempted.
func Unavailable(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	err = fmt.Errorf(format+": %w", append(args, err)...)
	switch postgres.Classify(err).Kind {
	case postgres.Unavailable, postgres.Retryable, postgres.Cancelled:
		return fault.ErrUnavailable.After(retryAfter).Because(err)
	}
	return err
}
