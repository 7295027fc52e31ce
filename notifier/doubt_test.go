package notifier

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/turnout-events/turnout/internal/testkit"
	"github.com/turnout-events/turnout/notifier/notice"
)

// A server that takes a mail and hangs up before it says so makes a copy of it with each try: there are three, the last
// half an hour later, and the notice says that nobody knows.
func TestMailInDoubtIsTriedThreeTimesAndNoMore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var times []time.Time
	lost := map[string]int{}
	w.ledger.misbehave(ledgerHooks{hangUp: func(e entry) bool {
		w.ledger.mu.Lock()
		defer w.ledger.mu.Unlock()
		if lost[e.To]++; strings.HasPrefix(e.To, "once") {
			return lost[e.To] == 1
		}
		times = append(times, w.clock.Now())
		return true
	}})
	w.start()
	w.publish()
	w.hear(w.going("ana"))
	w.until(20*time.Second, func() error {
		if got := w.states("ana"); got["confirmation dead"] != 1 {
			return fmt.Errorf("ana: %v", got)
		}
		return nil
	})
	w.ledger.mu.Lock()
	if len(times) != 3 || times[2].Sub(times[1]) < max(29*time.Minute, times[1].Sub(times[0])) {
		t.Errorf("it went at %v", times)
	}
	w.ledger.mu.Unlock()
	notices, err := w.n.store.Explain(t.Context(), w.guests["ana"].ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range notices {
		if n.Kind == notice.Confirmation && (n.Outcome != givenUpInDoubt || n.Attempts != 3) {
			t.Errorf("after %d attempts: %q", n.Attempts, n.Outcome)
		}
	}
	w.hear(w.going("once"))
	w.until(time.Second, w.has("once", "You're going: Spring concert", "You're going: Spring concert"))
	w.settle()
	if got := w.states("once"); got["confirmation sent"] != 1 {
		t.Errorf("once: %v", got)
	}
}

// A server may take minutes to say that it has a mail. Until then the mail is nobody else's.
func TestAMailIsKeptForAsLongAsItsServerTakes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	taken, answer := make(chan struct{}), make(chan struct{})
	w.ledger.misbehave(ledgerHooks{onDone: func(entry) { close(taken); <-answer }})
	w.start()
	w.publish()
	w.hear(w.going("ana"))
	w.n.wake()
	<-taken
	for range 20 {
		w.clock.Advance(14 * time.Second)
		testkit.Eventually(t, 10*time.Second, 5*time.Millisecond, func() error {
			var until time.Time
			err := w.pool.QueryRow(t.Context(), `SELECT lease_until FROM notifier.notification WHERE state = 'claimed'`).Scan(&until)
			if left := until.Sub(w.clock.Now()); err == nil && left < 15*time.Second {
				err = fmt.Errorf("a lease of %s is left", left)
			}
			return err
		})
		if lost, err := w.n.store.Reclaim(t.Context(), w.clock.Now(), nil); err != nil || lost != 0 {
			t.Fatalf("taken back: %d, %v", lost, err)
		}
	}
	close(answer)
	w.settle()
	w.expect("ana", "You're going: Spring concert")
	if got := w.states("ana"); got["confirmation sent"] != 1 {
		t.Errorf("%v", got)
	}
}

// While a server keeps one mail waiting for its answer, others go.
func TestASilentServerHoldsUpOneMailOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.cfg.Workers = 1
	taken, answer := make(chan struct{}), make(chan struct{})
	w.ledger.misbehave(ledgerHooks{onDone: func(e entry) {
		if strings.HasPrefix(e.To, "ana") {
			close(taken)
			<-answer
		}
	}})
	w.start()
	w.publish()
	w.hear(w.going("ana"))
	w.n.wake()
	<-taken
	w.hear(w.going("bob"))
	w.clock.Advance(slowAfter)
	w.until(time.Second, w.has("bob", "You're going: Spring concert"))
	close(answer)
	w.settle()
	w.expect("ana", "You're going: Spring concert")
	testkit.Eventually(t, time.Minute, time.Millisecond, func() error { // its worker comes back after the result is known
		if n := w.n.mail.slow.Load(); n != 0 {
			return fmt.Errorf("%d workers are missing", n)
		}
		return nil
	})
	w.hear(w.going("cem"))
	w.until(time.Second, w.has("cem", "You're going: Spring concert"))
}
