package breaker_test

import (
	"testing"
	"time"

	"github.com/turnout-events/turnout/notifier/breaker"
)

// It opens for longer each time, lets one try decide after each pause, and is
// closed by the first that works.
func TestEachPauseIsLongerUntilSomethingWorks(t *testing.T) {
	t.Parallel()
	var b breaker.Breaker
	now := time.Date(2026, 5, 2, 8, 0, 0, 0, time.UTC)
	if b.Open(now) {
		t.Fatal("a new one is open")
	}
	for _, pause := range []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, breaker.Max, breaker.Max} {
		b.Failed(now)
		b.Failed(now.Add(pause / 2)) // those that were under way: the same failure
		if !b.Open(now.Add(pause - time.Millisecond)) {
			t.Errorf("closed before %s are over", pause)
		}
		if now = now.Add(pause); b.Open(now) {
			t.Errorf("open after %s: nothing would ever be tried again", pause)
		}
	}
	b.Worked()
	b.Failed(now)
	if b.Open(now.Add(500 * time.Millisecond)) {
		t.Error("what worked is forgotten")
	}
}
