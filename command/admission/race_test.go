package admission_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/turnout-events/turnout/command/admission"
	"github.com/turnout-events/turnout/command/rsvp"
	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/testkit"
)

// atOnce sends all requests at the same time, spread over the desks, and gives what each got.
func atOnce(ctx context.Context, desks []*admission.Desk, requests []admission.Request) ([]admission.Answer, []error) {
	answers, errs := make([]admission.Answer, len(requests)), make([]error, len(requests))
	start := make(chan struct{})
	var wait sync.WaitGroup
	for i, r := range requests {
		wait.Go(func() {
			<-start
			answers[i], errs[i] = desks[i%len(desks)].Do(ctx, r)
		})
	}
	close(start)
	wait.Wait()
	return answers, errs
}

// A thousand clients, three processes, one seat: one winner, and everybody gets a definite answer.
func TestLastSeat(t *testing.T) {
	t.Parallel()
	for _, p := range []string{contract.WaitlistNone, contract.WaitlistAuto, contract.WaitlistOffer} {
		t.Run(p, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			desks := []*admission.Desk{f.desk(t), f.desk(t), f.desk(t)}
			event := f.event(t, capacity(1), policy(p))
			requests := make([]admission.Request, 1000)
			for i := range requests {
				requests[i] = f.submit(t, event, guest(i), 1)
			}
			answers, errs := atOnce(t.Context(), desks, requests)
			winners, waiting, refused := 0, 0, 0
			for i := range requests {
				switch {
				case errors.Is(errs[i], rsvp.ErrEventFull) && p == contract.WaitlistNone:
					refused++
				case errs[i] != nil:
					t.Fatalf("request %d: %v", i, errs[i])
				case decoded(t, answers[i]).Status == contract.StatusConfirmed:
					winners++
				case decoded(t, answers[i]).Status == contract.StatusWaitlisted:
					waiting++
				}
			}
			if winners != 1 || waiting+refused != 999 {
				t.Fatalf("%d winners, %d waiting, %d refused", winners, waiting, refused)
			}
			if c := f.counters(t, event); c.Going != 1 || c.Waitlisted != waiting {
				t.Fatalf("counters %+v", c)
			}
		})
	}
}

// Guests come and go on several processes at once; at no version are there more than fit, and whoever can have a seat
// has one in the end.
func TestChurn(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	desks := []*admission.Desk{f.desk(t), f.desk(t)}
	const seats = 20
	event := f.event(t, capacity(seats))
	var wait sync.WaitGroup
	for client := range 16 {
		wait.Go(func() {
			random := rand.New(rand.NewPCG(uint64(client), 1))
			for i := range 25 {
				desk := desks[random.IntN(2)]
				a, err := desk.Do(t.Context(), f.submit(t, event, fmt.Sprintf("g%d-%d", client, i), 1+random.IntN(3)))
				if err != nil {
					t.Errorf("submit: %v", err)
					return
				}
				if random.IntN(3) > 0 {
					if _, err := desk.Do(t.Context(), f.cancel(event, decoded(t, a).ID)); err != nil {
						t.Errorf("cancel: %v", err)
						return
					}
				}
			}
		})
	}
	wait.Wait()
	c := f.counters(t, event)
	var smallest *int
	must(t, f.pool.QueryRow(t.Context(), `SELECT min(party_size) FROM rsvp WHERE event_id = $1 AND status = 'waitlisted'`, event).Scan(&smallest))
	if left := *c.Remaining(); left < 0 || smallest != nil && *smallest <= left {
		t.Fatalf("%d seats are left, the smallest waiting party is %v", left, smallest)
	}
}

// Transaction ids need not follow the order of the lock, outbox ids must: the relay reads by them.
func TestOutboxFollowsVersions(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var desks []*admission.Desk
	for range 4 {
		desks = append(desks, f.desk(t, func(c *admission.Config, _ *admission.Deps) { c.MaxBatch = 3 }))
	}
	event := f.event(t)
	requests := make([]admission.Request, 1200)
	for i := range requests {
		requests[i] = f.submit(t, event, guest(i), 1)
	}
	_, errs := atOnce(t.Context(), desks, requests)
	must(t, errors.Join(errs...))
	var rows, inversions int
	must(t, f.pool.QueryRow(t.Context(), `SELECT count(*), count(*) FILTER (WHERE before >= version) FROM (
		SELECT version, lag(version) OVER (ORDER BY id) AS before FROM outbox WHERE subject_id = $1) AS o`, event).Scan(&rows, &inversions))
	if rows != 1201 || inversions != 0 {
		t.Fatalf("%d outbox rows, %d out of order", rows, inversions)
	}
}

// With the lock taken out, TestLastSeat must fail: else it could not find a race.
func TestRaceTestsBite(t *testing.T) {
	t.Parallel()
	testkit.Engines(t)
	cmd := exec.CommandContext(t.Context(), "go", "test", "-tags", "nolock", "-count=1", "-run", "^TestLastSeat$", ".")
	out, err := cmd.CombinedOutput()
	if err == nil {
		t.Fatalf("the race test passes without the lock:\n%s", out)
	}
	if !strings.Contains(string(out), "--- FAIL: TestLastSeat") {
		t.Fatalf("it failed for another reason: %v\n%s", err, out)
	}
}

// Whoever queued when the process is told to stop is decided; whoever comes later is told to go elsewhere.
func TestDrain(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	event := f.event(t)
	var woken atomic.Int64
	cfg := admission.DefaultConfig()
	cfg.AnswerWithin, cfg.DecideWithin = patience, patience
	desk, err := admission.New(t.Context(), cfg, admission.Deps{
		Store: newStore(f), Keyring: f.ring, Log: testkit.Logger(t), Wake: func(int) { woken.Add(1) },
	})
	must(t, err)
	unlock := f.lock(t, event)
	answers := make(chan error, 20)
	for i := range 20 {
		r := f.submit(t, event, guest(i), 1)
		go func() {
			_, err := desk.Do(t.Context(), r)
			answers <- err
		}()
	}
	f.queued(t, desk, 20)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- desk.Run(ctx) }()
	cancel()
	testkit.Eventually(t, 5*time.Second, time.Millisecond, func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		if _, err := desk.Do(ctx, f.submit(t, event, "late", 1)); err == nil || !strings.Contains(err.Error(), "shutting down") {
			return fmt.Errorf("a latecomer got %w", err)
		}
		return nil
	})
	unlock()
	must(t, <-done)
	for range 20 {
		must(t, <-answers)
	}
	if c := f.counters(t, event); c.Going < 20 || c.Going > 21 || woken.Load() == 0 {
		t.Fatalf("counters %+v, %d wakes", c, woken.Load())
	}
}
