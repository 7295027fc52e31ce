package admission_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/turnout-events/turnout/command/admission"
	"github.com/turnout-events/turnout/command/audit"
	"github.com/turnout-events/turnout/command/pgstore"
	"github.com/turnout-events/turnout/command/rsvp"
	"github.com/turnout-events/turnout/internal/contract"
)

// The auditor finds every kind of damage, each done by hand behind the system's back, and none where there is none.
func TestAuditFindsDamage(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.organize(t)
	desk := f.desk(t)
	event := f.event(t, capacity(2), policy(contract.WaitlistAuto))
	ledger := []audit.Acknowledged{}
	for i := range 4 { // versions 2 to 5
		a, err := desk.Do(t.Context(), f.submit(t, event, guest(i), 1))
		must(t, err)
		v := decoded(t, a)
		ledger = append(ledger, audit.Acknowledged{EventID: event, RSVPID: v.ID, Version: v.Version, Status: v.Status})
	}
	erased := ledger[3].RSVPID
	_, err := desk.Do(t.Context(), admission.Request{
		EventID: event, Scope: "erase", Actor: rsvp.GuestActor(erased), Command: &rsvp.EraseRSVP{RSVPID: erased}, Encode: encode,
	})
	must(t, err)

	conn, err := f.pool.Acquire(t.Context())
	must(t, err)
	defer conn.Release()
	exec := func(sql string) {
		t.Helper()
		_, err := conn.Exec(t.Context(), sql)
		must(t, err)
	}
	tables := []string{"organization", "member", "organization_log", "event", "event_counter", "event_log", "rsvp", "rsvp_key", "outbox"}
	for _, table := range tables {
		exec(`CREATE TABLE kept_` + table + ` AS TABLE ` + table)
	}
	exec(`SET session_replication_role = replica`) // an intruder is stopped by no trigger and no foreign key
	for name, damage := range map[string]struct {
		check, says, sql string
	}{
		"payload rewritten":  {audit.CheckChain, "", `UPDATE event_log SET payload = convert_to(replace(convert_from(payload, 'UTF8'), '"locale":"en"', '"locale":"de"'), 'UTF8') WHERE version = 3`},
		"actor rewritten":    {audit.CheckChain, "", `UPDATE event_log SET actor = 'member:else' WHERE version = 3`},
		"message gone":       {audit.CheckVersions, "follows version 2", `DELETE FROM event_log WHERE version = 3`},
		"last message gone":  {audit.CheckRows, "the counter row is at", `DELETE FROM event_log WHERE version = (SELECT max(version) FROM event_log)`},
		"head alone":         {audit.CheckChain, "the head in the counter row", `UPDATE event_counter SET chain = '\x00'`},
		"time moved back":    {audit.CheckTimes, "", `UPDATE event_log SET recorded_at = recorded_at - interval '1 day' WHERE version = 4`},
		"one seat too many":  {audit.CheckCapacity, "3 seats are taken or held, of 2", `UPDATE event_log SET payload = convert_to(replace(convert_from(payload, 'UTF8'), '"status":"waitlisted"', '"status":"confirmed"'), 'UTF8') WHERE version = 4`},
		"illegal move":       {audit.CheckStates, "", `UPDATE event_log SET type = 'rsvp.promoted.v1' WHERE version = 2`},
		"counter off":        {audit.CheckCounters, "", `UPDATE event_counter SET maybe = maybe + 1`},
		"row changed":        {audit.CheckRows, "its last message says", `UPDATE rsvp SET party_size = party_size + 1`},
		"row gone":           {audit.CheckRows, "the log has 4 RSVPs, the table 3", `DELETE FROM rsvp WHERE status = 'waitlisted'`},
		"event changed":      {audit.CheckRows, "the event is", `UPDATE event SET body = jsonb_set(body, '{title}', '"Other"')`},
		"key gone":           {audit.CheckKeys, "erased false, data key false", `DELETE FROM rsvp_key`},
		"key of an erased":   {audit.CheckKeys, "erased true, data key true", `INSERT INTO rsvp_key SELECT id, '\x00' FROM rsvp WHERE email_hmac IS NULL`},
		"unknown type":       {audit.CheckPayload, "unknown type", `UPDATE event_log SET type = 'rsvp.unheard.v1' WHERE version = 3`},
		"unreadable RSVP":    {audit.CheckPayload, "is not a message about an RSVP", `UPDATE event_log SET payload = '{' WHERE version = 3`},
		"unreadable event":   {audit.CheckPayload, "is not a message about this event", `UPDATE event_log SET payload = '{' WHERE version = 1`},
		"another event":      {audit.CheckPayload, "is not a message about this event", `UPDATE event_log SET payload = convert_to(replace(convert_from(payload, 'UTF8'), event_id::text, gen_random_uuid()::text), 'UTF8') WHERE version = 1`},
		"another's RSVP":     {audit.CheckPayload, "is not a message about an RSVP", `UPDATE event_log SET payload = convert_to(replace(convert_from(payload, 'UTF8'), event_id::text, gen_random_uuid()::text), 'UTF8') WHERE version = 3`},
		"stray event":        {audit.CheckRows, "an event without a counter row", `DELETE FROM event_counter`},
		"stray log":          {audit.CheckRows, "log of an event without a counter row", `UPDATE event_log SET event_id = gen_random_uuid() WHERE version = 3`},
		"stray RSVP":         {audit.CheckRows, "RSVPs of an event without a counter row", `UPDATE rsvp SET event_id = gen_random_uuid() WHERE status = 'waitlisted'`},
		"RSVP from nowhere":  {audit.CheckRows, "has no message", `UPDATE rsvp SET id = gen_random_uuid() WHERE status = 'waitlisted'`},
		"stray key":          {audit.CheckKeys, "a data key without an RSVP", `INSERT INTO rsvp_key VALUES (gen_random_uuid(), '\x00')`},
		"stray outbox":       {audit.CheckOutbox, "points to no message", `UPDATE outbox SET version = version + 1000 WHERE topic = 0`},
		"organization's too": {audit.CheckOutbox, "points to no message", `UPDATE outbox SET version = version + 1000 WHERE topic = 1`},

		"organization's actor":      {audit.CheckChain, "", `UPDATE organization_log SET actor = 'member:else' WHERE version = 2`},
		"organization's payload":    {audit.CheckPayload, "is not a message about this organization", `UPDATE organization_log SET payload = '{' WHERE version = 2`},
		"organization's message":    {audit.CheckVersions, "follows version 0", `DELETE FROM organization_log WHERE version = 1`},
		"organization's last":       {audit.CheckRows, "the row is at 2, the log at 1", `DELETE FROM organization_log WHERE version = 2`},
		"organization's log":        {audit.CheckRows, "an organization without its log", `DELETE FROM organization_log`},
		"organization's head alone": {audit.CheckRows, "or their chains differ", `UPDATE organization SET chain = '\x00'`},
		"organization's row":        {audit.CheckRows, "the table has not", `DELETE FROM organization`},
		"organization's name":       {audit.CheckRows, "the organization and its members are", `UPDATE organization SET body = jsonb_set(body, '{name}', '"Other"')`},
		"organization's member":     {audit.CheckRows, "the organization and its members are", `DELETE FROM member`},
		"organization's role":       {audit.CheckRows, "the organization and its members are", `UPDATE member SET role = 'owner'`},

		"acknowledged, not kept": {audit.CheckAcknowledged, "the log ends at", ``},
		"nothing":                {"", "", ``},
	} {
		t.Run(name, func(t *testing.T) {
			told := ledger
			if damage.check == audit.CheckAcknowledged {
				told = append(slices.Clone(ledger), audit.Acknowledged{EventID: event, RSVPID: newID(t), Version: 99})
			}
			exec(damage.sql)
			report := audit.NewReport()
			must(t, audit.Run(t.Context(), f.pool, report, audit.Options{Ledger: told}))
			found := slices.ContainsFunc(report.Findings, func(f audit.Finding) bool {
				return f.Check == damage.check && strings.Contains(f.Detail, damage.says)
			})
			if damage.check == "" && report.Failed() || damage.check != "" && !found {
				t.Errorf("want a finding of %q with %q, got %+v", damage.check, damage.says, report.Findings)
			}
			for _, table := range tables {
				exec(`DELETE FROM ` + table)
				exec(`INSERT INTO ` + table + ` OVERRIDING SYSTEM VALUE SELECT * FROM kept_` + table)
			}
		})
	}
}

