package admission

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/turnout-events/turnout/command/pgstore"
	"github.com/turnout-events/turnout/command/rsvp"
	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/fault"
)

// offersAhead is more than a transaction can wait for its lock: offers that end within it are loaded, and the rules
// judge them by the time after the lock.
const offersAhead = time.Minute

// sitting is one transaction's work: the batch, the book, and what each request gets if it commits.
type sitting struct {
	desk    *Desk
	batch   []*waiting
	results []result
	book    *rsvp.Book
	now     time.Time
	traces  []string // of each message of the book: the request that caused it
	answers []pgstore.NewAnswer
	first   map[pgstore.Key]int // index of the request that a key belongs to, of those answered here
	full    bool
	wrote   bool
	waiting int  // parties in the queue, before and then after the batch
	counted bool // waiting is known
}

type result struct {
	answer Answer
	err    error
}

func newSitting(d *Desk, batch []*waiting) *sitting {
	return &sitting{desk: d, batch: batch, results: make([]result, len(batch)), first: map[pgstore.Key]int{}}
}

func (s *sitting) want() pgstore.Want {
	want := pgstore.Want{EventID: s.batch[0].EventID, OffersUntil: s.desk.now().Add(offersAhead)}
	for _, w := range s.batch {
		n := w.Command.Needs()
		// A new RSVP has an id of ours, made for this request: nobody has it yet. Where a commit was lost its key tells.
		if _, fresh := w.Command.(*rsvp.SubmitRSVP); !fresh {
			want.RSVPIDs = append(want.RSVPIDs, n.RSVPIDs...)
		}
		for _, h := range n.EmailHMACs {
			if h != nil {
				want.EmailHMACs = append(want.EmailHMACs, h)
			}
		}
		if !w.ours || w.known {
			want.Keys = append(want.Keys, w.key)
		}
	}
	return want
}

// decide runs the rules under the lock, in the order in which the requests came.
func (s *sitting) decide(ctx context.Context, l *pgstore.Locked) (*pgstore.Save, error) {
	s.now = contract.Time(s.desk.now())
	if err := s.open(ctx, l); err != nil {
		return nil, err
	}
	for i, w := range s.batch {
		if err := s.one(i, w, l.Answers); err != nil {
			return nil, &spoiled{by: w, cause: err}
		}
	}
	s.full = isFull(&s.book.Event, s.book.Counters)
	s.waiting += joined(s.book.Messages())
	return s.save(l)
}

// open makes the book of what was read, and reads the queue if a seat may be filled from it.
func (s *sitting) open(ctx context.Context, l *pgstore.Locked) error {
	s.book = rsvp.NewBook(l.Event, l.Counters, l.Version)
	for _, r := range l.Rows {
		s.book.Add(r)
	}
	commands := make([]rsvp.Command, len(s.batch))
	places := false
	for i, w := range s.batch {
		commands[i] = w.Command
		n := w.Command.Needs()
		s.book.Sought(n)
		places = places || n.Waiting
	}
	if err := s.countWaiting(ctx, l, places); err != nil || l.Counters.Waitlisted == 0 {
		return err
	}
	if seats, all := s.book.QueueNeed(commands, s.now); all || seats > 0 {
		read := func() ([]*rsvp.Row, error) { return l.Queue(ctx, seats) }
		if all {
			read = func() ([]*rsvp.Row, error) { return l.WholeQueue(ctx) }
		}
		queue, err := read()
		if err != nil {
			return err
		}
		for _, r := range queue {
			s.book.Add(r)
		}
		s.book.SetQueue(seats, all)
	}
	return nil
}

// one decides one request. Its error means that the book can no longer be trusted.
func (s *sitting) one(i int, w *waiting, stored map[pgstore.Key]pgstore.Answer) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	if a, ok := stored[w.key]; ok {
		s.results[i].answer, s.results[i].err = s.desk.replay(w, a)
		return nil
	}
	if j, twice := s.first[w.key]; twice {
		if s.batch[j].RequestHash != w.RequestHash {
			s.results[i].err = ErrKeyReused
			return nil
		}
		s.results[i].answer = s.results[j].answer
		s.results[i].answer.Replayed = true
		return nil
	}
	outcome, refusal := w.Command.Decide(s.book, w.Actor, s.now)
	if refusal != nil {
		if fault.As(refusal) == nil {
			return refusal // a mistake of ours; it may have happened half-way
		}
		s.results[i].err = refusal
		return nil
	}
	for len(s.traces) < len(s.book.Messages()) {
		s.traces = append(s.traces, w.Traceparent)
	}
	return s.keep(i, w, outcome)
}

