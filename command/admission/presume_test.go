package admission_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/turnout-events/turnout/command/admission"
	"github.com/turnout-events/turnout/command/pgstore"
	"github.com/turnout-events/turnout/command/rsvp"
	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/testkit"
)

// counted is a desk and what it has presumed so far.
func (f *fixture) counted(t *testing.T, change ...func(*admission.Config, *admission.Deps)) (*admission.Desk, func() (right, wrong int)) {
	t.Helper()
	registry := prometheus.NewRegistry()
	desk := f.desk(t, append(change, func(_ *admission.Config, d *admission.Deps) { d.Registerer = registry })...)
	return desk, func() (right, wrong int) {
		t.Helper()
		families, err := registry.Gather()
		must(t, err)
		for _, family := range families {
			if family.GetName() != "turnout_command_admission_presumed_total" {
				continue
			}
			for _, m := range family.GetMetric() {
				if m.GetLabel()[0].GetValue() == "true" {
					right = int(m.GetCounter().GetValue())
				} else {
					wrong = int(m.GetCounter().GetValue())
				}
			}
		}
		return right, wrong
	}
}

// goBack makes the database what it was when its event had been published.
func (f *fixture) goBack(t *testing.T) {
	t.Helper()
	for _, sql := range []string{
		`ALTER TABLE event_log DISABLE TRIGGER USER`, `ALTER TABLE event_counter DISABLE TRIGGER USER`,
		`DELETE FROM event_log WHERE version > 1`, `DELETE FROM outbox WHERE version > 1`, `DELETE FROM rsvp`,
		`DELETE FROM rsvp_key`, `DELETE FROM idempotency`,
		`UPDATE event_counter SET version = 1, going = 0, chain = (SELECT hash FROM event_log WHERE version = 1)`,
		`ALTER TABLE event_log ENABLE TRIGGER USER`, `ALTER TABLE event_counter ENABLE TRIGGER USER`,
	} {
		_, err := f.pool.Exec(t.Context(), sql)
		must(t, err)
	}
}

// Whoever decides on an event alone looks at it once; seats, the waitlist and the versions are as with a look each.
func TestOneLookIsEnough(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	desk, presumed := f.counted(t)
	event := f.event(t, capacity(5))
	for i := range 9 {
		a, err := desk.Do(t.Context(), f.submit(t, event, guest(i), 1))
		must(t, err)
		want := answered{ID: decoded(t, a).ID, Status: contract.StatusConfirmed, Version: int64(i) + 2}
		if i >= 5 {
			want.Status, want.Position = contract.StatusWaitlisted, i-4
		}
		if got := decoded(t, a); got != want {
			t.Fatalf("answer %d is %+v, want %+v", i, got, want)
		}
	}
	if right, wrong := presumed(); right != 8 || wrong != 0 {
		t.Errorf("presumed rightly %d times, wrongly %d", right, wrong)
	}
	if c := f.counters(t, event); c.Going != 5 || c.Waitlisted != 4 {
		t.Errorf("counters %+v", c)
	}
}

