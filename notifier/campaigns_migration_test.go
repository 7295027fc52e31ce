package notifier

import (
	"testing"

	"github.com/turnout-events/turnout/internal/postgres"
	"github.com/turnout-events/turnout/migrations"
)

// Going back and forth: mail that is held for the limit must not wait for ever
// in a schema that nobody releases from.
func TestHeldMailDoesNotOutliveItsLimit(t *testing.T) {
	t.Parallel()
	o := newOffice(t, func(c *Config) { c.MailsPerHour = 1 })
	o.crowd(3)
	a := o.campaign(`{"subject": "x", "body": "x", "segment": {"answer": "going"}}`)
	o.until(a.ID, func(a campaignAnswer) bool { return a.states()["sent"] == 1 && a.states()["planned"] == 2 })
	o.stop()
	url := o.pool.Config().ConnString()
	for _, version := range []int64{15, -1} {
		if _, err := postgres.MigrateTo(t.Context(), url, migrations.FS, version); err != nil {
			t.Fatal(err)
		}
	}
	o.pool.Reset()
	var held, void int
	err := o.pool.QueryRow(t.Context(), `
		SELECT count(*) FILTER (WHERE next_at = 'infinity' AND state <> 'void'), count(*) FILTER (WHERE outcome = 'limit-withdrawn')
		FROM notifier.notification WHERE kind = 'campaign'`).Scan(&held, &void)
	if err != nil || held != 0 || void != 2 {
		t.Errorf("%d held, %d void, %v", held, void, err)
	}
}
