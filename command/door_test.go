package command_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/turnout-events/turnout/internal/token"
)

func (r *role) ticket(t *testing.T, k token.Ticket) string {
	t.Helper()
	tickets, err := token.NewTickets(r.ring)
	if err != nil {
		t.Fatal(err)
	}
	text, err := tickets.Sign(k)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestDoorHearsWhatATicketIsWorth(t *testing.T) {
	t.Parallel()
	r := start(t)
	auth := r.signUp("owner@example.org")
	orgID := r.organization(auth)
	eventID, otherID := r.published(auth, orgID, map[string]any{"capacity": 3}), r.published(auth, orgID, nil)
	ada := r.answer(eventID, "ada", 3).want(http.StatusCreated).text("id")
	bob := r.answer(eventID, "bob", 1).want(http.StatusCreated)
	cleo := r.answer(otherID, "cleo", 1).want(http.StatusCreated).text("id")
	r.do(request{method: "DELETE", path: "/v1/rsvps/" + cleo, auth: auth}).want(http.StatusOK)
	path := "/v1/events/" + eventID + "/check-ins"
	scan := func(body map[string]any) response {
		return r.do(request{method: "POST", path: path, auth: auth, body: body}).want(http.StatusOK)
	}
	good := r.ticket(t, token.Ticket{EventID: eventID, RSVPID: ada, PartySize: 3})
	for name, c := range map[string]struct {
		body map[string]any
		want string
	}{
		"another event's":  {map[string]any{"ticket": r.ticket(t, token.Ticket{EventID: otherID, RSVPID: cleo, PartySize: 1})}, "wrong_event"},
		"revoked":          {map[string]any{"ticket": r.ticket(t, token.Ticket{EventID: eventID, RSVPID: ada, Epoch: 1, PartySize: 3})}, "unknown"},
		"forged":           {map[string]any{"ticket": good[:len(good)-4] + "AAAA"}, "unknown"},
		"of nobody":        {map[string]any{"rsvp_id": unique(t)}, "unknown"},
		"not an id":        {map[string]any{"rsvp_id": "bob"}, "unknown"},
		"still waiting":    {map[string]any{"rsvp_id": bob.text("id")}, "not_confirmed"},
		"of another event": {map[string]any{"rsvp_id": cleo}, "unknown"},
	} {
		if got := scan(c.body); got.text("outcome") != c.want {
			t.Errorf("%s: %s, want %s", name, got.body, c.want)
		}
	}
	if got := scan(map[string]any{"ticket": good, "people": 2, "device": "gate 1"}); got.text("outcome") != "admitted" || got.number("people") != 2 || got.number("checked_in") != 2 {
		t.Errorf("two of three: %s", got.body)
	}
	if got := scan(map[string]any{"ticket": good}); got.text("outcome") != "admitted" || got.number("people") != 1 || got.number("checked_in") != 3 {
		t.Errorf("the rest of the party: %s", got.body)
	}
	if got := scan(map[string]any{"ticket": good}); got.text("outcome") != "already" || got.number("people") != 0 {
		t.Errorf("all inside: %s", got.body)
	}
	if got := r.do(request{method: "DELETE", path: path + "/" + ada, auth: auth}).want(http.StatusOK); got.text("outcome") != "undone" {
		t.Errorf("undone: %s", got.body)
	}
	r.do(request{method: "DELETE", path: path + "/" + unique(t), auth: auth}).want(http.StatusNotFound)

	// A repeat hears what was said when the ticket was still good; anybody else hears that it is not.
	keyed := request{method: "POST", path: path, auth: auth, key: "scan-1", body: map[string]any{"ticket": good, "people": 1}}
	first := r.do(keyed).want(http.StatusOK)
	if _, err := r.pool.Exec(t.Context(), `UPDATE rsvp SET epoch = epoch + 1 WHERE id = $1`, ada); err != nil {
		t.Fatal(err)
	}
	if again := r.do(keyed); again.status != first.status || !bytes.Equal(again.body, first.body) {
		t.Errorf("again: %s\nfirst: %s", again.body, first.body)
	}
	if got := scan(map[string]any{"ticket": good, "people": 1}); got.text("outcome") != "unknown" {
		t.Errorf("a revoked ticket: %s", got.body)
	}
}

// Two devices were offline. Whoever syncs first, the event ends the same, and
// the double entry is named.
func TestOfflineBatchesMergeInAnyOrder(t *testing.T) {
	t.Parallel()
	r := start(t)
	auth := r.signUp("owner@example.org")
	orgID := r.organization(auth)
	at := func(minute int) string {
		return time.Now().Add(time.Duration(minute-60) * time.Minute).UTC().Format(time.RFC3339)
	}
	run := func(first, second int) (checkedIn int, conflicts string) {
		eventID := r.published(auth, orgID, nil)
		ada := r.answer(eventID, "ada", 2).want(http.StatusCreated).text("id")
		batches := []map[string]any{
			{"entries": []map[string]any{
				{"id": "g1-1", "rsvp_id": ada, "people": 2, "device": "gate 1", "at": at(1)},
				{"id": "g1-2", "ticket": "no ticket", "device": "gate 1", "at": at(2)},
			}},
			{"entries": []map[string]any{{"id": "g2-1", "rsvp_id": ada, "people": 1, "device": "gate 2", "at": at(3)}}},
		}
		found := map[string]bool{}
		for _, i := range []int{first, second, first} { // and a device that sends its batch again
			got := r.do(request{method: "POST", path: "/v1/events/" + eventID + "/check-ins/batch", auth: auth, body: batches[i]}).want(http.StatusOK)
			var v struct {
				Items []struct {
					EntryID   string `json:"entry_id"`
					Outcome   string
					CheckedIn int `json:"checked_in"`
				}
				Conflicts []struct {
					EntryID string `json:"entry_id"`
				}
			}
			if err := json.Unmarshal(got.body, &v); err != nil || len(v.Items) != 2-i {
				t.Fatalf("%s, %v", got.body, err)
			}
			checkedIn = v.Items[0].CheckedIn
			for _, c := range v.Conflicts {
				found[c.EntryID] = true
			}
		}
		return checkedIn, strings.Join(slices.Sorted(maps.Keys(found)), " ")
	}
	for _, order := range [][2]int{{0, 1}, {1, 0}} {
		if in, conflicts := run(order[0], order[1]); in != 2 || conflicts != "g2-1" {
			t.Errorf("synced as %v: %d inside, conflicts %q; want 2, and the later scan named", order, in, conflicts)
		}
	}
}

// A device that scanned nothing but other events' tickets hears so of each, and the same again when it sends them again.
func TestABatchOfNothingButStrangersIsAnswered(t *testing.T) {
	t.Parallel()
	r := start(t)
	auth := r.signUp("owner@example.org")
	orgID := r.organization(auth)
	eventID, otherID := r.published(auth, orgID, nil), r.published(auth, orgID, nil)
	at := time.Now().UTC().Format(time.RFC3339)
	cleo := r.answer(otherID, "cleo", 1).want(http.StatusCreated).text("id")
	batch := request{method: "POST", path: "/v1/events/" + eventID + "/check-ins/batch", auth: auth, key: unique(t), body: map[string]any{
		"entries": []map[string]any{
			{"id": "1", "ticket": r.ticket(t, token.Ticket{EventID: otherID, RSVPID: cleo, PartySize: 1}), "at": at},
			{"id": "2", "ticket": "no ticket", "at": at},
		},
	}}
	first := r.do(batch).want(http.StatusOK)
	var got struct {
		Items []struct {
			Outcome string
		}
		Version int
	}
	if err := json.Unmarshal(first.body, &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Items) != 2 || got.Items[0].Outcome != "wrong_event" || got.Items[1].Outcome != "unknown" || got.Version != 2 {
		t.Errorf("%s", first.body)
	}
	r.answer(eventID, "ada", 1).want(http.StatusCreated) // the event moves on
	if again := r.do(batch).want(http.StatusOK); !bytes.Equal(again.body, first.body) {
		t.Errorf("again: %s\nfirst: %s", again.body, first.body)
	}
	batch.key, batch.body = "", map[string]any{"entries": []any{}}
	r.do(batch).want(http.StatusBadRequest)
}
