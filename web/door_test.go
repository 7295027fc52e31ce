package web

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/turnout-events/turnout/internal/testkit"
	"github.com/turnout-events/turnout/internal/token"
)

// toldRole is a request as a role got it.
type toldRole struct {
	method, path, query, body string
	header                    http.Header
}

// doorWorld is the pages before roles that note what they are asked.
type doorWorld struct {
	*origin
	mu    sync.Mutex
	asked []toldRole
}

// last is the latest request for a path.
func (d *doorWorld) last(path string) toldRole {
	d.t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := len(d.asked) - 1; i >= 0; i-- {
		if d.asked[i].path == path {
			return d.asked[i]
		}
	}
	d.t.Fatalf("nobody asked for %s", path)
	return toldRole{}
}

// door asks as who has signed in does.
func (d *doorWorld) door(method, path, body string, headers ...string) (*http.Response, string) {
	d.t.Helper()
	headers = append([]string{"Cookie", accessCookie + "=mine", "Accept", "application/json", "Content-Type", "application/json"}, headers...)
	return d.do(method, "/door/"+path, body, headers...)
}

func newDoorWorld(t *testing.T, role string, answers map[string]string) *doorWorld {
	t.Helper()
	d := &doorWorld{origin: start(t, nil, nil)}
	ring := d.ring
	_ = d.stop() // its roles note nothing
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		d.mu.Lock()
		d.asked = append(d.asked, toldRole{r.Method, r.URL.Path, r.URL.RawQuery, string(body), r.Header.Clone()})
		d.mu.Unlock()
		answer, known := answers[r.Method+" "+r.URL.Path+"?"+r.URL.RawQuery]
		if !known {
			answer, known = answers[r.Method+" "+r.URL.Path]
		}
		switch {
		case r.URL.Path == "/v1/me":
			answer = fmt.Sprintf(`{"organizations":[{"id":"org","role":%q}]}`, role)
		case r.URL.Path == "/v1/events/"+eventID && !known, r.URL.Path == "/v1/events/walk":
			answer = event(t, map[string]any{"organization_id": "org"})
		case !known:
			answer = `{"status":404,"code":"not-found","title":"no","detail":"no"}`
		}
		var problem struct{ Status int }
		w.Header().Set("Turnout-Version", eventID+"@7")
		if json.Unmarshal([]byte(answer), &problem) == nil && problem.Status >= http.StatusBadRequest {
			w.WriteHeader(problem.Status)
		}
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(upstream.Close)
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	u := upstream.URL
	w, err := New(ctx, Config{
		Addr: "127.0.0.1:0", OpsAddr: "127.0.0.1:0", CommandURL: u, QueryURL: u, NotifierURL: u, CommandOpsURL: u, ProjectorOpsURL: u,
		NotifierOpsURL: u, RelayOpsURL: u, PublicURL: "http://127.0.0.1",
	}, Deps{Log: testkit.Logger(t), Keyring: ring})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	<-w.Ready()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	d.origin = &origin{t: t, url: "http://" + w.Addr(), ring: ring}
	return d
}

// The page is for those who may let people in; it tells nothing about a guest, and gives the key with which tickets verify.
func TestTheDoorIsForItsStaff(t *testing.T) {
	t.Parallel()
	for role, status := range map[string]int{"owner": 200, "editor": 200, "door": 200, "analyst": 403} {
		d := newDoorWorld(t, role, nil)
		res, body := d.door("GET", eventID, "")
		if res.StatusCode != status {
			t.Errorf("%s gets %d\n%s", role, res.StatusCode, body)
		}
		if status != 200 {
			continue
		}
		tickets, err := token.NewTickets(d.ring)
		if err != nil {
			t.Fatal(err)
		}
		if key := base64.RawURLEncoding.EncodeToString(tickets.PublicKeys()[0]); !strings.Contains(body, `data-keys="`+key+`"`) {
			t.Errorf("the page lacks the key %s", key)
		}
		if back := strings.Contains(body, `href="/o/events/`+eventID); back != (role != "door") {
			t.Errorf("%s: a link to the event: %t", role, back)
		}
		if strings.Contains(body, "<script>alert") || strings.Contains(body, "mine") {
			t.Errorf("text is not text, or the token is in the page\n%s", body)
		}
		if p := res.Header.Get("Permissions-Policy"); p != "camera=(self), microphone=(), geolocation=()" {
			t.Errorf("policy %q", p)
		}
		if d.last("/v1/events/"+eventID).header.Get("Authorization") != "Bearer mine" {
			t.Error("asked without the member's token")
		}
		if res, _ = d.door("GET", "walk", ""); res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != "/door/"+eventID {
			t.Errorf("by its slug: %d %s", res.StatusCode, res.Header.Get("Location"))
		}
	}
	elsewhere := newDoorWorld(t, "owner", map[string]string{"GET /v1/events/" + eventID: event(t, map[string]any{"organization_id": "another"})})
	if res, body := elsewhere.door("GET", eventID, ""); res.StatusCode != 404 {
		t.Errorf("another organization's: %d\n%s", res.StatusCode, body)
	}
}

