package web

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

const (
	guestsAPI = "GET /v1/events/" + eventID + "/guests"
	answerAPI = "/v1/rsvps/" + rsvpID
)

// anAnswer is a guest's with a name that means no good.
func anAnswer(status string, more string) string {
	return fmt.Sprintf(`{"id":%q,"event_id":%q,"status":%q,"response":"going","name":"Ada <script>","email":"ada@example.net","party_size":2,"why":"You wait.",
		"answers":{"gone":{"choices":["a","<b>"]}},"created_at":"2026-05-01T10:00:00Z","updated_at":"2026-05-01T10:00:00Z"%s}`, rsvpID, eventID, status, more)
}

func listOf(next string, items ...string) string {
	return fmt.Sprintf(`{"items":[%s],"total":120,"next_cursor":%s}`, strings.Join(items, ","), next)
}

func TestGuestListShowsWhatItWasAskedFor(t *testing.T) {
	t.Parallel()
	wrong := `,"checked_in":2,"conflicts":[{"at":"2026-05-01T18:00:00Z","conflict":"double","device":"Side <door>"}]`
	d := signedInDesk(t, "owner", map[string]string{guestsAPI: listOf(`"next one"`, anAnswer("pending", wrong))})
	status, page := d.see(eventPath + "/guests?q=ad+a&status=pending&checked_in=&sort=created&unknown=1&v=" + eventID + "@5")
	if status != http.StatusOK {
		t.Fatalf("%d\n%s", status, page)
	}
	has(t, page, "Ada &lt;script&gt;", "ada@example.net", "Fri 1 May 2026, 12:00", "120 answers", "<b>4</b> going of 10", "Side &lt;door&gt;", "a, &lt;b&gt;",
		`value="approve"`, `value="reject"`, `value="party"`, `name="back" value="q=ad&#43;a&amp;sort=created&amp;status=pending"`,
		`href="`+eventPath+`/guests.csv?q=ad&#43;a&amp;sort=created&amp;status=pending"`,
		`rel="next" href="`+eventPath+`/guests?cursor=next&#43;one&amp;q=ad&#43;a&amp;sort=created&amp;status=pending"`)
	lacks(t, page, "Ada <script>", "<b>\"", "<door>")
	asked := d.asked(guestsAPI)
	if len(asked) != 1 || asked[0].query != "limit=50&q=ad+a&sort=created&status=pending" || asked[0].header.Get("Turnout-Min-Version") != eventID+"@5" ||
		asked[0].header.Get("Authorization") != "Bearer a1" {
		t.Errorf("asked for %+v", asked)
	}
	for role, acts := range map[string]bool{"editor": true, "door": false} {
		d := signedInDesk(t, role, map[string]string{guestsAPI: listOf("null", anAnswer("pending", ""))})
		if _, page := d.see(eventPath + "/guests"); strings.Contains(page, `name="action"`) != acts {
			t.Errorf("%s: buttons shown: want %t\n%s", role, acts, page)
		}
	}
	none := signedInDesk(t, "owner", map[string]string{guestsAPI: `{"items":[],"total":0,"next_cursor":null}`})
	_, page = none.see(eventPath + "/guests")
	has(t, page, "Nobody has answered yet.")
	lacks(t, page, "<table")
	_, page = none.see(eventPath + "/guests?q=x")
	has(t, page, "Nobody fits.")
	analyst := signedInDesk(t, "analyst", map[string]string{guestsAPI: `{"status":403,"code":"forbidden","title":"Your role does not allow this","detail":"No."}`})
	if status, _ := analyst.see(eventPath + "/guests"); status != http.StatusForbidden {
		t.Errorf("an analyst gets %d", status)
	}
	misspelt := signedInDesk(t, "owner", map[string]string{guestsAPI: `{"status":400,"code":"invalid-input","detail":"x","errors":[{"pointer":"status","detail":"must be one of"}]}`})
	status, page = misspelt.see(eventPath + "/guests?status=seated&q=kept")
	if status != http.StatusBadRequest {
		t.Errorf("%d", status)
	}
	has(t, page, "must be one of", `value="kept"`)
}

