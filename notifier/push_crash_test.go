package notifier

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/testkit"
	"github.com/turnout-events/turnout/internal/testkit/pushservice"
	"github.com/turnout-events/turnout/notifier/push"
)

// A notifier that is killed while the push service takes a push loses none;
// what it could not record comes once more, as the same notice under the same
// topic, so that a device shows it once.
func TestKilledWhileAPushIsTaken(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("needs engines")
	}
	const guests = 6
	keys, err := push.NewKeys()
	if err != nil {
		t.Fatal(err)
	}
	k := &killer{armed: true, died: make(chan struct{})}
	s := pushservice.New(t, keys.Public, func(n int, _ string, _ http.Header) int {
		if n == 3 {
			k.kill() // it is taken; its sender will never know
		}
		return http.StatusCreated
	})
	w := newWorld(t)
	w.cfg.Push = push.Config{PrivateKey: keys.Private, Private: true, Workers: 1}
	w.clock = clockwork.NewFakeClockAt(time.Now().Add(-time.Second).UTC().Truncate(time.Millisecond))
	w.event.StartsAt, w.event.EndsAt = time.Now().Add(24*30*time.Hour), time.Now().Add(24*30*time.Hour+time.Hour)
	if w.n, err = New(t.Context(), w.cfg, Deps{Log: testkit.Logger(t), Pool: w.pool, Keys: w.keys, Ring: w.ring, Clock: w.clock}); err != nil {
		t.Fatal(err)
	}
	w.publish()
	for i := range guests {
		name := fmt.Sprint("guest", i)
		w.hear(w.guest(name, contract.RSVPWaitlistedV1, contract.StatusWaitlisted, nil))
		w.subscribe(name, s.Browser(t, name), "")
		w.hear(w.guest(name, contract.RSVPPromotedV1, contract.StatusConfirmed, nil))
	}
	settings := child{Postgres: w.pool.Config().ConnString(), SMTP: w.ledger.addr, Lease: 6 * time.Second, Workers: 1, Keys: w.keys.keys, Push: w.cfg.Push}
	k.mu.Lock()
	first := startChild(t, settings)
	k.process = first.Process
	k.mu.Unlock()
	select {
	case <-k.died:
	case <-time.After(time.Minute):
		t.Fatalf("the notifier never got to the push: %s", first.Stderr)
	}
	_ = first.Wait()
	startChild(t, settings)
	testkit.Eventually(t, 90*time.Second, 20*time.Millisecond, func() error {
		var sent int
		err := w.pool.QueryRow(t.Context(), `SELECT count(*) FROM notifier.notification WHERE channel = 'push' AND kind = 'promoted' AND state = 'sent'`).Scan(&sent)
		if err == nil && sent < guests {
			err = fmt.Errorf("%d of %d recorded as sent", sent, guests)
		}
		return err
	})
	pushes := s.Pushes()
	seen := map[string]string{} // browser → notice
	doubles := 0
	for i, p := range shown(t, pushes) {
		switch before, there := seen[pushes[i].Browser]; {
		case !there:
			seen[pushes[i].Browser] = p.ID + p.Tag + pushes[i].Topic
		case before != p.ID+p.Tag+pushes[i].Topic:
			t.Errorf("%s got another notice in the place of the first", pushes[i].Browser)
		default:
			doubles++
		}
	}
	// One worker: the push of the kill, and what was taken within the 20 ms before it.
	if len(seen) != guests || doubles > 3 {
		t.Errorf("%d devices reached, %d twice", len(seen), doubles)
	}
}