// A device gets what the door needs of each guest, and no more; a large list comes in few answers.
func TestTheListIsWhatTheDoorNeeds(t *testing.T) {
	t.Parallel()
	answers := map[string]string{}
	path := "GET /v1/events/" + eventID + "/guests?"
	for i := range 12 {
		query := "limit=100&sort=created"
		if i > 0 {
			query = fmt.Sprintf("cursor=c%d&", i) + query
		}
		next := fmt.Sprintf(`"c%d"`, i+1)
		if i == 11 {
			next = "null"
		}
		answers[path+query] = fmt.Sprintf(`{"total":12,"next_cursor":%s,"items":[{"id":"g%d","name":"Ann","email":"ann@example.net","status":"confirmed","party_size":2,
			"checked_in":1,"version":9,"locale":"de","answers":{"q":{"text":"secret"}},"comment":"secret",
			"conflicts":[{"id":"e","people":2,"device":"North","at":"2026-01-02T03:04:05Z","conflict":"double"}]}]}`, next, i)
	}
	d := newDoorWorld(t, "door", answers)
	var page struct {
		Items []map[string]any `json:"items"`
		Next  *string          `json:"next_cursor"`
		Total int              `json:"total"`
	}
	res, body := d.door("GET", eventID+"/guests?v=a@5", "")
	if err := json.Unmarshal([]byte(body), &page); err != nil || res.StatusCode != 200 || len(page.Items) != doorPages || page.Next == nil || *page.Next != "c10" {
		t.Fatalf("%d %v\n%s", res.StatusCode, err, body)
	}
	if got := d.last("/v1/events/" + eventID + "/guests").header.Get("Turnout-Min-Version"); got != "a@5" {
		t.Errorf("asked for version %q", got)
	}
	want := `{"id":"g0","name":"Ann","email":"ann@example.net","status":"confirmed","party":2,"in":1,"version":9,` +
		`"conflicts":[{"id":"e","people":2,"device":"North","at":"2026-01-02T03:04:05Z","conflict":"double"}]}`
	if !strings.Contains(body, want) || strings.Contains(body, "secret") || res.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%v\n%s", res.Header, body)
	}
	page.Next = nil
	if _, body = d.door("GET", eventID+"/guests?cursor=c10", ""); json.Unmarshal([]byte(body), &page) != nil || len(page.Items) != 2 || page.Next != nil {
		t.Errorf("the end: %s", body)
	}
	empty := newDoorWorld(t, "door", map[string]string{"GET /v1/events/" + eventID + "/guests": `{"items":[],"total":0,"next_cursor":null}`})
	if _, body = empty.door("GET", eventID+"/guests", ""); body != `{"items":[],"next_cursor":null,"total":0}` {
		t.Errorf("nobody: %s", body)
	}
}

// What the script sends goes on as it is, under its key and with the member's token; what the API says comes back.
func TestTheDoorPassesOnWhatItIsTold(t *testing.T) {
	t.Parallel()
	e := "/v1/events/" + eventID
	refused := `{"status":400,"code":"invalid","title":"No","detail":"Not so.","errors":[{"pointer":"/entries/0/at","detail":"is too early"}]}`
	d := newDoorWorld(t, "door", map[string]string{
		"POST " + e + "/check-ins": `{"outcome":"admitted","rsvp_id":"r"}`, "DELETE " + e + "/check-ins/" + rsvpID: `{"outcome":"undone"}`,
		"POST " + e + "/check-ins/batch": refused, "GET " + e + "/availability": `{"going":3}`,
		"POST " + e + "/rsvps": `{"id":"r","status":"confirmed","party_size":2,"version":8,"manage_token":"TOKEN","manage_url":"/r/TOKEN"}`,
	})
	for _, c := range []struct{ method, path, body, to, answer string }{
		{"POST", "/check-ins", `{"ticket":"T","people":0,"id":"e1"}`, e + "/check-ins", `{"outcome":"admitted","rsvp_id":"r"}`},
		{"DELETE", "/check-ins/" + rsvpID, `{"id":"e2"}`, e + "/check-ins/" + rsvpID, `{"outcome":"undone"}`},
		{"GET", "/counts", "", e + "/availability", `{"going":3}`},
	} {
		res, body := d.door(c.method, eventID+c.path, c.body, "Idempotency-Key", "k"+c.path)
		got := d.last(c.to)
		if res.StatusCode != 200 || body != c.answer || res.Header.Get("Turnout-Version") != eventID+"@7" || got.body != c.body {
			t.Errorf("%s: %d %s; sent %q", c.path, res.StatusCode, body, got.body)
		}
		if got.header.Get("Authorization") != "Bearer mine" || got.header.Get("Idempotency-Key") != "k"+c.path {
			t.Errorf("%s went with %v", c.path, got.header)
		}
	}
	res, body := d.door("POST", eventID+"/check-ins/batch", `{"entries":[{}]}`)
	if res.StatusCode != 400 || !strings.Contains(body, `"pointer":"/entries/0/at"`) || !strings.HasPrefix(res.Header.Get("Content-Type"), "application/problem+json") {
		t.Errorf("a refusal: %d %v %s", res.StatusCode, res.Header, body)
	}
	res, body = d.door("POST", eventID+"/rsvps", `{"name":" Walt ","email":"","party_size":2,"status":"confirmed"}`, "Idempotency-Key", "w")
	if got := d.last(e + "/rsvps").body; got != `{"name":"Walt","party_size":2,"response":"going"}` {
		t.Errorf("a walk-in is sent as %s", got)
	}
	d.door("POST", eventID+"/rsvps", `{"name":"Walt","party_size":1,"answers":{"diet":{"text":"all"},"bring":{"choices":["jam"]}}}`, "Idempotency-Key", "x")
	if got := d.last(e + "/rsvps").body; got != `{"answers":{"bring":{"choices":["jam"]},"diet":{"text":"all"}},"name":"Walt","party_size":1,"response":"going"}` {
		t.Errorf("a walk-in with answers is sent as %s", got)
	}
	if res.StatusCode != 200 || strings.Contains(body, "TOKEN") || !strings.Contains(body, `"status":"confirmed"`) {
		t.Errorf("a walk-in: %d %s", res.StatusCode, body)
	}
}