// The places of the waitlist go on over its pages, and are not shown where the list leaves anybody of it out.
func TestWaitlistIsNumbered(t *testing.T) {
	t.Parallel()
	d := signedInDesk(t, "owner", map[string]string{guestsAPI: listOf(`"c2"`, anAnswer("waitlisted", ""), anAnswer("waitlisted", ""))})
	queue := "status=waitlisted&sort=queue"
	_, page := d.see(eventPath + "/guests?" + queue)
	has(t, page, `data-head="Place">1<`, `data-head="Place">2<`, "cursor=c2&amp;from=3&amp;")
	_, page = d.see(eventPath + "/guests?" + queue + "&cursor=c2&from=51")
	has(t, page, `data-head="Place">51<`, "from=53&amp;", ">First page<")
	for _, other := range []string{"status=waitlisted", queue + "&q=a", "sort=queue", queue + "&from=9"} {
		if _, page := d.see(eventPath + "/guests?" + other); strings.Contains(page, `data-head="Place">9<`) || other != queue+"&from=9" && strings.Contains(page, "Place") {
			t.Errorf("%s is numbered\n%s", other, page)
		}
	}
}

func TestGuestsAreChangedFromTheList(t *testing.T) {
	t.Parallel()
	d := signedInDesk(t, "editor", map[string]string{
		guestsAPI: listOf("null", anAnswer("confirmed", "")), "GET " + answerAPI: anAnswer("confirmed", ""),
		"POST " + answerAPI + "/approve": `{}`, "POST " + answerAPI + "/reject": `{}`, "PATCH " + answerAPI: `{}`, "DELETE " + answerAPI: `{}`,
	})
	form := func(action string, more ...string) url.Values {
		f := url.Values{"action": {action}, "rsvp": {rsvpID}, "back": {"status=pending&cursor=c2&evil=1"}, "key": {"RANDOM"}}
		for i := 0; i+1 < len(more); i += 2 {
			f.Set(more[i], more[i+1])
		}
		return f
	}
	for _, c := range []struct {
		form       url.Values
		what, body string
	}{
		{form("approve"), "POST " + answerAPI + "/approve", ""},
		{form("reject", "sure", "yes", "reason", " Full. "), "POST " + answerAPI + "/reject", `{"reason":"Full."}`},
		{form("party", "party_size", "3"), "PATCH " + answerAPI, `{"party_size":3}`},
		{form("cancel", "sure", "yes"), "DELETE " + answerAPI, ""},
	} {
		res, body := d.send(eventPath+"/guests", c.form)
		if want := eventPath + "/guests?cursor=c2&done=" + guestDone(c.form) + "&status=pending&v=" + url.QueryEscape(eventID+"@9"); res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != want {
			t.Errorf("%v: %d to %q, want %q\n%s", c.form, res.StatusCode, res.Header.Get("Location"), want, body)
		}
		got := d.asked(c.what)
		if len(got) != 1 || got[0].body != c.body || got[0].header.Get("Idempotency-Key") == "" {
			t.Errorf("%v: asked for %+v", c.form, got)
		}
	}
	// Twice the same form is one write; another number of people is another one.
	for _, size := range []string{"3", "4"} {
		d.send(eventPath+"/guests", form("party", "party_size", size))
	}
	got := d.asked("PATCH " + answerAPI)
	if one, two, three := got[0].header.Get("Idempotency-Key"), got[1].header.Get("Idempotency-Key"), got[2].header.Get("Idempotency-Key"); one != two || two == three {
		t.Errorf("keys %q %q %q", one, two, three)
	}
	// Another site's form changes nothing.
	before := len(d.writes())
	if res, _ := d.do("POST", eventPath+"/guests", form("approve").Encode(), "Cookie", accessCookie+"=a1", "Content-Type", formType, "Sec-Fetch-Site", "cross-site"); res.StatusCode != http.StatusForbidden {
		t.Errorf("another site: %d", res.StatusCode)
	}
	// What takes a seat away is asked once more, with the way back.
	for action, question := range map[string]string{"cancel": "Cancel the seat of Ada &lt;script&gt;?", "reject": "Reject Ada &lt;script&gt;?"} {
		_, page := d.send(eventPath+"/guests", form(action))
		has(t, page, question, `name="sure" value="yes"`, `name="rsvp" value="`+rsvpID+`"`, `name="action" value="`+action+`"`, `href="`+eventPath+`/guests?cursor=c2&amp;status=pending"`)
	}
	res, _ := d.send(eventPath+"/guests", form("party", "party_size", "many"))
	if nothing, _ := d.send(eventPath+"/guests", form("dance")); res.StatusCode != http.StatusBadRequest || nothing.StatusCode != http.StatusBadRequest || len(d.writes()) != before {
		t.Errorf("%d, %d, writes %q", res.StatusCode, nothing.StatusCode, d.writes()[before:])
	}
}

