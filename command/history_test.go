package command_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/turnout-events/turnout/command/pgstore"
	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/testkit"
)

type history struct {
	Items []struct {
		Version    int64
		Type       string
		Actor      string
		RecordedAt time.Time `json:"recorded_at"`
		Data       json.RawMessage
	}
	NextCursor *string `json:"next_cursor"`
}

func TestHistoryIsTheLog(t *testing.T) {
	t.Parallel()
	r := start(t)
	auth := r.signUp("owner@example.org")
	eventID := r.published(auth, r.organization(auth), map[string]any{"capacity": 2})
	path := "/v1/events/" + eventID
	ada := r.answer(eventID, "ada", 2).want(http.StatusCreated)
	r.answer(eventID, "bob", 1).want(http.StatusCreated)
	r.do(request{method: "PUT", path: path + "/capacity", auth: auth, body: `{"capacity":1}`}).want(http.StatusOK) // nobody is thrown out
	r.do(request{method: "DELETE", path: "/v1/rsvps/" + ada.text("id"), auth: "Guest " + ada.text("manage_token")}).want(http.StatusOK)

	read := func(query string) history {
		got := r.do(request{method: "GET", path: path + "/history?" + query, auth: auth}).want(http.StatusOK)
		if strings.Contains(string(got.body), "ada@") || strings.Contains(string(got.body), `"ada"`) || strings.Contains(string(got.body), `"sealed":"`) {
			t.Errorf("the history tells who the guests are: %s", got.body)
		}
		var h history
		if err := json.Unmarshal(got.body, &h); err != nil {
			t.Fatal(err)
		}
		return h
	}
	first := read("limit=4")
	if len(first.Items) != 4 || first.NextCursor == nil {
		t.Fatalf("first page: %+v", first)
	}
	rest := read("limit=100&cursor=" + *first.NextCursor)
	var types []string
	for i, m := range append(first.Items, rest.Items...) {
		if m.Version != int64(i+1) {
			t.Errorf("version %d at place %d", m.Version, i)
		}
		types = append(types, m.Type)
	}
	want := "event.drafted.v1 event.published.v1 rsvp.confirmed.v1 rsvp.waitlisted.v1 event.capacity_changed.v1 rsvp.cancelled.v1 rsvp.promoted.v1"
	if strings.Join(types, " ") != want || rest.NextCursor != nil {
		t.Errorf("the log: %s\nwant:    %s", types, want)
	}

	// The state when the fourth message had been recorded: ada in, bob waiting, two seats.
	at := url.QueryEscape(first.Items[3].RecordedAt.Format(time.RFC3339Nano))
	state := r.do(request{method: "GET", path: path + "/history?known_at=" + at, auth: auth}).want(http.StatusOK)
	var s struct {
		Version  int64
		Event    struct{ Status string }
		Counters struct{ Capacity, Going, Waitlisted int }
		RSVPs    map[string]int `json:"rsvps"`
	}
	if err := json.Unmarshal(state.body, &s); err != nil || s.Version != 4 || s.Event.Status != "published" || s.Counters.Capacity != 2 ||
		s.Counters.Going != 2 || s.Counters.Waitlisted != 1 || s.RSVPs["confirmed"] != 1 || s.RSVPs["waitlisted"] != 1 {
		t.Errorf("state then: %s, %v", state.body, err)
	}
	r.do(request{method: "GET", path: path + "/history?as_of=2001-01-01T00:00:00Z", auth: auth}).want(http.StatusNotFound, "event-not-yet")
	for _, bad := range []string{"as_of=yesterday", "limit=0", "limit=101", "cursor=x"} {
		r.do(request{method: "GET", path: path + "/history?" + bad, auth: auth}).want(http.StatusBadRequest)
	}
}