// organize gives the organization a log: it was made and changed.
func (f *fixture) organize(t testing.TB) {
	t.Helper()
	must(t, pgx.BeginFunc(t.Context(), f.pool, func(tx pgx.Tx) error {
		ctx, now := t.Context(), contract.Time(time.Now())
		o := contract.Organization{ID: f.org, Slug: f.org, Name: "Sunday painters", CreatedAt: now}
		body, err := json.Marshal(o)
		must(t, err)
		o.Members = []contract.Member{{AccountID: newID(t), Role: contract.RoleEditor, Sealed: []byte{1}}}
		payload, err := json.Marshal(contract.OrganizationMessage{Organization: o})
		must(t, err)
		var messages []contract.Envelope
		for i, kind := range []string{contract.OrganizationCreatedV1, contract.OrganizationChangedV1} {
			messages = append(messages, contract.Envelope{
				Subject: f.org, Version: int64(i + 1), Type: kind, Org: f.org, ValidAt: now, RecordedAt: now, Actor: "member:test", Payload: payload,
			})
		}
		head := pgstore.Chain(nil, messages)
		if err := pgstore.AppendOrganization(ctx, tx, messages); err != nil {
			return err
		}
		account := o.Members[0].AccountID
		_, err = tx.Exec(ctx, `INSERT INTO account (id, email_hmac, sealed, password_hash, created_at) VALUES ($1, $2, '', '', $3)`, account, []byte(account), now)
		must(t, err)
		_, err = tx.Exec(ctx, `INSERT INTO member (organization_id, account_id, role, created_at) VALUES ($1, $2, 'editor', $3)`, f.org, account, now)
		must(t, err)
		_, err = tx.Exec(ctx, `UPDATE organization SET version = 2, chain = $2, body = $3 WHERE id = $1`, f.org, head, body)
		return err
	}))
}
