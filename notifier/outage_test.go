package notifier

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/turnout-events/turnout/internal/postgres"
	"github.com/turnout-events/turnout/internal/testkit"
	"github.com/turnout-events/turnout/notifier/pgstore"
)

// The store goes away in the moment in which the mail is taken, for longer than a lease. The result is kept until it is
// back, by a notifier that stays, and nobody takes the notice back from it meanwhile.
func TestNothingIsSentTwiceAfterTheStoreWasAway(t *testing.T) {
	t.Parallel()
	const guests = 8
	w := newWorld(t)
	direct := w.pool
	cable, through := testkit.NewCableURL(t, direct.Config().ConnString())
	pool, err := postgres.Open(t.Context(), postgres.Config{URL: through}, testkit.Logger(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	w.ledger.misbehave(ledgerHooks{onDone: func(entry) { cable.Cut() }})
	w.pool = pool
	w.start()
	w.pool = direct
	w.n.store = pgstore.New(direct) // of reclaim, and of what the test hears; the deliverer's goes through the cable
	w.publish()
	for i := range guests {
		w.hear(w.going(fmt.Sprintf("guest%d", i)))
	}
	w.n.wake()
	cutAt := time.Time{}
	testkit.Eventually(t, 20*time.Second, 20*time.Millisecond, func() error {
		switch {
		case w.ledger.count() == 0:
			return errors.New("nothing was sent")
		case cutAt.IsZero():
			cutAt = time.Now()
		}
		if away := time.Since(cutAt); away < 3*time.Second {
			return fmt.Errorf("away for %s only", away)
		}
		return nil
	})
	w.clock.Advance(2 * w.cfg.Lease)
	sent := w.ledger.count()
	if err := w.n.reclaim(t.Context()); err != nil { // by this process, while it holds the results
		t.Fatal(err)
	}
	var claimed int
	if err := direct.QueryRow(t.Context(), `SELECT count(*) FROM notifier.notification WHERE state = 'claimed'`).Scan(&claimed); err != nil || claimed < sent {
		t.Errorf("%d mails are gone, and %d notices still held: %v", sent, claimed, err)
	}
	w.ledger.misbehave(ledgerHooks{})
	cable.Mend()
	w.until(100*time.Millisecond, func() error {
		var open int
		err := direct.QueryRow(t.Context(), `SELECT count(*) FROM notifier.notification WHERE kind = 'confirmation' AND state <> 'sent'`).Scan(&open)
		if err == nil && open > 0 {
			err = errors.Join(fmt.Errorf("%d are not sent", open), w.n.reclaim(t.Context()))
		}
		return err
	})
	for i := range guests {
		w.expect(fmt.Sprintf("guest%d", i), "You're going: Spring concert")
	}
}

// Whoever was away from the store leaves a round to those who have something to record.
func TestNobodyTakesBackInTheFirstRoundAfterTheStoreWasAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cable, through := testkit.NewCableURL(t, w.pool.Config().ConnString())
	pool, err := postgres.Open(t.Context(), postgres.Config{URL: through}, testkit.Logger(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	w.start()
	w.stop()
	w.publish()
	w.hear(w.going("ana"))
	claimed, err := w.n.store.Claim(t.Context(), "mail", "other", w.clock.Now(), time.Minute, 10)
	if err != nil || len(claimed) != 1 {
		t.Fatalf("claimed %d: %v", len(claimed), err)
	}
	w.clock.Advance(2 * time.Minute)
	w.n.store = pgstore.New(pool)
	cable.Cut()
	if err := w.n.reclaim(t.Context()); err == nil {
		t.Fatal("the store is not away")
	}
	cable.Mend()
	for _, want := range []string{"confirmation claimed", "confirmation planned"} {
		if err := w.n.reclaim(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := w.states("ana"); got[want] != 1 {
			t.Errorf("expected %s: %v", strings.TrimPrefix(want, "confirmation "), got)
		}
	}
}