// What was true at a time, and what was known at it, are two things: an answer
// that nobody confirmed ended a day after it came, and that was written down
// when the sweep, which had stood still, came to it.
func TestHistoryTellsWhatWasFromWhatWasKnown(t *testing.T) {
	t.Parallel()
	var ahead clock
	r := start(t, ahead.set)
	auth := r.signUp("owner@example.org")
	eventID := r.published(auth, r.organization(auth), map[string]any{"confirm_address": true})
	if ada := r.answer(eventID, "ada", 1).want(http.StatusCreated); ada.text("status") != "pending" {
		t.Fatalf("ada: %s", ada.body)
	}
	before := time.Now()
	ahead.advance(30 * time.Hour)
	testkit.Eventually(t, 20*time.Second, 50*time.Millisecond, func() error {
		var n int
		if err := r.pool.QueryRow(t.Context(), `SELECT count(*) FROM event_log WHERE event_id = $1 AND type = $2`, eventID, contract.RSVPExpiredV1).Scan(&n); err != nil || n != 1 {
			return fmt.Errorf("%d answers have run out: %w", n, err)
		}
		return nil
	})
	for _, c := range []struct{ query, want string }{
		{"as_of=" + stamp(before.Add(23*time.Hour)), `{"pending":1}`},
		{"as_of=" + stamp(before.Add(26*time.Hour)), `{"cancelled":1}`},
		{"known_at=" + stamp(before.Add(26*time.Hour)), `{"pending":1}`},
		{"known_at=" + stamp(before.Add(31*time.Hour)), `{"cancelled":1}`},
		{"as_of=" + stamp(before.Add(26*time.Hour)) + "&known_at=" + stamp(before.Add(26*time.Hour)), `{"pending":1}`},
	} {
		got := r.do(request{method: "GET", path: "/v1/events/" + eventID + "/history?" + c.query, auth: auth}).want(http.StatusOK)
		var state struct {
			RSVPs json.RawMessage `json:"rsvps"`
		}
		if err := json.Unmarshal(got.body, &state); err != nil || string(state.RSVPs) != c.want {
			t.Errorf("%s: %s, want %s", c.query, got.body, c.want)
		}
	}
}

// A device at the door brings at night what it saw in the evening. As of the
// evening that is so, and what happened since is not.
func TestHistoryOfTheEveningHasNothingOfTheNight(t *testing.T) {
	t.Parallel()
	r := start(t)
	auth := r.signUp("owner@example.org")
	eventID := r.published(auth, r.organization(auth), nil)
	ada := r.answer(eventID, "ada", 2).want(http.StatusCreated)
	scanned := time.Now()
	r.answer(eventID, "bob", 1).want(http.StatusCreated)
	r.do(request{method: "POST", path: "/v1/events/" + eventID + "/check-ins/batch", auth: auth, body: map[string]any{
		"entries": []any{map[string]any{"id": "1", "rsvp_id": ada.text("id"), "people": 1, "device": "gate", "at": scanned}},
	}}).want(http.StatusOK)
	for _, c := range []struct {
		query             string
		going, in, answer int
	}{
		{"as_of=" + stamp(scanned), 2, 1, 1},
		{"known_at=" + stamp(scanned), 2, 0, 1},
		{"as_of=" + stamp(time.Now()), 3, 1, 2},
	} {
		got := r.do(request{method: "GET", path: "/v1/events/" + eventID + "/history?" + c.query, auth: auth}).want(http.StatusOK)
		var s struct {
			Counters struct {
				Going     int
				CheckedIn int `json:"checked_in"`
			}
			RSVPs map[string]int `json:"rsvps"`
		}
		if err := json.Unmarshal(got.body, &s); err != nil || s.Counters.Going != c.going || s.Counters.CheckedIn != c.in || s.RSVPs["confirmed"] != c.answer {
			t.Errorf("%s: %s, %v; want %d going, %d inside, %d answers", c.query, got.body, err, c.going, c.in, c.answer)
		}
	}
}

