package query_test

import (
	"bytes"
	"encoding/csv"
	"image/png"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/document"
	"github.com/turnout-events/turnout/internal/token"
)

// story is an event with three guests: one came, one cancelled, one was moved
// up from the waitlist.
type story struct {
	org, owner string
	event      contract.Event
	version    int64
	came       contract.RSVP
}

func (r *readSide) story() story {
	t := r.t
	s := story{org: newID(t), owner: newID(t)}
	r.organization(s.org, contract.Member{AccountID: s.owner, Role: contract.RoleOwner})
	s.event = r.event(s.org, "Bouldering for beginners", func(e *contract.Event) {
		e.Capacity = n(2)
		e.Questions = []contract.Question{{ID: "diet", Label: "=Diet", Kind: contract.QuestionText}}
		e.SeriesID = newID(t)
	})
	r.publish(s.event, contract.Counters{Capacity: n(2)})
	rsvp := func(status string, party int) contract.RSVP {
		return contract.RSVP{ID: newID(t), Response: contract.Going, EventID: s.event.ID, OrganizationID: s.org, Status: status, PartySize: party, CreatedAt: time.Now().UTC()}
	}
	send := func(wire string, v contract.RSVP, before contract.Change, who contract.Personal, c contract.Counters) {
		env := r.sealed(wire, v, who, c)
		var body contract.RSVPMessage
		body, err := env.RSVP()
		must(t, err)
		body.Before = before
		env.Payload = encode(t, body)
		r.send(contract.TopicRegistrations, env)
		s.version = env.Version
	}
	ada := contract.Personal{Name: "=cmd|' /C calc'!A0", Email: "ada@example.org", EmailHMAC: []byte{1, 2, 3}, Answers: map[string]contract.Answer{"diet": {Text: "+nuts"}}}
	bob := contract.Personal{Name: "Bob, the \"builder\"", Email: "bob@example.org"}
	cem := contract.Personal{Name: "Çem", Email: "cem@example.org"}
	a, b, c := rsvp(contract.StatusConfirmed, 1), rsvp(contract.StatusConfirmed, 1), rsvp(contract.StatusWaitlisted, 1)
	send(contract.RSVPConfirmedV1, a, contract.Change{}, ada, contract.Counters{Capacity: n(2), Going: 1})
	send(contract.RSVPConfirmedV1, b, contract.Change{}, bob, contract.Counters{Capacity: n(2), Going: 2})
	send(contract.RSVPWaitlistedV1, c, contract.Change{}, cem, contract.Counters{Capacity: n(2), Going: 2, Waitlisted: 1})
	b.Status = contract.StatusCancelled
	send(contract.RSVPCancelledV1, b, contract.Change{Status: contract.StatusConfirmed, PartySize: 1}, bob, contract.Counters{Capacity: n(2), Going: 1, Waitlisted: 1})
	c.Status = contract.StatusConfirmed
	send(contract.RSVPPromotedV1, c, contract.Change{Status: contract.StatusWaitlisted, PartySize: 1}, cem, contract.Counters{Capacity: n(2), Going: 2})
	a.CheckedIn, a.Rating = 1, 5
	send(contract.CheckedInV1, a, contract.Change{Status: contract.StatusConfirmed, PartySize: 1}, ada, contract.Counters{Capacity: n(2), Going: 2, CheckedIn: 1})
	s.came = a
	return s
}

func (s story) member() []string {
	return append(atLeast(s.event.ID, s.version), "Authorization", "Bearer account:"+s.owner)
}

