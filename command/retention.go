package command

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/turnout-events/turnout/command/admission"
	"github.com/turnout-events/turnout/command/pgstore"
	"github.com/turnout-events/turnout/command/rsvp"
	"github.com/turnout-events/turnout/internal/fault"
)

// retentionRound is how many answers one look takes; the next look takes the rest.
const retentionRound = 500

// retention erases the answers of events that ended longer ago than they say
// they keep them (retention_days). It erases as a guest's request would, one
// after the other under the event's lock, so that the counts stay right. Every
// process does it: the second one finds nothing to do. Pictures that no event
// shows go as well.
type retention struct {
	every  time.Duration
	store  *pgstore.Store
	covers *pgstore.Covers
	desk   *admission.Desk
	now    func() time.Time
	log    *slog.Logger
}

// Run sweeps until ctx ends; the first time at once, for a process may live
// shorter than from one look to the next.
func (r *retention) Run(ctx context.Context) error {
	tick := time.NewTicker(r.every)
	defer tick.Stop()
	for {
		r.look(ctx)
		r.sweepCovers(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// coversSince is how new the pictures are that a sweep looks at: the older ones
// went, when their event got another.
const coversSince = 48 * time.Hour

func (r *retention) sweepCovers(ctx context.Context) {
	now := r.now()
	if err := r.covers.Sweep(ctx, now.Add(-coversSince), now); err != nil && ctx.Err() == nil {
		r.log.WarnContext(ctx, "pictures that no event shows not deleted", "error", err)
	}
}

// look erases round after round, until nothing is left or something fails.
func (r *retention) look(ctx context.Context) {
	for {
		more, err := r.round(ctx)
		if err != nil && ctx.Err() == nil {
			r.log.WarnContext(ctx, "answers past their retention not erased", "error", err)
		}
		if err != nil || !more {
			return
		}
	}
}

// round goes on past an answer that cannot be erased: the others must not be
// kept because of it.
func (r *retention) round(ctx context.Context) (more bool, err error) {
	past, err := r.store.PastRetention(ctx, r.now(), retentionRound)
	if err != nil {
		return false, err
	}
	var failed error
	erased := 0
	for _, p := range past {
		if ctx.Err() != nil {
			return false, failed
		}
		_, err := r.desk.Do(ctx, admission.Request{
			EventID: p.EventID, Command: &rsvp.EraseRSVP{RSVPID: p.RSVPID, Reason: "retention"},
			Actor: rsvp.SystemActor("retention"), Scope: "retention " + p.RSVPID,
			Encode: func(rsvp.Outcome) (int, []byte, error) { return http.StatusNoContent, nil, nil },
		})
		switch {
		case err == nil:
			erased++
		case fault.KindOf(err) == fault.Unavailable: // so will the next ones be
			return false, err
		case !errors.Is(err, rsvp.ErrErased) && failed == nil:
			failed = fmt.Errorf("answer %s: %w", p.RSVPID, err)
		}
	}
	if erased > 0 {
		r.log.InfoContext(ctx, "erased answers past their retention", "answers", erased)
	}
	return len(past) == retentionRound, failed
}
