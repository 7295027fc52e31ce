package query_test

import (
	"bufio"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/document"
	"github.com/turnout-events/turnout/internal/testkit/described"
)

type found struct {
	Items []struct {
		ID         string    `json:"id"`
		Title      string    `json:"title"`
		DistanceKM *float64  `json:"distance_km"`
		StartsAt   time.Time `json:"starts_at"`
	} `json:"items"`
	NextCursor *string                     `json:"next_cursor"`
	Total      int64                       `json:"total"`
	Fuzzy      bool                        `json:"fuzzy"`
	Facets     map[string]map[string]int64 `json:"facets"`
}

// What was written is seen by who says that it was written: in the event, the
// seats and the search.
func TestReadYourWrites(t *testing.T) {
	t.Parallel()
	r := start(t)
	org := newID(t)
	e := r.event(org, "Zürcher Kaffeerunde", func(e *contract.Event) { e.Capacity = n(10) })
	v := r.publish(e, contract.Counters{Capacity: n(10)})

	got := ok[map[string]any](t, r.get("/v1/events/"+e.ID, atLeast(e.ID, v)...))
	if got["title"] != e.Title || got["version"] != float64(v) {
		t.Errorf("event is %v", got)
	}
	if bySlug := ok[map[string]any](t, r.get("/v1/events/"+e.Slug, atLeast(e.ID, v)...)); bySlug["id"] != e.ID {
		t.Errorf("by slug: %v", bySlug)
	}
	for i := range 5 {
		rsvp := contract.RSVP{ID: newID(t), Response: contract.Going, EventID: e.ID, OrganizationID: org, Status: contract.StatusConfirmed, PartySize: 1}
		v = r.answer(contract.RSVPConfirmedV1, rsvp, contract.Personal{Name: "A"}, contract.Counters{Capacity: n(10), Going: i + 1})
		seats := ok[document.Availability](t, r.get("/v1/events/"+e.ID+"/availability", atLeast(e.ID, v)...))
		if seats.Going < i+1 || seats.Version < v || *seats.Remaining != 10-seats.Going {
			t.Errorf("after answer %d: %+v", i+1, seats)
		}
	}
	hits := ok[found](t, r.get("/v1/events?q=zurich", atLeast(e.ID, v)...))
	if hits.Total != 0 && !hits.Fuzzy {
		t.Errorf("zurich is no word of the title, yet %d match exactly", hits.Total)
	}
	hits = ok[found](t, r.get("/v1/events?in=title&q=ZURCHER+kaffeerunde", atLeast(e.ID, v)...))
	if hits.Total != 1 || hits.Items[0].ID != e.ID || hits.Fuzzy {
		t.Errorf("folded search: %+v", hits)
	}
	for i := range 3 { // also what was suggested a moment ago is no answer then
		e.Title = "Kaffeerunde " + strconv.Itoa(i)
		e.Revision++
		env := r.next(e.ID, contract.EventEditedV1, org, contract.EventMessage{Event: e, Counters: contract.Counters{Capacity: n(10), Going: 5}})
		r.send(contract.TopicRegistrations, env)
		v = env.Version
		hits = ok[found](t, r.get("/v1/suggest?q=kaffee", atLeast(e.ID, v)...))
		if len(hits.Items) != 1 || hits.Items[0].Title != e.Title {
			t.Errorf("suggested after edit %d: %+v", i, hits)
		}
	}
	for _, path := range []string{"/v1/suggest?q=kaffee", "/v1/events/" + e.ID, "/v1/events/" + e.ID + "/availability"} {
		if late := r.late(path, atLeast(e.ID, v+1)...); !late.notYetVisible() || late.header.Get("Retry-After") != "1" {
			t.Errorf("%s of a version that never comes: %d %s, to be asked for again after %q", path, late.status, late.body, late.header.Get("Retry-After"))
		}
	}
}

