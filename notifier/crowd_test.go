package notifier

import (
	"testing"

	"github.com/turnout-events/turnout/internal/contract"
)

// A large event is called off: what its guests would have got is taken back and
// each is told, though one statement about all of them would take too long.
func TestAnEventOfManyIsCalledOff(t *testing.T) {
	t.Parallel()
	const crowd = 12_001 // two pieces, and one more
	w := newWorld(t)
	w.start()
	w.publish()
	w.hear(w.going("ana"))
	for _, insert := range []string{`
		INSERT INTO notifier.guest (rsvp_id, event_id, organization_id, version, status, party_size, locale, updates, reminders, sealed)
		SELECT gen_random_uuid(), event_id, organization_id, version, status, party_size, locale, updates, reminders, sealed
		FROM notifier.guest, generate_series(2, $2) WHERE event_id = $1`, `
		INSERT INTO notifier.notification (id, event_id, organization_id, rsvp_id, kind, channel, occurrence, lane, due_at, next_at,
			epoch, state, reason, cause_type, cause_version, detail, planned_at)
		SELECT gen_random_uuid(), g.event_id, g.organization_id, g.rsvp_id, 'reminder', 'mail', 'x', 2, now() + interval '9 years',
			now() + interval '9 years', 0, 'planned', 'before-start', 'c', 1, '{}', now()
		FROM notifier.guest g WHERE g.event_id = $1 AND $2 > 0`,
	} {
		if _, err := w.pool.Exec(t.Context(), insert, w.event.ID, crowd); err != nil {
			t.Fatal(err)
		}
	}
	w.hear(w.about(contract.EventCancelledV1, func(e *contract.Event) { e.Status = contract.EventCancelled }))
	var waits, told int
	err := w.pool.QueryRow(t.Context(), `
		SELECT count(*) FILTER (WHERE kind = 'reminder' AND state <> 'void'), count(*) FILTER (WHERE kind = 'event_cancelled')
		FROM notifier.notification WHERE event_id = $1`, w.event.ID).Scan(&waits, &told)
	if err != nil {
		t.Fatal(err)
	}
	if waits != 0 || told != crowd {
		t.Errorf("%d reminders wait, %d of %d guests are told", waits, told, crowd)
	}
}