func TestTheDoorRefusesWhatIsNotItsOwn(t *testing.T) {
	t.Parallel()
	d := newDoorWorld(t, "door", map[string]string{
		"POST /v1/events/" + eventID + "/check-ins":       `{"outcome":"admitted"}`,
		"POST /v1/events/" + eventID + "/check-ins/batch": `{"status":401,"code":"unauthorized","title":"No","detail":"over"}`,
	})
	for name, c := range map[string]struct {
		method, path, body string
		headers            []string
		status             int
	}{
		"another site":        {"POST", eventID + "/check-ins", `{}`, []string{"Sec-Fetch-Site", "cross-site"}, 403},
		"another site's form": {"POST", eventID + "/check-ins", `{}`, []string{"Origin", "https://elsewhere.example"}, 403},
		"no JSON":             {"POST", eventID + "/check-ins", `{`, nil, 400},
		"a form":              {"POST", eventID + "/check-ins", `{}`, []string{"Content-Type", "text/plain"}, 400},
		"too much":            {"POST", eventID + "/check-ins", `"` + strings.Repeat("x", maxDoorBody) + `"`, nil, 400},
		"no event":            {"POST", "walk/check-ins", `{}`, nil, 404},
		"no answer":           {"DELETE", eventID + "/check-ins/..%2Fbatch", "", nil, 404},
		"nobody":              {"POST", eventID + "/check-ins", `{}`, []string{"Cookie", ""}, 401},
		"a session's end":     {"POST", eventID + "/check-ins/batch", `{}`, nil, 401},
		"the member":          {"POST", eventID + "/check-ins", `{}`, []string{"Sec-Fetch-Site", "same-origin"}, 200},
	} {
		res, body := d.door(c.method, c.path, c.body, c.headers...)
		if res.StatusCode != c.status {
			t.Errorf("%s: %d, want %d: %.200s", name, res.StatusCode, c.status, body)
		}
		if c.status == 401 && !json.Valid([]byte(body)) {
			t.Errorf("%s: %s", name, body)
		}
		// The token that the API does not take is let go, so that the next request brings another.
		if name == "a session's end" && cookies(res, accessCookie+"=mine") != "" {
			t.Errorf("%s: the browser keeps %q", name, cookies(res, accessCookie+"=mine"))
		}
	}
}

// The worker keeps what the page is made of, and each new version of it is another worker.
func TestTheWorkerKeepsThePage(t *testing.T) {
	t.Parallel()
	d := newDoorWorld(t, "door", nil)
	res, worker := d.do("GET", "/door/sw.js", "")
	if res.StatusCode != 200 || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/javascript") || res.Header.Get("Cache-Control") != "no-cache" {
		t.Fatalf("%d %v", res.StatusCode, res.Header)
	}
	line, _, _ := strings.Cut(strings.TrimPrefix(worker, "const SHELL = "), ";\n")
	var shell []string
	if err := json.Unmarshal([]byte(line), &shell); err != nil {
		t.Fatal(err)
	}
	_, page := d.door("GET", eventID, "")
	for _, path := range shell {
		if res, _ := d.do("GET", path, ""); res.StatusCode != 200 {
			t.Errorf("%s: %d", path, res.StatusCode)
		}
		if !strings.Contains(page, `"`+path+`"`) {
			t.Errorf("%s is kept, but the page has no use for it", path)
		}
	}
	if res, body := d.do("GET", "/static/door/jsQR.LICENSE", ""); res.StatusCode != 200 || !strings.Contains(body, "Apache License") {
		t.Errorf("the decoder's licence: %d", res.StatusCode)
	}
	_, left := d.do("GET", "/o/sign-in?left=1", "")
	_, ended := d.do("GET", "/o/sign-in", "")
	if !strings.Contains(left, "/static/door/leave.js") || strings.Contains(ended, "leave.js") {
		t.Error("lists are forgotten by who signs out, and by nobody whose session has just ended")
	}
}
