package main

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/turnout-events/turnout/internal/testkit"
)

// Kafka that is filled again has the messages in other places. Whoever follows
// the changes is told so, by 410, and then gets every one, in order per event.
func TestNobodyFollowsTheFeedOfALostKafka(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.serveHere()
	w.organizer()
	var events []string
	for i := range 4 {
		id, _ := w.event("Lost "+strconv.Itoa(i), 20*24*time.Hour, nil)
		events = append(events, id)
	}
	for i := range 24 { // by turns, so that the log has them mixed, and a refill has not
		w.want(201, "POST", "/v1/events/"+events[i%4]+"/rsvps", map[string]any{
			"name": "g", "email": "g" + strconv.Itoa(i) + "@example.net", "response": "going", "party_size": 1,
		}, "Idempotency-Key", strconv.Itoa(i), "Authorization", "")
	}
	w.read("/v1/changes", "")     // who just founded an organization may not read it yet
	old := w.follow(t, 4*(1+1+6)) // each was made, published, answered
	half := w.page(t, "")

	s, err := newSystem(w.env, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	s.Kafka.Namespace = testkit.Namespace(t) // a Kafka that has nothing
	var said bytes.Buffer
	if err := refill(t.Context(), s, &said, t.Output()); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(said.String(), "410") {
		t.Errorf("the operator is told %q", &said)
	}
	for _, cursor := range []string{old, half.Next} {
		if got := w.want(http.StatusGone, "GET", "/v1/changes?after="+cursor, nil); !got.is("cursor-expired") {
			t.Errorf("a cursor of the log that is lost: %s", got.Body)
		}
	}
	w.follow(t, 4*(1+1+6))
}

type changesPage struct {
	Items []struct {
		EventID string `json:"event_id"`
		Version int64
	}
	Next string `json:"next_cursor"`
}

func (w *world) page(t *testing.T, after string) (p changesPage) {
	t.Helper()
	w.want(200, "GET", "/v1/changes?limit=5&after="+after, nil).decode(t, &p)
	return p
}

// follow reads the feed from its beginning until it has n messages, each event's
// versions one after the other, and gives the last cursor.
func (w *world) follow(t *testing.T, n int) string {
	t.Helper()
	versions, after := map[string][]int64{}, ""
	testkit.Eventually(t, 2*time.Minute, 100*time.Millisecond, func() error {
		for {
			p := w.page(t, after)
			after = p.Next
			for _, m := range p.Items {
				versions[m.EventID] = append(versions[m.EventID], m.Version)
			}
			if len(p.Items) == 0 {
				break
			}
		}
		got := 0
		for _, v := range versions {
			got += len(v)
		}
		if got != n {
			return fmt.Errorf("%d of %d messages", got, n)
		}
		return nil
	})
	for event, v := range versions {
		if !slices.IsSorted(v) || v[0] != 1 || v[len(v)-1] != int64(len(v)) {
			t.Errorf("event %s: %v", event, v)
		}
	}
	return after
}