func TestGuestFiles(t *testing.T) {
	t.Parallel()
	r := start(t)
	s := r.story()
	link, err := r.manage.Make(s.came.ID, 0)
	must(t, err)

	asMember := s.member()
	list := r.get("/v1/events/"+s.event.ID+"/guests.csv", asMember...)
	rows, err := csv.NewReader(bytes.NewReader(list.body)).ReadAll()
	must(t, err)
	if len(rows) != 4 || rows[0][len(rows[0])-1] != "'=Diet" {
		t.Fatalf("csv: %q", rows)
	}
	for _, row := range rows[1:] {
		for _, cell := range row {
			if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
				t.Errorf("a spreadsheet runs %q", cell)
			}
		}
	}
	picture := r.get("/v1/rsvps/" + s.came.ID + "/ticket.png?token=" + link)
	if _, err := png.Decode(bytes.NewReader(picture.body)); err != nil || picture.status != http.StatusOK {
		t.Errorf("ticket: %d %v", picture.status, err)
	}
	if drawn := r.get("/v1/rsvps/" + s.came.ID + "/ticket.svg?token=" + link); !strings.HasPrefix(string(drawn.body), "<svg ") {
		t.Errorf("ticket: %d %.100s", drawn.status, drawn.body)
	}
	for _, path := range []string{"/v1/events/" + s.event.ID, "/v1/events/" + s.event.Slug, "/v1/organizations/" + s.org, "/v1/rsvps/" + s.came.ID} {
		got := r.get(path+"/calendar.ics", append(atLeast(s.event.ID, s.version), "Authorization", "Guest "+link)...)
		if !strings.Contains(string(got.body), "UID:"+s.event.ID) || !strings.HasPrefix(got.header.Get("Content-Type"), "text/calendar") {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
		again := r.get(path+"/calendar.ics", "Authorization", "Guest "+link, "If-None-Match", got.header.Get("ETag"))
		if again.status != http.StatusNotModified {
			t.Errorf("%s again: %d", path, again.status)
		}
	}
	sessions, err := token.NewSessions(r.ring)
	must(t, err)
	mine := ok[struct {
		Items []struct {
			ID        string         `json:"id"`
			Why       string         `json:"why"`
			ManageURL string         `json:"manage_url"`
			Event     map[string]any `json:"event"`
		} `json:"items"`
	}](t, r.get("/v1/me/rsvps", append(atLeast(s.event.ID, s.version), "Authorization", "Guest "+sessions.Session([]byte{1, 2, 3}, time.Now()))...))
	if len(mine.Items) != 1 || mine.Items[0].ID != s.came.ID || mine.Items[0].Event["title"] != s.event.Title {
		t.Fatalf("history: %+v", mine)
	}
	// From the list the guest comes to the answer; nothing that others read, and no store, has that link.
	own, there := strings.CutPrefix(mine.Items[0].ManageURL, "http://turnout.test/r/")
	if got := ok[map[string]any](t, r.get("/v1/rsvps/"+s.came.ID, "Authorization", "Guest "+own)); !there || got["id"] != s.came.ID || mine.Items[0].Why == "" {
		t.Errorf("by the link of the list: %v; the list said %+v", got, mine.Items[0])
	}
	doc, err := r.elastic.Get(t.Context(), document.GuestList, s.came.ID)
	must(t, err)
	shown := r.get("/v1/events/"+s.event.ID+"/guests", s.member()...)
	if strings.Contains(string(doc.Source), own) || strings.Contains(string(shown.body), own) || strings.Contains(string(shown.body), "manage_url") {
		t.Errorf("the link is kept or shown: %s, %s", doc.Source, shown.body)
	}
	if got := r.get("/v1/me/rsvps", "Authorization", "Guest "+link); got.status != http.StatusUnauthorized {
		t.Errorf("one RSVP's link opens the history: %d", got.status)
	}
	hits := ok[found](t, r.get("/v1/suggest?q=bould"))
	if len(hits.Items) != 1 || hits.Items[0].ID != s.event.ID {
		t.Errorf("suggest: %+v", hits)
	}
	if hits := ok[found](t, r.get("/v1/series/"+s.event.SeriesID)); len(hits.Items) != 1 {
		t.Errorf("series: %+v", hits)
	}
}

// What the door found wrong is in the guest list, by itself if one asks, and in the file; not with the guest's own.
func TestConflictsAtTheDoorAreListed(t *testing.T) {
	t.Parallel()
	r := start(t)
	s := r.story()
	dot := contract.RSVP{
		ID: newID(t), Response: contract.Going, EventID: s.event.ID, OrganizationID: s.org, Status: contract.StatusCancelled, PartySize: 1,
		CreatedAt: time.Now().UTC(), Door: []contract.Scan{
			{ID: "1", People: 1, Device: "north", At: time.Now().UTC(), Conflict: contract.ConflictCancelled}, {ID: "2", Undo: true, At: time.Now().UTC()},
		},
	}
	s.version = r.answer(contract.CheckedInV1, dot, contract.Personal{Name: "Dot", Email: "dot@example.org"}, contract.Counters{Capacity: n(2), Going: 2, CheckedIn: 1})
	type page struct {
		Items []struct {
			ID        string          `json:"id"`
			Conflicts []contract.Scan `json:"conflicts"`
		} `json:"items"`
	}
	for query, want := range map[string]int{"": 4, "?conflict=true": 1, "?conflict=false": 3} {
		got := ok[page](t, r.get("/v1/events/"+s.event.ID+"/guests"+query, s.member()...))
		if len(got.Items) != want {
			t.Errorf("guests%s: %d, want %d", query, len(got.Items), want)
		}
		for _, g := range got.Items {
			if (g.ID == dot.ID) != (len(g.Conflicts) == 1 && g.Conflicts[0].Device == "north" && g.Conflicts[0].Conflict == contract.ConflictCancelled) {
				t.Errorf("guests%s: %+v", query, g)
			}
		}
	}
	file := r.get("/v1/events/"+s.event.ID+"/guests.csv?conflict=true", s.member()...)
	rows, err := csv.NewReader(bytes.NewReader(file.body)).ReadAll()
	if err != nil || len(rows) != 2 || rows[1][slices.Index(rows[0], "conflicts")] != contract.ConflictCancelled {
		t.Errorf("%q, %v", rows, err)
	}
	link, err := r.manage.Make(dot.ID, 0)
	must(t, err)
	own := r.get("/v1/rsvps/"+dot.ID, append(atLeast(s.event.ID, s.version), "Authorization", "Guest "+link)...)
	if own.status != http.StatusOK || strings.Contains(string(own.body), "north") {
		t.Errorf("a guest reads %d %s", own.status, own.body)
	}
}

