package admission_test

import (
	"testing"

	"github.com/turnout-events/turnout/command/audit"
	"github.com/turnout-events/turnout/internal/contract"
)

// The auditor finds every kind of damage, each done by hand behind the system's back, and none where there is none.
func TestAuditFindsDamage(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]struct {
		check, sql string
	}{
		"payload rewritten":      {audit.CheckChain, `UPDATE event_log SET payload = convert_to(replace(convert_from(payload, 'UTF8'), '"locale":"en"', '"locale":"de"'), 'UTF8') WHERE version = 3`},
		"actor rewritten":        {audit.CheckChain, `UPDATE event_log SET actor = 'member:else' WHERE version = 3`},
		"message gone":           {audit.CheckVersions, `DELETE FROM event_log WHERE version = 3`},
		"last message gone":      {audit.CheckRows, `DELETE FROM event_log WHERE version = (SELECT max(version) FROM event_log)`},
		"time moved back":        {audit.CheckTimes, `UPDATE event_log SET recorded_at = recorded_at - interval '1 day' WHERE version = 4`},
		"one seat too many":      {audit.CheckCapacity, `UPDATE event_log SET payload = convert_to(replace(convert_from(payload, 'UTF8'), '"status":"waitlisted"', '"status":"confirmed"'), 'UTF8') WHERE version = 4`},
		"illegal move":           {audit.CheckStates, `UPDATE event_log SET type = 'rsvp.promoted.v1' WHERE version = 2`},
		"counter off":            {audit.CheckCounters, `UPDATE event_counter SET maybe = maybe + 1`},
		"row changed":            {audit.CheckRows, `UPDATE rsvp SET party_size = party_size + 1`},
		"row gone":               {audit.CheckRows, `DELETE FROM rsvp WHERE status = 'waitlisted'`},
		"event changed":          {audit.CheckRows, `UPDATE event SET body = jsonb_set(body, '{title}', '"Other"')`},
		"key gone":               {audit.CheckKeys, `DELETE FROM rsvp_key`},
		"outbox points nowhere":  {audit.CheckOutbox, `UPDATE outbox SET version = version + 1000`},
		"acknowledged, not kept": {audit.CheckAcknowledged, ``},
		"nothing":                {"", ``},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			desk := f.desk(t)
			event := f.event(t, capacity(2), policy(contract.WaitlistAuto))
			ledger := []audit.Acknowledged{}
			for i := range 4 {
				a, err := desk.Do(t.Context(), f.submit(t, event, guest(i), 1))
				must(t, err)
				v := decoded(t, a)
				ledger = append(ledger, audit.Acknowledged{EventID: event, RSVPID: v.ID, Version: v.Version, Status: v.Status})
			}
			if damage.check == audit.CheckAcknowledged {
				ledger = append(ledger, audit.Acknowledged{EventID: event, RSVPID: newID(t), Version: 99})
			}
			for _, sql := range []string{
				`ALTER TABLE event_log DISABLE TRIGGER USER`, damage.sql, `ALTER TABLE event_log ENABLE TRIGGER USER`,
			} {
				_, err := f.pool.Exec(t.Context(), sql)
				must(t, err)
			}
			report := audit.NewReport()
			must(t, audit.Run(t.Context(), f.pool, report, audit.Options{Ledger: ledger}))
			if damage.check == "" && report.Failed() || damage.check != "" && report.Wrong[damage.check] == 0 {
				t.Fatalf("want a finding of %q, got %+v", damage.check, report.Findings)
			}
		})
	}
}
