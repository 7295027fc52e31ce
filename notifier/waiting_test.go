package notifier

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/testkit"
	"github.com/turnout-events/turnout/notifier/pgstore"
)

// Reminders that wait behind a slow mail server with all that they say loaded
// do not go when that is no longer true. One is under way: it cannot be helped.
func TestWhatWaitsIsLookedAtAgain(t *testing.T) {
	t.Parallel()
	names := []string{"ana", "bo", "cy"}
	each := func(w *world, change func(name string)) {
		for _, name := range names {
			change(name)
		}
	}
	for _, c := range []struct {
		name, told, why string
		change          func(w *world)
	}{
		{"cancelled", "Cancelled: Spring concert", VoidCancelled, func(w *world) { w.hear(w.cancelled()) }},
		{"moved", "Moved: Spring concert", VoidMoved, func(w *world) { w.hear(w.moved(24 * hour)) }},
		{"declined", "Noted: you can't come to Spring concert", VoidNotGoing, func(w *world) {
			each(w, func(name string) { w.hear(w.guest(name, contract.RSVPDeclinedV1, contract.StatusDeclined, nil)) })
		}},
		{"erased", "", VoidErased, func(w *world) {
			each(w, func(name string) {
				w.hear(w.guest(name, contract.RSVPErasedV1, contract.StatusConfirmed, func(g *contract.RSVP) { g.Erased, g.Sealed = true, nil }))
			})
		}},
		{"unsubscribed", "", VoidUnsubscribed, func(w *world) {
			each(w, func(name string) {
				if err := w.n.store.Suppress(t.Context(), []byte(name), pgstore.Suppression{Reason: pgstore.Unsubscribed}, "", w.clock.Now()); err != nil {
					t.Fatal(err)
				}
			})
		}},
		{"still true", "", "", func(*world) {}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.cfg.Workers = 1
			w.start()
			w.publish()
			each(w, func(name string) { w.hear(w.going(name)) })
			w.settle()
			w.ledger.reset()
			var once sync.Once
			reached, release := make(chan string, 1), make(chan struct{})
			w.ledger.misbehave(ledgerHooks{onRcpt: func(to string) error {
				once.Do(func() { reached <- to; <-release })
				return nil
			}})
			w.clock.Advance(w.event.StartsAt.Add(-24 * hour).Sub(w.clock.Now()))
			w.n.wake()
			underway := <-reached
			testkit.Eventually(t, 20*time.Second, time.Millisecond, func() error {
				if n := len(w.n.mail.rest.work); n != 2 {
					return fmt.Errorf("%d wait", n)
				}
				return nil
			})
			c.change(w)
			w.clock.Advance(freshFor + time.Second)
			close(release)
			w.settle()
			for _, name := range names {
				var want []string
				if name+"@example.org" == underway || c.why == "" {
					want = append(want, "Spring concert starts in 24 hours")
				} else if got := w.states(name); got["reminder void "+c.why] == 0 {
					t.Errorf("%s: %v", name, got)
				}
				if c.told != "" {
					want = append(want, c.told)
				}
				if got := w.ledger.to(name + "@example.org"); !slices.Equal(got, want) {
					t.Errorf("%s got %q, expected %q", name, got, want)
				}
			}
		})
	}
}