func TestAnalytics(t *testing.T) {
	t.Parallel()
	r := start(t)
	s := r.story()
	asMember := s.member()
	type flow struct {
		Answers, Confirmations, Cancellations, Waitlisted, Promotions int
		CheckIns                                                      int      `json:"check_ins"`
		CancelRate                                                    *float64 `json:"cancellation_rate"`
		Conversion                                                    *float64 `json:"waitlist_conversion"`
		Utilization                                                   *float64 `json:"utilization"`
	}
	want := flow{Answers: 3, Confirmations: 3, Cancellations: 1, Waitlisted: 1, Promotions: 1, CheckIns: 1}
	check := func(what string, got flow) {
		if got.CancelRate == nil || *got.CancelRate != .3333 || got.Conversion == nil || *got.Conversion != 1 {
			t.Errorf("%s: rates of %+v", what, got)
		}
		got.CancelRate, got.Conversion, got.Utilization = nil, nil, nil
		if got != want {
			t.Errorf("%s: %+v, want %+v", what, got, want)
		}
	}
	base := "/v1/organizations/" + s.org + "/analytics/"
	overview := ok[flow](t, r.get(base+"overview", asMember...))
	if overview.Utilization == nil || *overview.Utilization != 1 {
		t.Errorf("utilization %v", overview.Utilization)
	}
	check("overview", overview)
	for _, name := range []string{"popular", "cancellations"} {
		got := ok[struct{ Items []flow }](t, r.get(base+name, asMember...))
		if len(got.Items) != 1 {
			t.Fatalf("%s: %+v", name, got)
		}
		check(name, got.Items[0])
	}
	days := ok[struct{ Items []flow }](t, r.get(base+"daily?time_zone=Asia/Tokyo", asMember...)).Items
	var sum flow // one day, or two where it has been midnight there meanwhile
	for _, d := range days {
		sum.Answers, sum.Confirmations, sum.Cancellations = sum.Answers+d.Answers, sum.Confirmations+d.Confirmations, sum.Cancellations+d.Cancellations
		sum.Waitlisted, sum.Promotions, sum.CheckIns = sum.Waitlisted+d.Waitlisted, sum.Promotions+d.Promotions, sum.CheckIns+d.CheckIns
	}
	if len(days) == 1 {
		check("daily", days[0])
	} else if sum != want || len(days) > 2 {
		t.Errorf("daily: %+v, want %+v in all", days, want)
	}
	if usage := ok[struct{ Items []map[string]any }](t, r.get(base+"utilization", asMember...)); len(usage.Items) != 1 || usage.Items[0]["going"] != float64(2) {
		t.Errorf("utilization: %+v", usage)
	}
	one := r.get("/v1/events/"+s.event.ID+"/analytics", asMember...)
	check("event", ok[flow](t, one))
	figures := ok[struct {
		Status map[string]struct{ Parties, People int } `json:"by_status"`
		Curve  []struct{ People int }                   `json:"check_in_curve"`
		Lead   *struct {
			Median float64 `json:"median_hours"`
		} `json:"lead_time"`
	}](t, one)
	if figures.Status["confirmed"].Parties != 2 || figures.Status["cancelled"].People != 1 || len(figures.Curve) != 1 || figures.Curve[0].People != 1 ||
		figures.Lead == nil || figures.Lead.Median < 167 || figures.Lead.Median > 169 {
		t.Errorf("figures: %s", one.body)
	}
	if nothing := ok[flow](t, r.get(base+"overview?to=2020-01-01", asMember...)); nothing.Answers != 0 || nothing.CancelRate != nil {
		t.Errorf("before everything: %+v", nothing)
	}
}

// The feed has every message once per reader, in order per event, and nothing
// personal.
func TestChanges(t *testing.T) {
	t.Parallel()
	r := start(t)
	s := r.story()
	asMember := s.member()
	after := ""
	var got []int64
	for range 10 {
		page := ok[struct {
			Items []struct {
				EventID string `json:"event_id"`
				Version int64  `json:"version"`
			} `json:"items"`
			Next string `json:"next_cursor"`
		}](t, r.get("/v1/changes?limit=3&after="+after, asMember...))
		if len(page.Items) == 0 {
			break
		}
		for _, item := range page.Items {
			got = append(got, item.Version)
		}
		after = page.Next
	}
	if len(got) != int(s.version) {
		t.Fatalf("feed has %v, want 1 to %d", got, s.version)
	}
	for i, v := range got {
		if v != int64(i+1) {
			t.Errorf("feed has %v", got)
			break
		}
	}
	if all := r.get("/v1/changes", asMember...); strings.Contains(string(all.body), "sealed") {
		t.Error("the feed hands out ciphertext")
	}
	if other := r.get("/v1/changes?after=xyz", asMember...); other.status != http.StatusBadRequest {
		t.Errorf("a made-up cursor: %d", other.status)
	}
	if stranger := r.get("/v1/changes?organization_id="+s.org, "Authorization", "Bearer account:"+newID(t)); stranger.status != http.StatusNotFound {
		t.Errorf("a stranger: %d", stranger.status)
	}
}