// What was presumed wrongly is decided as if nobody had presumed, whatever it is that was not known.
func TestPresumedWrongly(t *testing.T) {
	t.Parallel()
	const ahead = 25 * time.Hour // a pending answer has run out by then
	for name, c := range map[string]struct {
		event []func(*contract.Event)
		// meanwhile happens at another process, after the desk left the event and before its next request.
		meanwhile func(t *testing.T, f *fixture, other *admission.Desk, event string, next *admission.Request)
		status    string
		refusal   error
		replayed  bool
		seats     int
	}{
		"the last seat is gone": {
			event: []func(*contract.Event){capacity(2)},
			meanwhile: func(t *testing.T, f *fixture, other *admission.Desk, event string, _ *admission.Request) {
				_, err := other.Do(t.Context(), f.submit(t, event, "quick", 1))
				must(t, err)
			},
			status: contract.StatusWaitlisted, seats: 2,
		},
		"the event is cancelled": {
			meanwhile: func(t *testing.T, f *fixture, other *admission.Desk, event string, _ *admission.Request) {
				_, err := other.Do(t.Context(), admission.Request{
					EventID: event, Scope: "cancel", Actor: rsvp.MemberActor("m"), Command: &rsvp.CancelEvent{Reason: "rain"}, Encode: encode,
				})
				must(t, err)
			},
			refusal: rsvp.ErrEventCancelled, seats: 1,
		},
		"the key has its answer, and the event is full": {
			event: []func(*contract.Event){capacity(2), policy(contract.WaitlistNone)},
			meanwhile: func(t *testing.T, f *fixture, other *admission.Desk, _ string, next *admission.Request) {
				_, err := other.Do(t.Context(), *next)
				must(t, err)
			},
			status: contract.StatusConfirmed, replayed: true, seats: 2,
		},
		"the key was used for something else": {
			meanwhile: func(t *testing.T, f *fixture, other *admission.Desk, event string, next *admission.Request) {
				r := f.submit(t, event, "quick", 1)
				r.Key = next.Key
				_, err := other.Do(t.Context(), r)
				must(t, err)
			},
			refusal: admission.ErrKeyReused, seats: 2,
		},
		"the address has answered, and nothing else has happened": {
			meanwhile: func(t *testing.T, f *fixture, _ *admission.Desk, event string, next *admission.Request) {
				*next = f.submit(t, event, "first", 1)
				next.Key, next.RequestHash = "another-key", sha256.Sum256([]byte("another"))
			},
			refusal: rsvp.ErrAlreadyAnswered, seats: 1,
		},
		"the time of the answer before ran out": {
			event: []func(*contract.Event){func(e *contract.Event) { e.ConfirmAddress = true }},
			meanwhile: func(t *testing.T, f *fixture, _ *admission.Desk, event string, next *admission.Request) {
				*next = f.submit(t, event, "first", 1)
				next.Key, next.RequestHash = "another-key", sha256.Sum256([]byte("another"))
			},
			status: contract.StatusPending,
		},
		"the database is an older one": { // a copy that was behind has taken over
			meanwhile: func(t *testing.T, f *fixture, _ *admission.Desk, _ string, _ *admission.Request) { f.goBack(t) },
			status:    contract.StatusConfirmed, seats: 1,
		},
		"the database has come to the same version otherwise": {
			meanwhile: func(t *testing.T, f *fixture, _ *admission.Desk, event string, _ *admission.Request) {
				f.goBack(t)
				_, err := f.desk(t).Do(t.Context(), f.submit(t, event, "quick", 3))
				must(t, err)
			},
			status: contract.StatusConfirmed, seats: 4,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			past := false
			desk, presumed := f.counted(t, func(c *admission.Config, d *admission.Deps) {
				c.SweepEvery = time.Hour // nobody else ends what ran out
				d.Now = func() time.Time {
					if past {
						return time.Now().Add(ahead)
					}
					return time.Now()
				}
			})
			other := f.desk(t)
			event := f.event(t, c.event...)
			_, err := desk.Do(t.Context(), f.submit(t, event, "first", 1))
			must(t, err)
			next := f.submit(t, event, "next", 1)
			c.meanwhile(t, f, other, event, &next)
			past = c.status == contract.StatusPending
			a, err := desk.Do(t.Context(), next)
			switch {
			case c.refusal != nil:
				if !errors.Is(err, c.refusal) {
					t.Fatalf("got %s, %v, want %v", a.Body, err, c.refusal)
				}
			case err != nil:
				t.Fatal(err)
			case decoded(t, a).Status != c.status || a.Replayed != c.replayed:
				t.Fatalf("got %s, replayed %t", a.Body, a.Replayed)
			}
			if right, wrong := presumed(); right != 0 || wrong != 1 {
				t.Errorf("presumed rightly %d times, wrongly %d", right, wrong)
			}
			if got := f.counters(t, event); got.Going != c.seats {
				t.Errorf("counters %+v, want %d seats taken", got, c.seats)
			}
		})
	}
}

