package command

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/turnout-events/turnout/command/admission"
	"github.com/turnout-events/turnout/command/pgstore"
	"github.com/turnout-events/turnout/command/rsvp"
)

// retentionRound is how many answers one look takes; the next look takes the rest.
const retentionRound = 500

// retention erases the answers of events that ended longer ago than they say
// they keep them (retention_days). It erases as a guest's request would, one
// after the other under the event's lock, so that the counts stay right. Every
// process does it: the second one finds nothing to do.
type retention struct {
	every time.Duration
	store *pgstore.Store
	desk  *admission.Desk
	now   func() time.Time
	log   *slog.Logger
}

// Run sweeps until ctx ends.
func (r *retention) Run(ctx context.Context) error {
	tick := time.NewTicker(r.every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			for {
				more, err := r.round(ctx)
				if err != nil && ctx.Err() == nil {
					r.log.WarnContext(ctx, "answers past their retention not erased", "error", err)
				}
				if err != nil || !more {
					break
				}
			}
		}
	}
}

func (r *retention) round(ctx context.Context) (more bool, err error) {
	past, err := r.store.PastRetention(ctx, r.now(), retentionRound)
	if err != nil {
		return false, err
	}
	for _, p := range past {
		if ctx.Err() != nil {
			return false, nil //nolint:nilerr // being stopped is no error
		}
		_, err := r.desk.Do(ctx, admission.Request{
			EventID: p.EventID, Command: &rsvp.EraseRSVP{RSVPID: p.RSVPID, Reason: "retention"},
			Actor: rsvp.SystemActor("retention"), Scope: "retention " + p.RSVPID,
			Encode: func(rsvp.Outcome) (int, []byte, error) { return http.StatusNoContent, nil, nil },
		})
		if err != nil && !errors.Is(err, rsvp.ErrErased) {
			return false, err
		}
	}
	if len(past) > 0 {
		r.log.InfoContext(ctx, "erased answers past their retention", "answers", len(past))
	}
	return len(past) == retentionRound, nil
}