func TestWhatARefusedChangeSaidIsKept(t *testing.T) {
	t.Parallel()
	full := `{"status":409,"code":"not-enough-seats","title":"No","detail":"2 more are wanted, 1 is free"}`
	d := signedInDesk(t, "owner", map[string]string{guestsAPI: listOf("null", anAnswer("confirmed", "")), "GET " + answerAPI: anAnswer("confirmed", ""),
		"PATCH " + answerAPI: full, "DELETE " + answerAPI: full, "GET /v1/events/" + eventID + "/notifications": `{"items":[]}`,
		"GET /v1/events/" + eventID + "/history": `{"items":[]}`})
	form := url.Values{"action": {"party"}, "rsvp": {rsvpID}, "party_size": {"4"}, "back": {"q=ada"}, "key": {"k"}}
	for _, path := range []string{"/guests", "/guests/" + rsvpID} {
		res, page := d.send(eventPath+path, form)
		if res.StatusCode != http.StatusConflict {
			t.Errorf("%s: %d", path, res.StatusCode)
		}
		has(t, page, "2 more are wanted, 1 is free", `required value="4"`)
		res, page = d.send(eventPath+path, url.Values{"action": {"cancel"}, "rsvp": {rsvpID}, "reason": {"I <3 it"}, "sure": {"yes"}})
		if res.StatusCode != http.StatusConflict {
			t.Errorf("%s: %d", path, res.StatusCode)
		}
		has(t, page, "2 more are wanted, 1 is free", "I &lt;3 it</textarea>", "Cancel the seat of")
	}
}

func TestGuestsPageTellsEverything(t *testing.T) {
	t.Parallel()
	answers := map[string]string{
		"GET " + answerAPI: anAnswer("waitlisted", `,"position":3,"comment":"Oh <b>"`),
		"GET /v1/events/" + eventID + "/notifications": `{"items":[{"kind":"waitlisted","channel":"mail","state":"void","reason":"answered","outcome":"no-longer-going",
			"planned_at":"2026-05-01T10:00:00Z","due_at":"2026-05-01T10:00:00Z","sent_at":null}],"next_cursor":"older mail"}`,
		"GET /v1/events/" + eventID + "/history": `{"items":[{"version":4,"type":"rsvp.waitlisted.v1","actor":"member:` + accountID + `","valid_at":"2026-05-01T10:00:00Z",
			"recorded_at":"2026-05-01T10:30:00Z","data":{"rsvp":{"party_size":2,"door":[{"at":"2026-05-01T18:00:00Z","people":1,"conflict":"cancelled"}]}}}],"next_cursor":null}`,
	}
	for role, sees := range map[string]struct{ mail, erase bool }{"owner": {true, true}, "editor": {true, false}, "door": {false, false}} {
		d := signedInDesk(t, role, answers)
		_, page := d.see(eventPath + "/guests/" + rsvpID)
		has(t, page, "Ada &lt;script&gt;", "place 3", "“You wait.”", "Oh &lt;b&gt;", "A party of 2 joined the waitlist", ` · <span dir="auto">You`, "Fri 1 May 2026, 12:30",
			"Let in after the answer was cancelled (1 person)")
		if strings.Contains(page, "no longer going") != sees.mail || strings.Contains(page, "mails=older&#43;mail") != sees.mail || strings.Contains(page, `value="erase"`) != sees.erase {
			t.Errorf("%s: want mail %t, erasing %t\n%s", role, sees.mail, sees.erase, page)
		}
		if got := d.asked("GET /v1/events/" + eventID + "/notifications"); len(got) > 0 && got[0].query != "limit=50&rsvp_id="+rsvpID {
			t.Errorf("asked for the mail by %q", got[0].query)
		}
	}
	// What one store cannot tell does not hide what the others do.
	delete(answers, "GET /v1/events/"+eventID+"/notifications")
	answers["GET /v1/events/"+eventID+"/notifications"] = `{"status":503,"code":"unavailable","detail":"The mail is away"}`
	status, page := signedInDesk(t, "owner", answers).see(eventPath + "/guests/" + rsvpID)
	has(t, page, "The mail is away", "“You wait.”")
	if status != http.StatusOK {
		t.Errorf("%d", status)
	}
	answers["GET "+answerAPI] = strings.Replace(anAnswer("confirmed", ""), eventID, ownOrg, 1)
	if status, _ := signedInDesk(t, "owner", answers).see(eventPath + "/guests/" + rsvpID); status != http.StatusNotFound {
		t.Errorf("another event's answer: %d", status)
	}
}

