package seed

import (
	"context"
	"fmt"
	"hash/maphash"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"
)

// loader does one load, in three passes: make and publish the events, send
// what the guests do, cancel what is to be cancelled. A cancelled event takes
// no answers, so it is cancelled last; that also tells a later run without a
// journal that all its answers are there.
type loader struct {
	config  Config
	in      Input
	api     *API
	account *Account
	journal *Journal
	book    *book
	now     func() time.Time

	plan      Plan
	rows      map[string]*Row
	spans     map[string]Span
	answering time.Duration
}

// prepare reads the dates, finds the shift, plans the answers and opens the
// journal.
func (l *loader) prepare() error {
	now := l.now()
	spans, err := spansOf(l.in.Rows, now)
	if err != nil {
		return err
	}
	weeks := l.config.ShiftWeeks
	if weeks == AutoShift {
		weeks = DefaultShift(spans, now)
	}
	l.journal, err = OpenJournal(l.config.State, journalHead{Load: loadID(l.config, l.account.id, l.in.Name), Weeks: weeks})
	if err != nil {
		return err
	}
	if l.config.ShiftWeeks == AutoShift {
		// A run that goes on next week must not tear the file's dates apart.
		weeks = l.journal.head.Weeks
	}
	for i := range spans {
		spans[i] = spans[i].Shift(weeks)
	}
	switch l.config.Answers {
	case AnswersCounts:
		l.plan = planCounts(l.in.Rows)
	case AnswersProfile:
		l.plan = planProfile(l.in.Rows, spans)
	case AnswersTrace:
		l.plan = planTrace(l.in.Trace, l.in.Rows, l.config.CapacityShare)
	}
	more, err := spansOf(l.plan.MadeUp, now)
	if err != nil {
		return err
	}
	rows := append(l.in.Rows, l.plan.MadeUp...)
	spans = append(spans, more...)
	l.rows, l.spans = make(map[string]*Row, len(rows)), make(map[string]Span, len(rows))
	for i := range rows {
		l.rows[rows[i].ID], l.spans[rows[i].ID] = &rows[i], spans[i]
	}
	l.in.Rows = rows
	l.book.with(func(s *Summary) {
		s.Rows, s.BadRows, s.ShiftWeeks, s.Skipped = len(rows)+len(l.in.Bad), l.in.Bad, weeks, l.plan.Skipped
	})
	l.book.progress.Expect(len(rows) + len(l.plan.Steps))
	return nil
}

func spansOf(rows []Row, now time.Time) ([]Span, error) {
	spans := make([]Span, len(rows))
	for i := range rows {
		var err error
		if spans[i], err = rows[i].span(now); err != nil {
			return nil, fmt.Errorf("line %d: %w", rows[i].line, err)
		}
	}
	return spans, nil
}

func (l *loader) load(ctx context.Context) error {
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() { defer close(stopped); l.journal.keep(200*time.Millisecond, stop) }()
	defer func() { close(stop); <-stopped }()

	organizations, err := l.organizations(ctx)
	if err != nil {
		return err
	}
	if err := l.each(ctx, func(ctx context.Context, r *Row) error { return l.makeEvent(ctx, r, organizations[r.Source]) }); err != nil {
		return fmt.Errorf("loading events: %w", err)
	}
	began := l.now()
	err = l.answer(ctx)
	l.answering = l.now().Sub(began)
	if err != nil {
		return fmt.Errorf("loading answers: %w", err)
	}
	if err := l.each(ctx, l.cancelEvent); err != nil {
		return fmt.Errorf("cancelling events: %w", err)
	}
	return nil
}

func (l *loader) organizations(ctx context.Context) (map[string]string, error) {
	ids := map[string]string{}
	for i := range l.in.Rows {
		source := l.in.Rows[i].Source
		if ids[source] != "" {
			continue
		}
		id, err := l.account.Organization(ctx, source)
		if err != nil {
			return nil, err
		}
		ids[source] = id
	}
	return ids, nil
}