// "Was she in at 18:42?" is answered for one guest, with who did it and when that became known.
func TestHistoryOfOneAnswer(t *testing.T) {
	t.Parallel()
	r := start(t)
	auth := r.signUp("owner@example.org")
	eventID := r.published(auth, r.organization(auth), nil)
	first := r.answer(eventID, "ada", 2).want(http.StatusCreated)
	ada := first.text("id")
	scanned := time.Now()
	bob := r.answer(eventID, "bob", 1).want(http.StatusCreated).text("id")
	mine := request{method: "PATCH", path: "/v1/rsvps/" + ada, auth: "Guest " + first.text("manage_token"), body: `{"party_size":3}`}
	r.do(mine).want(http.StatusOK)
	r.do(request{method: "POST", path: "/v1/events/" + eventID + "/check-ins/batch", auth: auth, body: map[string]any{
		"entries": []any{map[string]any{"id": "1", "rsvp_id": ada, "people": 1, "device": "gate", "at": scanned}},
	}}).want(http.StatusOK)
	path := "/v1/events/" + eventID + "/history?rsvp_id=" + ada
	var page struct {
		Items      []struct{ Type, Actor string }
		NextCursor *string `json:"next_cursor"`
	}
	var seen []string
	for cursor := ""; ; cursor = "&cursor=" + *page.NextCursor {
		got := r.do(request{method: "GET", path: path + "&limit=2" + cursor, auth: auth}).want(http.StatusOK)
		if err := json.Unmarshal(got.body, &page); err != nil {
			t.Fatal(err)
		}
		for _, m := range page.Items {
			seen = append(seen, m.Type)
		}
		if page.NextCursor == nil {
			break
		}
	}
	if want := []string{contract.RSVPConfirmedV1, contract.RSVPChangedV1, contract.CheckedInV1}; !slices.Equal(seen, want) {
		t.Errorf("of ada: %v, want %v", seen, want)
	}
	for _, c := range []struct {
		query     string
		party, in int
		last      string
	}{
		{"&as_of=" + stamp(scanned), 2, 1, contract.CheckedInV1},
		{"&known_at=" + stamp(scanned), 2, 0, contract.RSVPConfirmedV1},
		{"&as_of=" + stamp(time.Now()), 3, 1, contract.CheckedInV1},
	} {
		got := r.do(request{method: "GET", path: path + c.query, auth: auth}).want(http.StatusOK)
		var s struct {
			RSVP struct {
				ID, Status string
				PartySize  int `json:"party_size"`
				CheckedIn  int `json:"checked_in"`
				Last       struct{ Type, Actor string }
			}
		}
		if err := json.Unmarshal(got.body, &s); err != nil || s.RSVP.ID != ada || s.RSVP.Status != contract.StatusConfirmed ||
			s.RSVP.PartySize != c.party || s.RSVP.CheckedIn != c.in || s.RSVP.Last.Type != c.last || s.RSVP.Last.Actor == "" {
			t.Errorf("%s: %s, %v", c.query, got.body, err)
		}
	}
	r.do(request{method: "GET", path: "/v1/events/" + eventID + "/history?rsvp_id=" + bob + "&as_of=" + stamp(scanned), auth: auth}).want(http.StatusNotFound, "event-not-yet")
	r.do(request{method: "GET", path: "/v1/events/" + eventID + "/history?rsvp_id=x", auth: auth}).want(http.StatusBadRequest)
}

func stamp(at time.Time) string { return url.QueryEscape(at.Format(time.RFC3339Nano)) }

// Whoever changes the log is found out, whatever they change; the triggers
// that forbid it are taken away first, as an intruder would.
func TestVerifyFindsAnyChange(t *testing.T) {
	t.Parallel()
	r := start(t)
	auth := r.signUp("owner@example.org")
	eventID := r.published(auth, r.organization(auth), map[string]any{"capacity": 2})
	for i := range 4 {
		r.answer(eventID, "guest"+strconv.Itoa(i), 1).want(http.StatusCreated)
	}
	verify := func() response {
		return r.do(request{method: "GET", path: "/v1/events/" + eventID + "/history/verify", auth: auth}).want(http.StatusOK)
	}
	certificate := r.do(request{method: "GET", path: "/v1/events/" + eventID + "/certificate"}).want(http.StatusOK)
	if ok := verify(); ok.json()["intact"] != true || ok.number("version") != 6 || certificate.text("head") != ok.text("head") {
		t.Fatalf("untouched: %s", ok.body)
	}
	if v := certificate.json(); v["capacity_never_exceeded"] != true || v["most_seated"] != 2.0 {
		t.Errorf("certificate: %s", certificate.body)
	}
	if _, err := r.pool.Exec(t.Context(), `UPDATE event_log SET actor = 'member:me' WHERE event_id = $1`, eventID); err == nil {
		t.Fatal("the log can be changed")
	}
	exec := func(sql string) {
		if _, err := r.pool.Exec(t.Context(), sql, eventID); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.pool.Exec(t.Context(), `ALTER TABLE event_log DISABLE TRIGGER USER; CREATE TABLE kept AS TABLE event_log`); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		sql string
		at  int
	}{
		"an actor":   {`UPDATE event_log SET actor = 'member:me' WHERE event_id = $1 AND version = 3`, 3},
		"a time":     {`UPDATE event_log SET recorded_at = recorded_at - interval '1 hour' WHERE event_id = $1 AND version = 4`, 4},
		"a seat":     {`UPDATE event_log SET payload = replace(encode(payload, 'escape'), 'waitlisted', 'confirmed!')::bytea WHERE event_id = $1 AND version = 5`, 5},
		"a payload":  {`UPDATE event_log SET payload = 'x' WHERE event_id = $1 AND version = 5`, 5},
		"a message":  {`DELETE FROM event_log WHERE event_id = $1 AND version = 4`, 5},
		"the last":   {`DELETE FROM event_log WHERE event_id = $1 AND version = 6`, 6},
		"everything": {`DELETE FROM event_log WHERE event_id = $1`, 6},
	} {
		exec(c.sql)
		if got := verify(); got.json()["intact"] != false || got.number("broken_at") != c.at {
			t.Errorf("%s changed: %s; want it found at %d", name, got.body, c.at)
		}
		proof := r.do(request{method: "GET", path: "/v1/events/" + eventID + "/certificate"}).want(http.StatusOK)
		if never, there := proof.json()["capacity_never_exceeded"]; proof.json()["intact"] != false || !there || never != nil {
			t.Errorf("%s changed: %s; nobody can know whether the capacity was exceeded", name, proof.body)
		}
		exec(`DELETE FROM event_log WHERE event_id = $1`)
		exec(`INSERT INTO event_log SELECT * FROM kept WHERE event_id = $1`)
	}
	if ok := verify(); ok.json()["intact"] != true {
		t.Errorf("put back: %s", ok.body)
	}
}

