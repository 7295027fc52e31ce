package notifier

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/testkit"
	"github.com/turnout-events/turnout/notifier/notice"
)

// Somebody asks for their link while 50,000 reminders are due and the server is
// slow: the link goes next, before what is claimed already.
func TestALinkOvertakesFiftyThousandReminders(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	w.publish()
	w.hear(w.going("ana"), w.going("bo"))
	w.settle()
	w.ledger.reset()
	turn := make(chan struct{}) // one for each reminder that the server takes
	var within atomic.Int32
	w.ledger.misbehave(ledgerHooks{onData: func(e entry) error {
		if e.To == "bo@example.org" {
			within.Add(1)
			<-turn
			within.Add(-1)
		}
		return nil
	}})
	t.Cleanup(func() { close(turn) }) // before the notifier stops

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
	const before = 20
	for range before {
		turn <- struct{}{}
	}
	testkit.Eventually(t, time.Minute, time.Millisecond, func() error {
		if n, took := int(within.Load()), w.ledger.count(); n < w.cfg.Workers || took < before {
			return fmt.Errorf("%d of %d workers are within a reminder, %d went", n, w.cfg.Workers, took)
		}
		return nil
	})
	w.hear(w.guest("ana", contract.LinkRequestedV1, contract.StatusConfirmed, nil))
	testkit.Eventually(t, time.Minute, time.Millisecond, func() error {
		if n, behind := len(w.n.mail.first.work), len(w.n.mail.rest.work); n != 1 || behind == 0 {
			return fmt.Errorf("%d links and %d reminders are claimed and wait", n, behind)
		}
		return nil
	})
	turn <- struct{}{}
	testkit.Eventually(t, time.Minute, time.Millisecond, func() error {
		if len(w.ledger.to("ana@example.org")) == 0 {
			return errors.New("no link")
		}
		return nil
	})
	if n := w.ledger.count(); n != before+2 {
		t.Errorf("%d mails went, expected %d reminders, one more, and the link", n, before)
	}
}
