package web

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
)

const historyAPI = "GET /v1/events/" + eventID + "/history"

func TestTimesAreTypedOnTheEventsClock(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ typed, zone, want string }{
		{"2026-07-01T18:30", "Europe/Berlin", "2026-07-01T16:30:00Z"}, {"2026-01-01T18:30", "Europe/Berlin", "2026-01-01T17:30:00Z"},
		{"2026-07-01T18:30:15", "Asia/Kathmandu", "2026-07-01T12:45:15Z"}, {"2026-07-01T18:30", "Nowhere/Else", "2026-07-01T18:30:00Z"},
		{"2026-07-01", "UTC", ""}, {"", "UTC", ""}, {"2026-13-01T10:00", "UTC", ""}, {"2026-07-01T18:30Z", "UTC", ""},
	} {
		got, err := onClock(c.typed, c.zone)
		if (err != nil) != (c.want == "") || err == nil && got.UTC().Format(time.RFC3339) != c.want {
			t.Errorf("%q in %s is %v, %v; want %q", c.typed, c.zone, got, err, c.want)
		}
	}
}

func TestHistoryTellsHowItWas(t *testing.T) {
	t.Parallel()
	item := `{"version":%d,"type":%q,"actor":%q,"reason":"Too <late>","valid_at":"2026-05-01T10:00:00Z","recorded_at":"2026-05-01T10:00:00Z","data":{"rsvp":{"id":%q,"party_size":2}}}`
	d := signedInDesk(t, "owner", map[string]string{
		historyAPI: `{"items":[` + fmt.Sprintf(item, 6, contract.RSVPConfirmedV1, "guest:"+rsvpID, rsvpID) + "," +
			fmt.Sprintf(item, 7, contract.RSVPCancelledV1, "member:"+ownOrg, rsvpID) + `],"next_cursor":null}`,
		historyAPI + "/verify": `{"version":7,"head":"abc123","intact":true}`,
		historyAPI + "?as_of=2026-05-01T16%3A30%3A00Z": `{"version":5,"event":{"title":"Old <name>","status":"draft","starts_at":"2026-06-01T16:00:00Z","ends_at":"2026-06-01T18:00:00Z",
			"time_zone":"Europe/Berlin","capacity":12},"counters":{"capacity":12,"going":5,"waitlisted":1},"rsvps":{"confirmed":3}}`,
		historyAPI + "?as_of=2001-01-01T00%3A00%3A00Z": `{"status":404,"code":"event-not-yet","detail":"no"}`,
	})
	_, page := d.see(eventPath + "/history?as_of=" + url.QueryEscape("2026-05-01T18:30") + "&check=1")
	has(t, page, "Friday 1 May 2026, 18:30", "Old &lt;name&gt;", "12 seats", "5 people", `<th scope="row">Going</th><td>3</td>`, "Yes. All 7 entries", "abc123",
		`href="/v1/events/`+eventID+`/certificate"`, "A party of 2 got seats", "The guest", "Member …000002", "Too &lt;late&gt;", eventPath+"/guests/"+rsvpID, `value="2026-05-01T18:30"`)
	if strings.Index(page, "was cancelled") > strings.Index(page, "got seats") {
		t.Error("the newest is not first")
	}
	status, page := d.see(eventPath + "/history?as_of=2001-01-01T01:00")
	has(t, page, "The event was not there yet at that time.", "got seats", `value="2001-01-01T01:00"`)
	if status != http.StatusNotFound {
		t.Errorf("%d", status)
	}
	if status, page = d.see(eventPath + "/history?as_of=%3Cb%3E"); status != http.StatusBadRequest {
		t.Errorf("%d", status)
	}
	has(t, page, "This is no date and time: &lt;b&gt;", `value="&lt;b&gt;"`)

	d.mu.Lock()
	d.answers["GET "+peopleAPI] = fmt.Sprintf(`{"items":[{"account_id":%q,"name":"Zoë <b>"}]}`, ownOrg)
	d.mu.Unlock()
	_, page = d.see(eventPath + "/history")
	has(t, page, "Zoë &lt;b&gt;")
	lacks(t, page, "Member …")

	draft := signedInDesk(t, "owner", map[string]string{historyAPI: `{"items":[]}`, historyAPI + "/verify": `{"version":1,"intact":true}`,
		"GET /v1/events/" + eventID: event(t, map[string]any{"organization_id": ownOrg, "status": "draft"})})
	_, page = draft.see(eventPath + "/history?check=1")
	has(t, page, "Yes. The one entry was counted")
	lacks(t, page, "/certificate") // nobody may see it yet
	moved := signedInDesk(t, "owner", map[string]string{historyAPI: `{"items":[{"version":3,"type":"` + contract.EventRescheduledV1 + `","data":{"event":{"starts_at":"2026-06-01T17:00:00Z",
		"ends_at":"2026-06-01T19:00:00Z","time_zone":"Europe/Berlin","venue":{"name":"Court <2>"}}}}]}`, historyAPI + "/verify": `{"version":3,"intact":true}`})
	_, page = moved.see(eventPath + "/history")
	has(t, page, "Since then it is Monday 1 June 2026, 19:00 – 21:00, Court &lt;2&gt;")

	broken := signedInDesk(t, "analyst", map[string]string{historyAPI: `{"items":[` + fmt.Sprintf(item, 1, contract.RSVPMaybeV1, "system:pending", rsvpID) + `]}`,
		historyAPI + "/verify": `{"version":7,"intact":false,"broken_at":4,"reason":"hash <x>"}`})
	_, page = broken.see(eventPath + "/history?check=1")
	has(t, page, "No. The chain breaks at entry 4: hash &lt;x&gt;", "Turnout (pending)")
	lacks(t, page, "/guests/"+rsvpID) // an analyst sees no guest
	away := signedInDesk(t, "owner", map[string]string{historyAPI: `{"items":[]}`, historyAPI + "/verify": `{"status":503,"detail":"Away"}`})
	_, page = away.see(eventPath + "/history?check=1")
	has(t, page, "It cannot be checked for the moment: Away")
}

