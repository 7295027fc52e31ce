package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/ops"
	"github.com/turnout-events/turnout/notifier"
	"github.com/turnout-events/turnout/notifier/pgstore"
)

// groupNotices stands for the notifications that were given up: they have no
// consumer group, but operators deal with them in the same way.
const groupNotices = "notices"

func (s *system) notices(ctx context.Context) (*pgstore.Store, error) {
	pool, err := s.pool(ctx, "dlq", 2)
	if err != nil {
		return nil, err
	}
	return pgstore.New(pool), nil
}

// deadNotices are the newest, without a word about whom.
func (s *system) deadNotices(ctx context.Context, limit int) ([]ops.Letter, error) {
	store, err := s.notices(ctx)
	if err != nil {
		return nil, err
	}
	dead, err := store.Dead(ctx, limit)
	if err != nil {
		return nil, err
	}
	letters := make([]ops.Letter, len(dead))
	for i := range dead {
		n := &dead[i]
		letters[i] = ops.Letter{
			ID: n.ID, Group: groupNotices, At: n.FinishedAt, Type: string(n.Kind) + " by " + n.Channel,
			Reason:  fmt.Sprintf("%s, after %d attempts", n.Outcome, n.Attempts),
			Message: fmt.Sprintf("%s@%d", n.EventID, n.CauseVersion),
		}
	}
	return letters, nil
}

func (s *system) showNotice(ctx context.Context, w io.Writer, id string) error {
	store, err := s.notices(ctx)
	if err != nil {
		return err
	}
	found, err := store.Explain(ctx, id)
	if err == nil && len(found) == 0 {
		err = fmt.Errorf("there is no notification %s", id)
	}
	for i := range found {
		explainOne(w, &found[i], time.Now())
	}
	return err
}

// resendNotices has one sent again that was given up, or all of them.
func (s *system) resendNotices(ctx context.Context, w io.Writer, id string) error {
	store, err := s.notices(ctx)
	if err != nil {
		return err
	}
	n, err := store.Revive(ctx, id, time.Now().UTC())
	if err == nil && n == 0 && id != "" {
		err = fmt.Errorf("notification %s was not given up, or is of no use any more: turnout explain %s", id, id)
	}
	if err == nil {
		_, err = fmt.Fprintf(w, "%d to be sent again\n", n)
	}
	return err
}

// notifierAlone is a notifier that neither consumes nor delivers.
func (s *system) notifierAlone(ctx context.Context) (*notifier.Notifier, error) {
	pool, err := s.pool(ctx, "redrive", 2)
	if err != nil {
		return nil, err
	}
	keys, err := s.keys()
	if err != nil {
		return nil, err
	}
	return notifier.New(ctx, s.Notifier, notifier.Deps{
		Log: s.log, Registry: registry(), Pool: pool, Kafka: s.Kafka, Keys: keys, Ring: s.ring, Verifier: s.verifier(),
	})
}

// notifierGroups are those whose dead letters the notifier answers for.
var notifierGroups = []string{contract.GroupNotifier}