func TestErasingIsAskedAndGivesAReceipt(t *testing.T) {
	t.Parallel()
	d := signedInDesk(t, "owner", map[string]string{"GET " + answerAPI: anAnswer("confirmed", ""),
		"POST /v1/privacy/erase": `{"erased_at":"2026-05-01T10:00:00Z","rsvps":[{"rsvp_id":"r1","event_id":"e1","status":"cancelled"}],"stores":[{"store":"kafka","what":"holds <cipher>","within":"at once"}]}`})
	path := eventPath + "/guests/" + rsvpID
	_, page := d.send(path, url.Values{"action": {"erase"}})
	has(t, page, "Erase <span dir=\"auto\">Ada &lt;script&gt;</span>?", `name="what" value="address" checked`, `name="sure" value="yes"`, `name="email" value="ada@example.net"`)
	if w := d.writes(); len(w) > 0 {
		t.Fatalf("erased without a question: %q", w)
	}
	form := url.Values{"action": {"erase"}, "sure": {"yes"}, "what": {"address"}, "email": {"ada@example.net"}, "key": {"k"}}
	res, page := d.send(path, form)
	has(t, page, "Erased Fri 1 May 2026, 12:00", "holds &lt;cipher&gt;", "Cancelled")
	if res.StatusCode != http.StatusOK {
		t.Errorf("%d", res.StatusCode)
	}
	form.Set("what", "answer")
	d.send(path, form)
	got := d.asked("POST /v1/privacy/erase")
	if len(got) != 2 || got[0].body != `{"email":"ada@example.net","organization_id":"`+ownOrg+`"}` || got[1].body != `{"organization_id":"`+ownOrg+`","rsvp_id":"`+rsvpID+`"}` ||
		got[0].header.Get("Idempotency-Key") == "" {
		t.Errorf("asked for %+v", got)
	}
}

// The file comes while it is made, and one that breaks off at its source breaks off here too.
func TestGuestListAsAFileIsPassedOn(t *testing.T) {
	t.Parallel()
	d := signedInDesk(t, "door", nil)
	more := make(chan struct{})
	var asked *http.Request
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, ".csv") {
			d.ServeHTTP(w, r)
			return
		}
		asked = r
		w.Header().Set("Content-Type", "text/csv; charset=utf-8")
		w.Header().Set("Content-Disposition", `attachment; filename="walk-guests.csv"`)
		_, _ = io.WriteString(w, "id,name\r\n"+strings.Repeat("x,y\r\n", 10_000))
		_ = http.NewResponseController(w).Flush()
		select {
		case <-more:
		case <-r.Context().Done():
		}
		panic(http.ErrAbortHandler)
	}))
	t.Cleanup(s.Close)
	o := startBefore(t, s, s, s)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, o.url+eventPath+"/guests.csv?status=confirmed&cursor=x&q=a+b", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Cookie", accessCookie+"=a1")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	r := bufio.NewReader(res.Body)
	if line, err := r.ReadString('\n'); err != nil || line != "id,name\r\n" {
		t.Fatalf("%q %v", line, err)
	}
	if got := asked.URL.RawQuery; got != "q=a+b&status=confirmed" || asked.Header.Get("Authorization") != "Bearer a1" || asked.Header.Get("Cookie") != "" {
		t.Errorf("asked by %q with %v", got, asked.Header)
	}
	if res.Header.Get("Content-Disposition") != `attachment; filename="walk-guests.csv"` || res.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%v", res.Header)
	}
	close(more)
	if _, err := io.Copy(io.Discard, r); err == nil {
		t.Error("half a file looks like a whole one")
	}
}