// A draft and an unlisted event are where they may be seen, and nowhere else.
func TestWhoMaySee(t *testing.T) {
	t.Parallel()
	r := start(t)
	org, owner, stranger := newID(t), newID(t), newID(t)
	r.organization(org, contract.Member{AccountID: owner, Role: contract.RoleOwner})
	draft := r.event(org, "Draft", func(e *contract.Event) { e.Status = contract.EventDraft })
	unlisted := r.event(org, "Unlisted", func(e *contract.Event) { e.Visibility = contract.VisibilityUnlisted })
	public := r.event(org, "Public")
	abandoned := r.event(org, "Abandoned", func(e *contract.Event) { e.Status = contract.EventCancelled })
	v := r.publish(draft, contract.Counters{})
	dropped := r.publish(abandoned, contract.Counters{})
	hidden := r.publish(unlisted, contract.Counters{})
	last := r.publish(public, contract.Counters{})

	for path, seen := range map[string][]string{
		"/v1/events/" + draft.ID: atLeast(draft.ID, v), "/v1/events/" + draft.Slug: atLeast(draft.ID, v),
		"/v1/events/" + draft.ID + "/availability": atLeast(draft.ID, v),
		"/v1/events/" + abandoned.ID:               atLeast(abandoned.ID, dropped), "/v1/events/" + abandoned.ID + "/availability": atLeast(abandoned.ID, dropped),
		"/v1/events/" + abandoned.Slug + "/calendar.ics": atLeast(abandoned.ID, dropped),
	} {
		if got := r.get(path, seen...); got.status != http.StatusNotFound {
			t.Errorf("%s for anybody: %d", path, got.status)
		}
		if got := r.get(path, append(seen, "Authorization", "Bearer account:"+stranger)...); got.status != http.StatusNotFound {
			t.Errorf("%s for a stranger: %d", path, got.status)
		}
		if got := r.get(path, append(seen, "Authorization", "Bearer account:"+owner)...); got.status != http.StatusOK {
			t.Errorf("%s for its owner: %d %s", path, got.status, got.body)
		}
	}
	for _, path := range []string{"/v1/events?status=cancelled", "/v1/events?status=all"} {
		for _, e := range ok[found](t, r.get(path, atLeast(abandoned.ID, dropped)...)).Items {
			if e.ID == abandoned.ID {
				t.Errorf("%s finds what was never published", path)
			}
		}
	}
	ok[map[string]any](t, r.get("/v1/events/"+unlisted.ID, atLeast(unlisted.ID, hidden)...))
	if hits := ok[found](t, r.get("/v1/events", atLeast(public.ID, last)...)); hits.Total != 1 || hits.Items[0].ID != public.ID {
		t.Errorf("search finds %+v", hits.Items)
	}
	var mine found
	for id, version := range map[string]int64{draft.ID: v, abandoned.ID: dropped, unlisted.ID: hidden, public.ID: last} { // once it has all of them
		mine = ok[found](t, r.get("/v1/organizations/"+org+"/events", append(atLeast(id, version), "Authorization", "Bearer account:"+owner)...))
	}
	if mine.Total != 4 {
		t.Errorf("the organization's own list has %d", mine.Total)
	}
	for path, want := range map[string]int{
		"/v1/me":                                http.StatusOK,
		"/v1/organizations":                     http.StatusOK,
		"/v1/organizations/" + org + "/events":  http.StatusOK,
		"/v1/organizations/" + org + "/members": http.StatusOK,
		"/v1/events/" + public.ID + "/guests":   http.StatusOK,
	} {
		if got := r.get(path, "Authorization", "Bearer account:"+owner); got.status != want {
			t.Errorf("%s for the owner: %d %s", path, got.status, got.body)
		}
		if got := r.get(path); got.status != http.StatusUnauthorized {
			t.Errorf("%s for nobody: %d", path, got.status)
		}
	}
}

// Pages neither repeat nor skip, and a cursor is of no use for another query.
func TestCursor(t *testing.T) {
	t.Parallel()
	r := start(t)
	org := newID(t)
	published := map[string]int64{}
	for i := range 7 {
		e := r.event(org, "Talk "+strconv.Itoa(i))
		published[e.ID] = r.publish(e, contract.Counters{})
	}
	for id, v := range published { // each is of a partition of its own, and says nothing of the others
		ok[found](t, r.get("/v1/events?q=talk", atLeast(id, v)...))
	}
	seen := map[string]bool{}
	path := "/v1/events?q=talk&limit=3"
	next := ""
	for page := 0; page < 5; page++ {
		hits := ok[found](t, r.get(path+next))
		for _, e := range hits.Items {
			if seen[e.ID] {
				t.Errorf("%s came twice", e.ID)
			}
			seen[e.ID] = true
		}
		if hits.NextCursor == nil {
			break
		}
		next = "&cursor=" + *hits.NextCursor
		if got := r.get("/v1/events?q=talks&cursor=" + *hits.NextCursor); got.status != http.StatusBadRequest {
			t.Errorf("another query's cursor: %d", got.status)
		}
	}
	if len(seen) != 7 {
		t.Errorf("pages hold %d of 7", len(seen))
	}
}

