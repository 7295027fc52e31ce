package admission_test

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/turnout-events/turnout/command/admission"
	"github.com/turnout-events/turnout/command/rsvp"
	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/testkit"
)

// A full event without a waitlist refuses without waiting for its lock, answers a known key as ever, and lets the
// next one in as soon as another process has freed a seat.
func TestHintRefusesOnly(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	desk, other := f.desk(t), f.desk(t)
	event := f.event(t, capacity(1), policy(contract.WaitlistNone))
	seated := f.submit(t, event, "ada", 1)
	first, err := desk.Do(t.Context(), seated)
	must(t, err)
	unlock := f.lock(t, event)
	for i := range 5 {
		if _, err := desk.Do(t.Context(), f.submit(t, event, guest(i), 1)); !errors.Is(err, rsvp.ErrEventFull) {
			t.Fatalf("full, and the lock is taken: %v", err)
		}
	}
	again := f.submit(t, event, "ada", 1)
	again.Key = "another-key"
	if _, err := desk.Do(t.Context(), again); !errors.Is(err, rsvp.ErrAlreadyAnswered) {
		t.Fatalf("who has answered: %v", err)
	}
	unlock()
	replay, err := desk.Do(t.Context(), seated)
	must(t, err)
	if !replay.Replayed {
		t.Fatal("the key was decided anew")
	}
	_, err = other.Do(t.Context(), f.cancel(event, decoded(t, first).ID))
	must(t, err)
	a, err := desk.Do(t.Context(), f.submit(t, event, "grace", 1))
	must(t, err)
	if decoded(t, a).Status != contract.StatusConfirmed {
		t.Fatalf("a freed seat: %s", a.Body)
	}
	f.counters(t, event)
}

// Time alone gives an unanswered offer to the next in the queue, and ends a pending answer.
func TestSweep(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var ahead atomic.Int64
	desk := f.desk(t, func(c *admission.Config, d *admission.Deps) {
		c.SweepEvery = 20 * time.Millisecond
		d.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	})
	event := f.event(t, capacity(1), policy(contract.WaitlistOffer))
	asking := f.event(t, func(e *contract.Event) { e.ConfirmAddress = true })
	var ids []string
	for _, name := range []string{"ada", "grace", "edsger"} {
		a, err := desk.Do(t.Context(), f.submit(t, event, name, 1))
		must(t, err)
		ids = append(ids, decoded(t, a).ID)
	}
	p, err := desk.Do(t.Context(), f.submit(t, asking, "alan", 1))
	must(t, err)
	if decoded(t, p).Status != contract.StatusPending {
		t.Fatalf("an answer to be confirmed: %s", p.Body)
	}
	_, err = desk.Do(t.Context(), f.cancel(event, ids[0]))
	must(t, err)
	is := func(id, want string) func() error {
		return func() error {
			row, err := newStore(f).RSVP(t.Context(), id)
			if err == nil && row.RSVP.Status != want {
				err = fmt.Errorf("rsvp is %s, want %s", row.RSVP.Status, want)
			}
			return err
		}
	}
	must(t, is(ids[1], contract.StatusOffered)())
	ahead.Store(int64(90 * time.Minute))
	testkit.Eventually(t, 10*time.Second, 10*time.Millisecond, is(ids[2], contract.StatusOffered))
	must(t, is(ids[1], contract.StatusCancelled)())
	must(t, is(decoded(t, p).ID, contract.StatusPending)())
	ahead.Store(int64(25 * time.Hour))
	testkit.Eventually(t, 10*time.Second, 10*time.Millisecond, is(decoded(t, p).ID, contract.StatusCancelled))
	testkit.Eventually(t, 10*time.Second, 10*time.Millisecond, func() error { // answers are forgotten after a day
		var n int
		err := f.pool.QueryRow(t.Context(), `SELECT count(*) FROM idempotency WHERE scope = $1`, "POST rsvps "+event).Scan(&n)
		if err == nil && n > 0 {
			err = fmt.Errorf("%d answers are kept", n)
		}
		return err
	})
	f.counters(t, event)
}