// each does something for every row, in the order of the file, several at once.
func (l *loader) each(ctx context.Context, do func(context.Context, *Row) error) error {
	g, inner := errgroup.WithContext(ctx)
	g.SetLimit(l.config.Workers)
	for i := range l.in.Rows {
		if inner.Err() != nil {
			break
		}
		g.Go(func() error { return do(inner, &l.in.Rows[i]) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return ctx.Err()
}

// laneLength is how many steps may wait for a worker: enough that one busy
// event does not hold up the others.
const laneLength = 256

// answer sends the steps. A lane is one worker and what waits for it; what
// belongs together goes to the same lane and so keeps its order, and bounded
// lanes keep the order of the whole within workers × laneLength steps.
func (l *loader) answer(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	lanes := make([]chan *Step, l.config.Workers)
	for i := range lanes {
		lane := make(chan *Step, laneLength)
		lanes[i] = lane
		g.Go(func() error {
			for s := range lane {
				if err := l.step(ctx, s); err != nil {
					return err
				}
			}
			return nil
		})
	}
	g.Go(func() error {
		defer func() {
			for _, lane := range lanes {
				close(lane)
			}
		}()
		seed := maphash.MakeSeed()
		for i := range l.plan.Steps {
			s := &l.plan.Steps[i]
			lane := lanes[maphash.String(seed, s.lane())%uint64(len(lanes))]
			select {
			case lane <- s:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	return g.Wait()
}

type eventAnswer struct {
	ID     string `json:"id"`
	Slug   string `json:"slug"`
	Status string `json:"status"`
}

// makeEvent creates and publishes the row's event, or finds it.
func (l *loader) makeEvent(ctx context.Context, r *Row, organization string) error {
	if _, ok := l.journal.event(r.ID); ok {
		l.book.note(events, outcomePresent)
		return nil
	}
	draft := r.draft(organization, l.spans[r.ID])
	var e eventAnswer
	err := l.account.Do(ctx, Request{Method: http.MethodPost, Path: "/v1/events", Body: draft}, &e)
	outcome := outcomeDone
	if refused := refusalOf(err); refused != nil && refused.Status == http.StatusConflict && refused.ID != "" {
		outcome, e.ID, err = outcomePresent, refused.ID, nil
	}
	if err == nil {
		err = l.publish(ctx, &e)
	}
	if err == nil && outcome == outcomePresent && draft.Capacity != nil && e.Status != statusCancelled {
		// An earlier load without answers knew no capacity.
		err = l.account.Do(ctx, Request{Method: http.MethodPut, Path: "/v1/events/" + e.ID + "/capacity", Body: map[string]int{"capacity": *draft.Capacity}}, nil)
	}
	if refused := refusalOf(err); refused != nil {
		l.refuse(r, refused)
		l.book.note(events, refused.Code)
		return nil
	}
	if err != nil {
		return err
	}
	l.journal.setEvent(r.ID, loaded{ID: e.ID, Slug: e.Slug, Cancelled: e.Status == statusCancelled})
	l.book.note(events, outcome)
	return nil
}

// statusCancelled is an event's status after it was called off.
const statusCancelled = "cancelled"

// publish publishes a draft. What an earlier run published, or cancelled, is
// refused with a conflict, which is as good.
func (l *loader) publish(ctx context.Context, e *eventAnswer) error {
	err := l.account.Do(ctx, Request{Method: http.MethodPost, Path: "/v1/events/" + e.ID + "/publish"}, e)
	r := refusalOf(err)
	if r == nil || r.Status != http.StatusConflict {
		return err
	}
	if r.Code == CodeEventCancelled {
		e.Status = statusCancelled
	}
	return nil
}

// CodeEventCancelled is the slug of a command on an event that is called off.
const CodeEventCancelled = "event-cancelled"

func (l *loader) cancelEvent(ctx context.Context, r *Row) error {
	e, ok := l.journal.event(r.ID)
	if !r.Cancelled() || !ok || e.Cancelled {
		return nil
	}
	reason := r.CancelBecause
	if reason == "" {
		reason = "The organizer called it off."
	}
	err := l.account.Do(ctx, Request{Method: http.MethodPost, Path: "/v1/events/" + e.ID + "/cancel",
		Body: map[string]string{"reason": reason}}, nil)
	refused := refusalOf(err)
	switch {
	case err == nil:
	case refused == nil:
		return err
	case refused.Status != http.StatusConflict: // a conflict: cancelled before
		l.refuse(r, refused)
		return nil
	}
	e.Cancelled = true
	l.journal.setEvent(r.ID, e)
	l.book.with(func(s *Summary) { s.Cancelled++ })
	return nil
}

func (l *loader) refuse(r *Row, e *RefusedError) {
	l.book.with(func(s *Summary) {
		s.Refused = append(s.Refused, RefusedRow{ID: r.ID, Code: e.Code, Detail: e.Error()})
	})
}