// The last to start comes first, over pages too, and equal starts keep an order.
func TestLatestFirst(t *testing.T) {
	t.Parallel()
	r := start(t)
	org, first := newID(t), contract.Time(time.Now().Add(100*time.Hour))
	published := map[string]int64{}
	for i := range 7 {
		e := r.event(org, "Recital "+strconv.Itoa(i))
		e.StartsAt = first.Add(time.Duration(i/2) * time.Hour)
		e.EndsAt = e.StartsAt.Add(time.Hour)
		published[e.ID] = r.publish(e, contract.Counters{})
	}
	for id, v := range published {
		ok[found](t, r.get("/v1/events?q=recital", atLeast(id, v)...))
	}
	seen, before, next := map[string]bool{}, first.Add(1000*time.Hour), ""
	for range 4 {
		hits := ok[found](t, r.get("/v1/events?q=recital&sort=latest&limit=2"+next))
		for _, e := range hits.Items {
			if e.StartsAt.After(before) || seen[e.ID] {
				t.Errorf("%s starts at %s, behind %s; seen before: %t", e.ID, e.StartsAt, before, seen[e.ID])
			}
			seen[e.ID], before = true, e.StartsAt
		}
		if hits.NextCursor == nil {
			break
		}
		next = "&cursor=" + *hits.NextCursor
	}
	if len(seen) != 7 {
		t.Errorf("pages hold %d of 7", len(seen))
	}
}

func TestBadQueries(t *testing.T) {
	t.Parallel()
	r := start(t)
	for _, q := range []string{"limit=0", "limit=101", "limit=x", "colour=red", "near=91,0", "near=1", "radius=5", "sort=distance",
		"bbox=1,2,3", "bbox=0,50,1,40", "from=yesterday", "status=draft", "online=maybe", "country=Germany", "cursor=%7B%7D",
		"cursor=abc", "from=2030-01-02T00:00:00Z&to=2030-01-01T00:00:00Z", "q=" + strings.Repeat("a", 201), "past=1", "limit=1&limit=2",
		"near=0,0&radius=0", "near=0,0&radius=-1", "near=NaN,0", "tag=", "in=body", "%zz"} {
		got := r.get("/v1/events?" + q)
		if got.status != http.StatusBadRequest || !strings.HasPrefix(got.header.Get("Content-Type"), "application/problem+json") {
			t.Errorf("%s: %d %s", q, got.status, got.body)
		}
	}
	for _, q := range []string{"q=" + url.QueryEscape(`"*?~ OR {`), "q=" + url.QueryEscape("北京 🎉"), "near=0,180&radius=20040&sort=distance",
		"bbox=170,-20,-170,20", "from=2030-01-01&time_zone=Europe/Berlin", "from=2030-01-01T00:00:00+02:00", "available=true", "sort=popular"} {
		if got := r.get("/v1/events?" + q); got.status != http.StatusOK {
			t.Errorf("%s: %d %s", q, got.status, got.body)
		}
	}
}

