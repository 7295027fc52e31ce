package pgstore_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/turnout-events/turnout/command/pgstore"
	"github.com/turnout-events/turnout/command/rsvp"
	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/postgres"
)

// What is refused to who presumed leaves neither address nor key in the server's log: a unique index would write them
// there. Nothing else of it stays either, and what comes next has its versions without a gap.
func TestWrongPresumptionsAreRefusedWithoutAWord(t *testing.T) {
	t.Parallel()
	s, e := openStore(t)
	now := contract.Time(time.Now())
	answer := func(hmac, key string) pgstore.Decide {
		return func(_ context.Context, l *pgstore.Locked) (*pgstore.Save, error) {
			counters := l.Counters
			counters.Going++
			row := &rsvp.Row{New: true, WrappedKey: []byte{1}, EmailHMAC: []byte(hmac), RSVP: contract.RSVP{
				ID: newID(t), EventID: e.ID, Status: contract.StatusConfirmed, Response: contract.Going, PartySize: 1, Sealed: []byte{1},
				CreatedAt: now, UpdatedAt: now}}
			return &pgstore.Save{
				Counters: counters, RecordedAt: now, Messages: []contract.Envelope{message(e, l.Version+1)},
				Rows: []pgstore.SavedRow{{Row: row, Version: l.Version + 1}},
				Answers: []pgstore.NewAnswer{{Key: pgstore.Key{Scope: "s", Key: key}, CreatedAt: now,
					Answer: pgstore.Answer{RequestHash: []byte{1}, Status: 201, Sealed: []byte{1}}}},
			}, nil
		}
	}
	head, err := s.Admit(t.Context(), pgstore.Want{EventID: e.ID}, answer("ada", "key-1"))
	must(t, err)
	const divisionByZero = "22012"
	old := head
	old.Version--
	other := head
	other.Chain = []byte("another log's")
	for name, c := range map[string]struct {
		head pgstore.Head
		pgstore.Decide
	}{
		"the address": {head, answer("ada", "key-2")}, "the key": {head, answer("grace", "key-1")},
		"the version": {old, answer("grace", "key-2")}, "the chain": {other, answer("grace", "key-2")},
	} {
		_, err := s.Known(t.Context(), e.ID) // a refusal forgets the event
		must(t, err)
		_, err = s.Presume(t.Context(), e.ID, c.head, c.Decide)
		if !errors.Is(err, pgstore.ErrNotAsPresumed) || postgres.Classify(err).Code != divisionByZero {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err = s.Known(t.Context(), e.ID)
	must(t, err)
	after, err := s.Presume(t.Context(), e.ID, head, answer("grace", "key-2"))
	must(t, err)
	admit(t, s, pgstore.Want{EventID: e.ID}, func(_ context.Context, l *pgstore.Locked) (*pgstore.Save, error) {
		if l.Version != 3 || l.Counters.Going != 2 || l.Version != after.Version {
			t.Errorf("version %d, counters %+v, told %+v", l.Version, l.Counters, after)
		}
		return nil, nil
	})
}