// keep makes the answer and, for a request that can come again, what is stored of it.
func (s *sitting) keep(i int, w *waiting, outcome rsvp.Outcome) error {
	status, body, err := w.Encode(outcome)
	if err != nil {
		return fmt.Errorf("make the answer: %w", err)
	}
	a := Answer{Status: status, Body: body, EventID: w.EventID, Version: outcome.Version, Revision: s.book.Event.Revision}
	s.results[i].answer = a
	if status/100 != 2 {
		return nil
	}
	s.first[w.key] = i
	sealed, err := s.desk.seal(w.key, a)
	if err != nil {
		return err
	}
	s.answers = append(s.answers, pgstore.NewAnswer{Key: w.key, CreatedAt: s.now, Answer: pgstore.Answer{
		RequestHash: w.RequestHash[:], Status: status, Version: outcome.Version, Sealed: sealed,
	}})
	return nil
}

// save turns the book into what is written; nil when nothing happened that anybody could ask for again.
func (s *sitting) save(l *pgstore.Locked) (*pgstore.Save, error) {
	drafts := s.book.Messages()
	if len(drafts) == 0 {
		s.answers = clientKeys(s.batch, s.first, s.answers)
		if len(s.answers) == 0 {
			return nil, nil
		}
	}
	save := &pgstore.Save{
		Counters: s.book.Counters, RecordedAt: pgstore.RecordedAt(s.now, l.RecordedAt), Answers: s.answers,
		Messages: make([]contract.Envelope, len(drafts)),
	}
	last := map[string]int64{}
	for i := range drafts {
		m, err := envelope(&s.book.Event, &drafts[i], save.RecordedAt)
		if err != nil {
			return nil, err
		}
		m.Traceparent = s.traces[i]
		save.Messages[i] = m
		if p, ok := drafts[i].Payload.(contract.RSVPMessage); ok {
			last[p.RSVP.ID] = drafts[i].Version
		}
	}
	for _, r := range s.book.Changed() {
		version, said := last[r.RSVP.ID]
		if !said {
			return nil, fmt.Errorf("rsvp %s changed without a message", r.RSVP.ID)
		}
		save.Rows = append(save.Rows, pgstore.SavedRow{Row: r, Version: version})
	}
	if s.book.Revised() {
		event := s.book.Event
		save.Event = &event
	}
	s.wrote = len(drafts) > 0
	return save, nil
}

func envelope(e *contract.Event, draft *rsvp.Draft, recordedAt time.Time) (contract.Envelope, error) {
	payload, err := json.Marshal(draft.Payload)
	if err != nil {
		return contract.Envelope{}, fmt.Errorf("payload of %s@%d: %w", e.ID, draft.Version, err)
	}
	return contract.Envelope{
		Subject: e.ID, Version: draft.Version, Type: draft.Type, Org: e.OrganizationID,
		ValidAt: contract.Time(draft.ValidAt), RecordedAt: recordedAt, Actor: draft.Actor, Reason: draft.Reason, Payload: payload,
	}, nil
}

// clientKeys keeps of the answers those whose key a client has: our own keys only serve to find a lost commit, and
// there is nothing to commit.
func clientKeys(batch []*waiting, first map[pgstore.Key]int, answers []pgstore.NewAnswer) []pgstore.NewAnswer {
	var kept []pgstore.NewAnswer
	for _, a := range answers {
		if !batch[first[a.Key]].ours {
			kept = append(kept, a)
		}
	}
	return kept
}

// deliver gives the answers, after the commit.
func (s *sitting) deliver() {
	event := s.batch[0].EventID
	s.desk.setFull(event, s.full)
	if s.wrote {
		s.desk.wake(pgstore.ShardOf(event))
	}
	for i, w := range s.batch {
		s.desk.finish(w, s.results[i].answer, s.results[i].err)
	}
}

// countWaiting learns how many parties wait, for a newcomer is told its place in the queue: from the counter row if none,
// from the last batch, else from the table if a command must know, which takes longer the more there are.
func (s *sitting) countWaiting(ctx context.Context, l *pgstore.Locked, must bool) (err error) {
	known := l.Counters.Waitlisted == 0
	if !known {
		s.waiting, known = s.desk.waitingAt(l)
	}
	if !known && must {
		s.waiting, err = l.Waiting(ctx)
		known = err == nil
	}
	if s.counted = known; known {
		s.book.SetWaiting(s.waiting)
	}
	return err
}

// joined is by how many parties the queue grew.
func joined(drafts []rsvp.Draft) int {
	n := 0
	for i := range drafts {
		m, ok := drafts[i].Payload.(contract.RSVPMessage)
		if !ok {
			continue
		}
		if m.RSVP.Status == contract.StatusWaitlisted {
			n++
		}
		if m.Before.Status == contract.StatusWaitlisted {
			n--
		}
	}
	return n
}