// A log that is whole and has more people seated than seats says so, and where.
func TestCertificateOfAnEventThatWasOversold(t *testing.T) {
	t.Parallel()
	r := start(t)
	auth := r.signUp("owner@example.org")
	eventID := r.published(auth, r.organization(auth), map[string]any{"capacity": 2})
	for i := range 4 { // versions 3 to 6
		r.answer(eventID, "guest"+strconv.Itoa(i), 1).want(http.StatusCreated)
	}
	rows, err := r.pool.Query(t.Context(), `SELECT event_id, version, type, organization_id, valid_at, recorded_at, actor, reason,
		traceparent, payload, hash FROM event_log WHERE event_id = $1 ORDER BY version`, eventID)
	if err != nil {
		t.Fatal(err)
	}
	var log []contract.Envelope
	if err := pgstore.EachLogRow(rows, func(m *contract.Envelope) { log = append(log, *m) }); err != nil {
		t.Fatal(err)
	}
	for i, going := range map[int]string{4: `"going":3`, 5: `"going":4`} {
		log[i].Payload = []byte(strings.Replace(string(log[i].Payload), `"going":2`, going, 1))
	}
	head := pgstore.Chain(nil, log)
	if _, err := r.pool.Exec(t.Context(), `ALTER TABLE event_log DISABLE TRIGGER USER`); err != nil {
		t.Fatal(err)
	}
	for _, m := range log {
		if _, err := r.pool.Exec(t.Context(), `UPDATE event_log SET payload = $3, hash = $4 WHERE event_id = $1 AND version = $2`,
			eventID, m.Version, m.Payload, m.Chain); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.pool.Exec(t.Context(), `UPDATE event_counter SET chain = $2 WHERE event_id = $1`, eventID, head); err != nil {
		t.Fatal(err)
	}
	proof := r.do(request{method: "GET", path: "/v1/events/" + eventID + "/certificate"}).want(http.StatusOK)
	if v := proof.json(); v["intact"] != true || v["capacity_never_exceeded"] != false || v["most_seated"] != 4.0 ||
		fmt.Sprint(v["exceeded_at"]) != "[5 6]" {
		t.Errorf("certificate: %s", proof.body)
	}
	if _, err := r.pool.Exec(t.Context(), `DELETE FROM event_log WHERE event_id = $1 AND version = 6`, eventID); err != nil {
		t.Fatal(err)
	}
	proof = r.do(request{method: "GET", path: "/v1/events/" + eventID + "/certificate"}).want(http.StatusOK)
	if v := proof.json(); v["intact"] != false || v["capacity_never_exceeded"] != false || fmt.Sprint(v["exceeded_at"]) != "[5]" {
		t.Errorf("certificate of what is left: %s", proof.body)
	}
}