// A refusal is not believed on presumption: who comes again gets the old answer, though the seats are gone since.
func TestOnlyAcceptancesArePresumed(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	desk, presumed := f.counted(t)
	event := f.event(t, capacity(3), policy(contract.WaitlistNone))
	first := f.submit(t, event, "first", 1)
	before, err := desk.Do(t.Context(), first)
	must(t, err)
	unlock := f.lock(t, event)
	answers, errs := make([]admission.Answer, 3), make([]error, 3)
	var wait sync.WaitGroup
	for i, r := range []admission.Request{f.submit(t, event, "second", 1), f.submit(t, event, "third", 1), first} {
		wait.Go(func() { answers[i], errs[i] = desk.Do(t.Context(), r) })
		f.queued(t, desk, i+1)
		if i == 0 { // it waits for the lock alone: the others are one batch
			f.taken(t, desk)
		}
	}
	unlock()
	wait.Wait()
	must(t, errors.Join(errs...))
	if !answers[2].Replayed || !bytes.Equal(answers[2].Body, before.Body) {
		t.Errorf("who came again got %s, replayed %t", answers[2].Body, answers[2].Replayed)
	}
	if right, wrong := presumed(); right != 1 || wrong != 1 {
		t.Errorf("presumed rightly %d times, wrongly %d", right, wrong)
	}
	if c := f.counters(t, event); c.Going != 3 {
		t.Errorf("counters %+v", c)
	}
}

// What somebody else decides while the presumption waits for the lock is found as well.
func TestPresumedBeforeTheLock(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	desk, presumed := f.counted(t)
	event := f.event(t)
	_, err := desk.Do(t.Context(), f.submit(t, event, "first", 1))
	must(t, err)
	next, answer, done := f.submit(t, event, "next", 1), admission.Answer{}, make(chan error, 1)
	_, err = newStore(f).Admit(t.Context(), pgstore.Want{EventID: event}, func(_ context.Context, l *pgstore.Locked) (*pgstore.Save, error) {
		go func() {
			var err error
			answer, err = desk.Do(t.Context(), next)
			done <- err
		}()
		testkit.Eventually(t, 10*time.Second, time.Millisecond, func() error {
			var waits bool
			err := f.pool.QueryRow(t.Context(), `SELECT count(*) > 0 FROM pg_stat_activity
				WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&waits)
			if err == nil && !waits {
				err = errors.New("nobody waits for the lock")
			}
			return err
		})
		payload, err := json.Marshal(contract.EventMessage{Event: l.Event, Counters: l.Counters})
		now := contract.Time(time.Now())
		return &pgstore.Save{Counters: l.Counters, RecordedAt: now, Messages: []contract.Envelope{{
			Subject: event, Version: l.Version + 1, Type: contract.EventEditedV1, Org: f.org, ValidAt: now, RecordedAt: now,
			Actor: "system:test", Payload: payload,
		}}}, err
	})
	must(t, err)
	must(t, <-done)
	if v := decoded(t, answer); v.Status != contract.StatusConfirmed || v.Version != 4 {
		t.Errorf("got %+v", v)
	}
	if right, wrong := presumed(); right != 0 || wrong != 1 {
		t.Errorf("presumed rightly %d times, wrongly %d", right, wrong)
	}
	f.counters(t, event)
}

// Where processes decide in turn, presuming is given up for the most part, and taken up again by who stays alone.
func TestPresumingIsGivenUp(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	desk, presumed := f.counted(t)
	other := f.desk(t)
	event := f.event(t)
	for i := range 300 {
		for j, d := range []*admission.Desk{desk, other} {
			_, err := d.Do(t.Context(), f.submit(t, event, guest(2*i+j), 1))
			must(t, err)
		}
	}
	right, wrong := presumed()
	if right != 0 || wrong < 6 || wrong > 12 {
		t.Errorf("in turn with another: presumed rightly %d times, wrongly %d", right, wrong)
	}
	for i := range 100 {
		_, err := desk.Do(t.Context(), f.submit(t, event, "alone"+guest(i), 1))
		must(t, err)
	}
	if again, _ := presumed(); again < 30 {
		t.Errorf("alone: presumed rightly %d times in 100", again)
	}
	f.counters(t, event)
}
