package pgstore_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

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
	// An RSVP per key, of which the first has the address.
	answer := func(hmac string, keys ...string) pgstore.Decide {
		return func(_ context.Context, l *pgstore.Locked) (*pgstore.Save, error) {
			save := &pgstore.Save{Counters: l.Counters, RecordedAt: now}
			for i, key := range keys {
				version := l.Version + int64(i) + 1
				row := &rsvp.Row{New: true, WrappedKey: []byte{1}, EmailHMAC: []byte(hmac), RSVP: contract.RSVP{
					ID: newID(t), EventID: e.ID, Status: contract.StatusConfirmed, Response: contract.Going, PartySize: 1, Sealed: []byte{1},
					CreatedAt: now, UpdatedAt: now}}
				if i > 0 {
					row.EmailHMAC = []byte(hmac + key)
				}
				save.Counters.Going++
				save.Messages = append(save.Messages, message(e, version))
				save.Rows = append(save.Rows, pgstore.SavedRow{Row: row, Version: version})
				save.Answers = append(save.Answers, pgstore.NewAnswer{Key: pgstore.Key{Scope: "s", Key: key}, CreatedAt: now,
					Answer: pgstore.Answer{RequestHash: []byte{1}, Status: 201, Sealed: []byte{1}}})
			}
			return save, nil
		}
	}
	head, err := s.Admit(t.Context(), pgstore.Want{EventID: e.ID}, answer("ada", "key-1"))
	must(t, err)
	const divisionByZero, uniqueViolation = "22012", "23505"
	old := head
	old.Version--
	other := head
	other.Chain = []byte("another log's")
	for name, c := range map[string]struct {
		head pgstore.Head
		pgstore.Decide
		code string
	}{
		"the address": {head, answer("ada", "key-2"), uniqueViolation}, "an address of many": {head, answer("ada", "key-2", "key-3", "key-4"), uniqueViolation},
		"the key": {head, answer("grace", "key-1"), uniqueViolation}, "a key of many": {head, answer("grace", "key-2", "key-1", "key-3"), uniqueViolation},
		"the version": {old, answer("grace", "key-2"), divisionByZero}, "the chain": {other, answer("grace", "key-2"), divisionByZero},
	} {
		_, err := s.Known(t.Context(), e.ID) // a refusal forgets the event
		must(t, err)
		_, err = s.Presume(t.Context(), e.ID, c.head, c.Decide)
		if !errors.Is(err, pgstore.ErrNotAsPresumed) || postgres.Classify(err).Code != c.code {
			t.Errorf("%s: %v", name, err)
		}
		var said *pgconn.PgError
		if !errors.As(err, &said) || said.Detail != "" || strings.Contains(fmt.Sprintf("%+v", *said), "key-1") {
			t.Errorf("%s: %+v is logged", name, said)
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
