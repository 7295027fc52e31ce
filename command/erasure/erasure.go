// Package erasure repeats erasures after a restore. A backup of Postgres brings back the data keys of guests who were
// erased since it was made; the log in Kafka, which no backup of Postgres overwrites, still says who they are.
package erasure

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/turnout-events/turnout/command/admission"
	"github.com/turnout-events/turnout/command/rsvp"
	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/fault"
)

// Erasure is one answer whose personal data was destroyed. It tells nobody who
// the guest was, so a list of them may be kept where backups may not.
type Erasure struct {
	EventID string `json:"event_id"`
	RSVPID  string `json:"rsvp_id"`
	// Withdrawn: the seat, if there was one, had been given back. One at an event
	// that was over stays counted.
	Withdrawn bool `json:"withdrawn"`
}

// Of reads an erasure from a message of the log; ok is false for any other message.
func Of(m *contract.Envelope) (e Erasure, ok bool, err error) {
	if m.Type != contract.RSVPErasedV1 {
		return Erasure{}, false, nil
	}
	body, err := m.RSVP()
	if err != nil {
		return Erasure{}, false, err
	}
	return Erasure{
		EventID: m.Subject, RSVPID: body.RSVP.ID, Withdrawn: body.RSVP.Status == contract.StatusCancelled,
	}, true, nil
}

// Report counts what came of a list.
type Report struct {
	Erased  int64 `json:"erased"`  // had come back and are erased, or were erased already
	Unknown int64 `json:"unknown"` // younger than the backup: nothing of them came back
}

// Desk decides commands; *admission.Desk is one.
type Desk interface {
	Do(ctx context.Context, r admission.Request) (admission.Answer, error)
}

// atOnce is how many erasures wait for the desk side by side; those of one event share transactions.
const atOnce = 64

// Replay erases again what the list says, each by the rules and under its
// event's lock, as a guest's request would: counts, waitlist and log stay
// right. It may be repeated; what is erased already is left alone. progress
// may be nil.
func Replay(ctx context.Context, desk Desk, list []Erasure, progress func(done, total int64)) (Report, error) {
	var erased, unknown, done atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for _, e := range list {
		if ctx.Err() != nil {
			break
		}
		group.Go(func() error {
			switch err := again(ctx, desk, e); {
			case err == nil:
				erased.Add(1)
			case errors.Is(err, fault.ErrNotFound):
				unknown.Add(1)
			default:
				return fmt.Errorf("erase %s of event %s again: %w", e.RSVPID, e.EventID, err)
			}
			if n := done.Add(1); progress != nil {
				progress(n, int64(len(list)))
			}
			return nil
		})
	}
	err := group.Wait()
	return Report{Erased: erased.Load(), Unknown: unknown.Load()}, err
}

func again(ctx context.Context, desk Desk, e Erasure) error {
	_, err := desk.Do(ctx, admission.Request{
		EventID: e.EventID, Command: &rsvp.EraseRSVP{RSVPID: e.RSVPID, Reason: "restore", Withdrawn: e.Withdrawn},
		Actor: rsvp.SystemActor("restore"), Scope: "restore " + e.RSVPID,
		Encode: func(rsvp.Outcome) (int, []byte, error) { return http.StatusNoContent, nil, nil },
	})
	if errors.Is(err, rsvp.ErrErased) {
		return nil
	}
	return err
}