// A guest sees the own state and why; a link that was replaced, or another's,
// opens nothing.
func TestGuestView(t *testing.T) {
	t.Parallel()
	r := start(t)
	org, owner, analyst := newID(t), newID(t), newID(t)
	r.organization(org, contract.Member{AccountID: owner, Role: contract.RoleOwner},
		contract.Member{AccountID: analyst, Role: contract.RoleAnalyst})
	e := r.event(org, "Full house", func(e *contract.Event) { e.Capacity = n(3) })
	r.publish(e, contract.Counters{Capacity: n(3)})
	seat := contract.RSVP{ID: newID(t), Response: contract.Going, EventID: e.ID, OrganizationID: org, Status: contract.StatusConfirmed, PartySize: 2, Epoch: 1}
	r.answer(contract.RSVPConfirmedV1, seat, contract.Personal{Name: "Ada", Email: "ada@example.org"}, contract.Counters{Capacity: n(3), Going: 2})
	var waiting []contract.RSVP
	var v int64
	for i := range 2 {
		w := contract.RSVP{ID: newID(t), Response: contract.Going, EventID: e.ID, OrganizationID: org, Status: contract.StatusWaitlisted, PartySize: 2, QueuedVersion: int64(3 + i)}
		v = r.answer(contract.RSVPWaitlistedV1, w, contract.Personal{Name: "Wait" + strconv.Itoa(i), Email: "w@example.org"},
			contract.Counters{Capacity: n(3), Going: 2, Waitlisted: 2 * (i + 1)})
		waiting = append(waiting, w)
	}
	asGuest := func(v contract.RSVP, epoch int) []string {
		tok, err := r.manage.Make(v.ID, epoch)
		must(t, err)
		return []string{"Authorization", "Guest " + tok}
	}
	ok[map[string]any](t, r.get("/v1/events/"+e.ID+"/guests", append(atLeast(e.ID, v), "Authorization", "Bearer account:"+owner)...))
	second := ok[map[string]any](t, r.get("/v1/rsvps/"+waiting[1].ID, append(asGuest(waiting[1], 0), atLeast(e.ID, v)...)...))
	if second["position"] != float64(2) || second["name"] != "Wait1" || !strings.Contains(second["why"].(string), "1 party is ahead") ||
		!strings.Contains(second["why"].(string), "1 seat is free, but your party has 2") {
		t.Errorf("the second in the queue sees %v", second)
	}
	if got := r.get("/v1/rsvps/"+seat.ID, asGuest(seat, 0)...); got.status != http.StatusUnauthorized {
		t.Errorf("a replaced link: %d %s", got.status, got.body)
	}
	if got := r.get("/v1/rsvps/"+seat.ID, asGuest(waiting[0], 0)...); got.status != http.StatusNotFound {
		t.Errorf("another's link: %d", got.status)
	}
	if got := r.get("/v1/rsvps/"+seat.ID, "Authorization", "Guest x"+asGuest(seat, 1)[1][7:]); got.status != http.StatusUnauthorized {
		t.Errorf("a changed link: %d", got.status)
	}
	if got := r.get("/v1/events/"+e.ID+"/guests", "Authorization", "Bearer account:"+analyst); got.status != http.StatusForbidden {
		t.Errorf("an analyst's guest list: %d", got.status)
	}
	list := ok[map[string]any](t, r.get("/v1/events/"+e.ID+"/guests?q=wai&status=waitlisted", "Authorization", "Bearer account:"+owner))
	if list["total"] != float64(2) {
		t.Errorf("guests whose name begins so: %v", list)
	}
	// Erased: the seat stays counted, the name is gone.
	r.keys.mu.Lock()
	r.keys.gone[seat.ID] = true
	r.keys.mu.Unlock()
	seat.Erased = true
	v = r.answer(contract.RSVPErasedV1, seat, contract.Personal{}, contract.Counters{Capacity: n(3), Going: 2, Waitlisted: 4})
	all := r.get("/v1/events/"+e.ID+"/guests", append(atLeast(e.ID, v), "Authorization", "Bearer account:"+owner)...)
	if strings.Contains(string(all.body), "Ada") || !strings.Contains(string(all.body), document.ErasedName) {
		t.Errorf("after erasing: %s", all.body)
	}
}

// A viewer gets what is there, then every later state or a later one still,
// never an older; and is let go at shutdown.
func TestStream(t *testing.T) {
	t.Parallel()
	r := start(t)
	e := r.event(newID(t), "Live", func(e *contract.Event) { e.Capacity = n(100) })
	v := r.publish(e, contract.Counters{Capacity: n(100)})
	ok[map[string]any](t, r.get("/v1/events/"+e.ID+"/availability", atLeast(e.ID, v)...))

	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.url+"/v1/events/"+e.ID+"/availability/stream", nil)
	must(t, err)
	res, err := (&http.Client{Transport: described.Transport(t, nil)}).Do(req)
	must(t, err)
	defer func() { _ = res.Body.Close() }()
	states := make(chan document.Availability, 100)
	go func() {
		defer close(states)
		lines := bufio.NewScanner(res.Body)
		for lines.Scan() {
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				var a document.Availability
				if json.Unmarshal([]byte(data), &a) == nil {
					states <- a
				}
			}
		}
	}()
	select {
	case first := <-states:
		if first.Version != v {
			t.Errorf("first state is %+v", first)
		}
	case <-time.After(time.Minute):
		t.Fatal("there is no first state")
	}
	var last int64
	for i := range 20 {
		last = r.answer(contract.RSVPConfirmedV1, contract.RSVP{ID: newID(t), Response: contract.Going, EventID: e.ID, Status: contract.StatusConfirmed, PartySize: 1},
			contract.Personal{}, contract.Counters{Capacity: n(100), Going: i + 1})
	}
	deadline := time.After(time.Minute)
	seen := v
	for seen < last {
		select {
		case a := <-states:
			if a.Version <= seen {
				t.Errorf("version %d after %d", a.Version, seen)
			}
			seen = a.Version
		case <-deadline:
			t.Fatalf("stream stopped at %d of %d", seen, last)
		}
	}
	r.stopQuery()
	select {
	case _, open := <-states:
		if open {
			t.Error("a state after the last one")
		}
	case <-time.After(time.Minute):
		t.Error("the stream outlives the server")
	}
}
