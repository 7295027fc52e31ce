package admission

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/turnout-events/turnout/command/pgstore"
	"github.com/turnout-events/turnout/command/rsvp"
	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/fault"
	"github.com/turnout-events/turnout/internal/postgres"
)

// CreateRequest wants new events: one, or a series.
type CreateRequest struct {
	Books       []*rsvp.Book // of rsvp.NewEvent, Duplicate or Repeat; at least one
	Source      string       // the event that Duplicate or Repeat copied; "" = none
	SeriesID    string       // dates that this series has by then are left out of Books; "" = none
	Joined      Answer       // of SetSeries: what the answer is about when the series has all dates
	Key         string       // the client's Idempotency-Key; "" = none
	Scope       string       // route and actor
	RequestHash [32]byte
	Traceparent string
	// Encode makes the answer; it is not called again when the request is.
	Encode func([]*rsvp.Book) (status int, body []byte, err error)
}

// Create saves new events with their first messages in one transaction. The answer is about the first of them. The
// same external id or slug as another event is a conflict (pgstore.ErrExternalIDTaken, ErrSlugTaken).
func (d *Desk) Create(ctx context.Context, r CreateRequest) (Answer, error) {
	if len(r.Books) == 0 {
		return Answer{}, errors.New("create: no event")
	}
	w := newWaiting(Request{Key: r.Key, Scope: r.Scope, RequestHash: r.RequestHash})
	var c pgstore.Creation
	var a Answer
	build := func(starts []time.Time) (_ pgstore.Creation, err error) {
		c, a, err = d.creation(w, r, rsvp.Missing(r.Books, starts))
		return c, err
	}
	found, err := d.insert(ctx, func(ctx context.Context) (*pgstore.Answer, error) {
		if r.SeriesID != "" {
			return d.store.CreateInSeries(ctx, w.key, r.SeriesID, build)
		}
		if _, err := build(nil); err != nil {
			return nil, err
		}
		return d.store.Create(ctx, c)
	})
	if found != nil {
		return d.replay(w, *found)
	}
	if err != nil {
		return Answer{}, err
	}
	for _, e := range c.Events {
		d.wake(pgstore.ShardOf(e.Event.ID))
	}
	return a, nil
}

// creation is what is written for books, and the answer.
func (d *Desk) creation(w *waiting, r CreateRequest, books []*rsvp.Book) (c pgstore.Creation, a Answer, err error) {
	a = r.Joined
	if len(books) > 0 {
		first := books[0]
		a = Answer{EventID: first.Event.ID, Version: first.Version, Revision: first.Event.Revision}
	}
	if a.Status, a.Body, err = r.Encode(books); err != nil {
		return c, a, fmt.Errorf("make the answer: %w", err)
	}
	sealed, err := d.seal(w.key, a)
	if err != nil {
		return c, a, err
	}
	now := contract.Time(d.now())
	c = pgstore.Creation{Source: r.Source, Answer: pgstore.NewAnswer{Key: w.key, CreatedAt: now, Answer: pgstore.Answer{
		RequestHash: r.RequestHash[:], Status: a.Status, Version: a.Version, Sealed: sealed,
	}}}
	for _, b := range books {
		n := pgstore.NewEvent{Event: b.Event}
		for i := range b.Messages() {
			m, err := envelope(&b.Event, &b.Messages()[i], now)
			if err != nil {
				return c, a, err
			}
			m.Traceparent = r.Traceparent
			n.Messages = append(n.Messages, m)
		}
		if len(n.Messages) == 0 {
			return c, a, fmt.Errorf("create event %s: no message", b.Event.ID)
		}
		c.Events = append(c.Events, n)
	}
	return c, a, nil
}

// insert tries until the outcome is known, for as long as a client waits.
func (d *Desk) insert(ctx context.Context, write func(context.Context) (*pgstore.Answer, error)) (*pgstore.Answer, error) {
	began, pause := time.Now(), 5*time.Millisecond
	bound := d.cfg.DecideWithin
	if until, ok := ctx.Deadline(); ok {
		bound = min(bound, until.Sub(began))
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), bound)
	defer cancel()
	for {
		found, err := write(ctx)
		switch {
		case err == nil || fault.As(err) != nil || !again(err):
			return found, err
		case postgres.Classify(err).Code == lockNotAvailable:
			return nil, ErrStillRunning.After(retryAfter).Because(err)
		case time.Since(began)+pause > d.cfg.Persist:
			return nil, fault.ErrUnavailable.After(2 * retryAfter).Because(err)
		}
		d.sleep(pause)
		pause = min(2*pause, 200*time.Millisecond)
	}
}

const lockNotAvailable = "55P03"
