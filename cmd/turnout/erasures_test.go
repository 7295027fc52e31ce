package main

import (
	"bytes"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/turnout-events/turnout/command/erasure"
	"github.com/turnout-events/turnout/command/relay"
	"github.com/turnout-events/turnout/internal/kafkabus"
	"github.com/turnout-events/turnout/internal/testkit"
)

// A backup has the keys of guests who were erased after it was made. Restored by the runbook (erase again, a namespace
// of its own, Kafka filled from the log), the system knows them no more, and every store agrees with the log.
func TestARestoreBringsNobodyBackWhoWasErased(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	stop := w.serveUntil()
	w.organizer()
	full, _ := w.event("Full house", 25*24*time.Hour, map[string]any{"capacity": 1})
	open, _ := w.event("Open house", 26*24*time.Hour, nil)
	for _, a := range []struct{ event, name string }{{full, "ada"}, {full, "bob"}, {open, "ada"}, {open, "cleo"}} {
		w.guest(a.event, a.name)
	}
	stop()
	backup := copyDatabase(t, w.env["TURNOUT_POSTGRES_URL"])

	stop = w.serveUntil()
	w.guest(open, "dora")
	for _, name := range []string{"ada", "dora"} {
		w.want(200, "POST", "/v1/privacy/erase", map[string]string{"organization_id": w.org, "email": name + "@example.net"},
			"Idempotency-Key", name)
	}
	before, err := newSystem(w.env, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	var found []erasure.Erasure
	testkit.Eventually(t, 20*time.Second, 100*time.Millisecond, func() error {
		if found, err = loggedErasures(t.Context(), before.Kafka); err == nil && len(found) != 3 {
			err = fmt.Errorf("the log in Kafka knows of %d erasures, want 3", len(found))
		}
		return err
	})
	stop()

	w.env["TURNOUT_POSTGRES_URL"], w.env["TURNOUT_NAMESPACE"] = backup, testkit.Namespace(t)
	if keys, addresses := keptOf(t, backup, found); keys != 2 || addresses != 2 {
		t.Fatalf("the backup has %d keys and %d addresses of erased guests, want 2 and 2: the test shows nothing", keys, addresses)
	}
	var file bytes.Buffer // as if Kafka were lost too: the list was kept elsewhere
	if err := writeErasures(&file, found); err != nil {
		t.Fatal(err)
	}
	listed, err := decodeErasures(&file)
	if err != nil {
		t.Fatal(err)
	}
	restored, err := newSystem(w.env, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	defer restored.close()
	for range 2 { // cut off, it is run again
		report, err := restored.eraseAgain(t.Context(), listed, t.Output())
		if err != nil || report != (erasure.Report{Erased: 2, Unknown: 1}) {
			t.Fatalf("%+v, %v", report, err)
		}
	}
	if keys, addresses := keptOf(t, backup, found); keys+addresses != 0 {
		t.Errorf("%d keys and %d addresses are left", keys, addresses)
	}
	restored.refillHere(t)

	t.Cleanup(w.serveUntil())
	var list answer
	testkit.Eventually(t, 60*time.Second, 100*time.Millisecond, func() error { // the indices are new
		if list, err = w.call("GET", "/v1/events/"+open+"/guests", nil); err == nil && !strings.Contains(string(list.Body), "cleo") {
			err = fmt.Errorf("the guest list is not there yet: %d %s", list.Status, list.Body)
		}
		return err
	})
	report, err := auditAll(t.Context(), restored.settings, nil, stores, 2*time.Minute, testkit.Logger(t))
	if err != nil || report.Failed() || report.RSVPs != 4 {
		t.Errorf("%v: %+v", err, report)
	}
	if list = w.want(200, "GET", "/v1/events/"+open+"/guests", nil); strings.Contains(string(list.Body), "ada") {
		t.Errorf("the guest list after the restore: %s", list.Body)
	}
	var seats struct{ Going, Waitlisted int }
	w.want(200, "GET", "/v1/events/"+full+"/availability", nil).decode(t, &seats)
	if seats.Going != 1 || seats.Waitlisted != 0 {
		t.Errorf("ada's seat did not go to bob again: %+v", seats)
	}
}

func TestAListOfErasuresIsReadStrictly(t *testing.T) {
	t.Parallel()
	const good = `{"event_id":"01890a5d-ac96-774b-bcce-b302099a8057","rsvp_id":"01890a5d-ac96-774b-bcce-b302099a8058","withdrawn":true}`
	if got, err := decodeErasures(strings.NewReader(good + "\n\n" + good)); err != nil || len(got) != 2 || !got[1].Withdrawn {
		t.Errorf("%+v, %v", got, err)
	}
	for _, bad := range []string{"x", "{}", `{"event_id":"1","rsvp_id":"2"}`, good[:60]} {
		if got, err := decodeErasures(strings.NewReader(good + "\n" + bad)); err == nil || !strings.Contains(err.Error(), "line 2") {
			t.Errorf("%q: %+v, %v; half a list would leave half of the guests", bad, got, err)
		}
	}
}

func (w *world) guest(event, name string) {
	w.t.Helper()
	w.want(201, "POST", "/v1/events/"+event+"/rsvps", map[string]any{
		"name": name, "email": name + "@example.net", "response": "going", "party_size": 1,
	}, "Idempotency-Key", event+name, "Authorization", "")
}

// copyDatabase is a backup and its restore in one: nobody may be connected to the original.
func copyDatabase(t *testing.T, original string) string {
	t.Helper()
	copied := testkit.Database(t)
	conn, err := pgx.Connect(t.Context(), testkit.Engines(t).Postgres)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	name := func(text string) string {
		u, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		return pgx.Identifier{strings.TrimPrefix(u.Path, "/")}.Sanitize()
	}
	if _, err := conn.Exec(t.Context(), "DROP DATABASE "+name(copied)); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, 10*time.Second, 100*time.Millisecond, func() error { // the roles' last sessions are still ending
		_, err := conn.Exec(t.Context(), "CREATE DATABASE "+name(copied)+" TEMPLATE "+name(original))
		return err
	})
	return copied
}

// keptOf counts what the database still has of the erased.
func keptOf(t *testing.T, database string, erased []erasure.Erasure) (keys, addresses int) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	ids := make([]string, len(erased))
	for i, e := range erased {
		ids[i] = e.RSVPID
	}
	err = conn.QueryRow(t.Context(), `SELECT count(k.rsvp_id), count(r.email_hmac) FROM rsvp r LEFT JOIN rsvp_key k ON k.rsvp_id = r.id
		WHERE r.id = ANY ($1::uuid[])`, ids).Scan(&keys, &addresses)
	if err != nil {
		t.Fatal(err)
	}
	return keys, addresses
}

// refillHere is `turnout rebuild --from postgres`.
func (s *system) refillHere(t *testing.T) {
	t.Helper()
	pool, err := s.pool(t.Context(), "refill", 2)
	if err != nil {
		t.Fatal(err)
	}
	if err := newTopics(s.Kafka, s.log).ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	out, err := kafkabus.NewPublisher(s.Kafka, s.log)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = out.Close() }()
	if _, err := relay.Refill(t.Context(), pool, out, nil); err != nil {
		t.Fatal(err)
	}
}
