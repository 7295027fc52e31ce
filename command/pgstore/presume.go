package pgstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// ErrNotAsPresumed means that nothing was written, for the event is not as it was presumed to be.
var ErrNotAsPresumed = errors.New("the event is not as it was presumed")

// Presume is Admit without a look: it takes head for the event's counter row, and that the database has no answer to any
// key and no RSVP of any address in the batch, decides, and writes in the one round trip. Presuming wrongly is found by
// the database: a row that has moved on refuses its update (updateCounter), and unique indices refuse what is stored
// already. Then nothing is written, and ErrNotAsPresumed tells it.
//
// So it is only for what inserts its keys and addresses. A decision that stores nothing has presumed and not been
// refused: decide must not give it as an answer.
func (s *Store) Presume(ctx context.Context, event string, head Head, decide Decide) (Head, error) {
	l := &Locked{Head: head}
	var known bool
	if l.Event, known = s.events.get(event); !known || l.Event.Revision != head.Revision {
		return Head{}, ErrNotAsPresumed
	}
	save, err := decide(ctx, l)
	if err != nil {
		return Head{}, err
	}
	if save == nil || len(save.Messages) == 0 {
		return Head{}, ErrNotAsPresumed
	}
	conn, err := s.acquire(ctx)
	if err != nil {
		return Head{}, fmt.Errorf("connection to decide on event %s: %w", event, err)
	}
	defer conn.Release()
	b := &pgx.Batch{}
	b.Queue(begin)
	head, err = s.commit(ctx, conn, b, l, save)
	if err == nil {
		return head, nil
	}
	rollback(ctx, conn)
	if !errors.Is(err, ErrUnknownOutcome) {
		s.events.drop(event) // a copy that has taken over may have come to this revision otherwise
		err = fmt.Errorf("%w: %w", ErrNotAsPresumed, err)
	}
	return Head{}, err
}
