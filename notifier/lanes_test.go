package notifier

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/testkit"
	"github.com/turnout-events/turnout/notifier/notice"
)

// Somebody asks for their link while 50,000 reminders are due and a server
// takes 200 mails a second: the link goes next, before what is claimed already.
func TestALinkOvertakesFiftyThousandReminders(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	slow := time.NewTicker(5 * time.Millisecond)
	defer slow.Stop()
	w.ledger.misbehave(ledgerHooks{onData: func(entry) error { <-slow.C; return nil }})
	w.start()
	w.publish()
	w.hear(w.going("ana"), w.going("bo"))
	w.settle()
	w.ledger.reset()
	for range 10 { // a statement has ten seconds
		if _, err := w.pool.Exec(t.Context(), `
			INSERT INTO notifier.notification (id, event_id, organization_id, rsvp_id, kind, channel, occurrence, lane, due_at, next_at,
				epoch, state, reason, cause_type, cause_version, detail, planned_at)
			SELECT gen_random_uuid(), $1, $2, $3, 'reminder', 'mail', 'x', $4, $5, $5, 0, 'planned', 'before-start', 'c', 1, '{}', $5
			FROM generate_series(1, 5000)`, w.event.ID, w.event.OrganizationID, w.guests["bo"].ID, notice.Reminder.Lane(), w.clock.Now()); err != nil {
			t.Fatal(err)
		}
	}
	w.n.wake()
	testkit.Eventually(t, 10*time.Second, time.Millisecond, func() error {
		if n := w.ledger.count(); n < 20 {
			return fmt.Errorf("%d reminders went", n)
		}
		return nil
	})
	before, asked := w.ledger.count(), time.Now()
	w.hear(w.guest("ana", contract.LinkRequestedV1, contract.StatusConfirmed, nil))
	testkit.Eventually(t, 10*time.Second, time.Millisecond, func() error {
		if len(w.ledger.to("ana@example.org")) == 0 {
			return errors.New("no link")
		}
		return nil
	})
	took, overtook := time.Since(asked), w.ledger.count()-before
	t.Logf("the link went after %s, and %d reminders before it", took, overtook)
	// 256 are claimed ahead; those under way, and those that go while the link is claimed, are less.
	if took > 2*time.Second || overtook > 128 {
		t.Errorf("the link went after %s, and %d reminders before it", took, overtook)
	}
}