// Pages go back from the newest entry without a gap and without one twice, whatever number there are.
func TestHistoryIsPagedFromItsEnd(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		version       int
		before        string
		asked, older  string
		first, proven bool
	}{
		{7, "", "cursor=0&limit=100", "", false, true}, {50, "", "cursor=0&limit=100", "", false, true}, {51, "", "cursor=1&limit=100", "before=2", false, true},
		{10_000, "", "cursor=9950&limit=100", "before=9951", false, true}, {10_000, "9951", "cursor=9900&limit=50", "before=9901", true, false},
		{51, "2", "cursor=0&limit=1", "", true, false}, {7, "-3", "cursor=0&limit=100", "", false, true}, {7, "x", "cursor=0&limit=100", "", false, true},
		{7, "1", "", "", false, false},
	} {
		d := signedInDesk(t, "owner", map[string]string{
			"GET /v1/events/" + eventID: event(t, map[string]any{"organization_id": ownOrg, "version": c.version}), historyAPI + "/verify": `{"intact":true}`,
			historyAPI: `{"items":[{"version":1,"type":"event.drafted.v1","actor":"x","valid_at":"2026-05-01T10:00:00Z","recorded_at":"2026-05-01T10:00:00Z"}]}`,
		})
		_, page := d.see(eventPath + "/history?before=" + c.before)
		asked := ""
		for _, q := range d.asked(historyAPI) {
			asked += q.query
		}
		if asked != c.asked || strings.Contains(page, `rel="next"`) != (c.older != "") || !strings.Contains(page, c.older) ||
			strings.Contains(page, ">Newest<") != c.first || strings.Contains(page, "Count them through now") != c.proven || len(d.asked(historyAPI+"/verify")) > 0 {
			t.Errorf("version %d before %q: asked %q\n%s", c.version, c.before, asked, page)
		}
	}
}

// Every message that there is has words of its own.
func TestEveryMessageHasWords(t *testing.T) {
	t.Parallel()
	for _, name := range contract.WireNames() {
		if about := contract.AboutOf(name); about != contract.AboutEvent && about != contract.AboutRSVP {
			continue // not in an event's log
		}
		if said := (loggedView{Type: name}).What(); strings.Contains(said, ".") || said == "" {
			t.Errorf("%s is told as %q", name, said)
		}
	}
}
