package web

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/turnout-events/turnout/internal/seal"
	"github.com/turnout-events/turnout/internal/testkit"
)

const orgID = "0190b0b0-2222-7000-8000-000000000002"

// heard is a request of the pages, as a role has received it.
type heard struct {
	method, path, query, body string
	header                    http.Header
}

// organizers is an origin whose roles write down what the pages ask them.
type organizers struct {
	*origin

	mu    sync.Mutex
	heard []heard
}

func (o *organizers) role(t *testing.T, answers map[string]string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		o.mu.Lock()
		o.heard = append(o.heard, heard{r.Method, r.URL.Path, r.URL.RawQuery, string(body), r.Header})
		o.mu.Unlock()
		answer, known := answers[r.Method+" "+r.URL.Path]
		if !known {
			answer = `{"status":404,"code":"not-found","title":"There is no such thing","detail":"There is no such thing"}`
		}
		var problem struct{ Status any }
		if json.Unmarshal([]byte(answer), &problem) == nil {
			if status, ok := problem.Status.(float64); ok && status >= 400 {
				w.WriteHeader(int(status))
			}
		}
		w.Header().Set("Turnout-Version", "x@7")
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// asked are the requests for a route, oldest first.
func (o *organizers) asked(method, path string) []heard {
	o.mu.Lock()
	defer o.mu.Unlock()
	var all []heard
	for _, h := range o.heard {
		if h.method == method && h.path == path {
			all = append(all, h)
		}
	}
	return all
}

// organize starts the pages for a member who has that role in the organization; "" is none.
func organize(t *testing.T, role string, command, query map[string]string) *organizers {
	t.Helper()
	if query == nil {
		query = map[string]string{}
	}
	if _, given := query["GET /v1/me"]; !given {
		query["GET /v1/me"] = `{"organizations":[]}`
		if role != "" {
			query["GET /v1/me"] = fmt.Sprintf(`{"organizations":[{"id":%q,"name":"Corner <b>Stage</b>","role":%q}]}`, orgID, role)
		}
	}
	ring, err := seal.ParseKeyring("1:" + strings.Repeat("Bw", 21) + "c=")
	if err != nil {
		t.Fatal(err)
	}
	o := &organizers{}
	c, q := o.role(t, command), o.role(t, query)
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	w, err := New(ctx, Config{
		Addr: "127.0.0.1:0", OpsAddr: "127.0.0.1:0", CommandURL: c, QueryURL: q, NotifierURL: c, CommandOpsURL: c, ProjectorOpsURL: c,
		NotifierOpsURL: c, RelayOpsURL: c, PublicURL: "http://127.0.0.1",
	}, Deps{Log: testkit.Logger(t), Keyring: ring})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	<-w.Ready()
	o.origin = &origin{t: t, url: "http://" + w.Addr(), ring: ring}
	return o
}

func (o *organizers) get(path string) (*http.Response, string) {
	o.t.Helper()
	return o.do("GET", path, "", "Cookie", accessCookie+"=a")
}

func (o *organizers) send(path string, form url.Values) (*http.Response, string) {
	o.t.Helper()
	return o.do("POST", path, form.Encode(), "Cookie", accessCookie+"=a", "Content-Type", formType)
}

// own is an event as a member reads it.
func own(t *testing.T, change map[string]any) string {
	t.Helper()
	all := map[string]any{
		"organization_id": orgID, "starts_at": "2031-03-01T18:30:15Z", "ends_at": "2031-03-01T21:00:00Z", "rsvp_closes_at": "2031-03-01T18:30:15Z", "revision": 4,
		"offer_ttl": "12h", "visibility": "public", "reminders": []string{"24h"}, "retention_days": 365, "tags": []string{}, "published_at": "2030-01-01T00:00:00Z",
		"capacity": 10, "venue": map[string]any{"name": "Hof", "city": "Bern", "lat": 46.94809, "lon": 7.44744},
		"questions":    []map[string]any{{"id": "diet", "label": "What do you eat?", "kind": "choice", "options": []string{"all", "vegan"}, "required": true}},
		"availability": map[string]any{"capacity": 10, "going": 3, "remaining": 7, "waitlisted": 0, "held": 0, "maybe": 0},
	}
	for k, v := range change {
		all[k] = v
	}
	return event(t, all)
}

const (
	ownPath   = "/v1/events/" + eventID
	eventRoot = "/o/events/" + eventID
)

func reads(t *testing.T, change map[string]any) map[string]string {
	t.Helper()
	e := own(t, change)
	return map[string]string{
		"GET " + ownPath: e,
		"GET /v1/organizations/" + orgID + "/events":             `{"items":[` + e + `],"total":26,"next_cursor":"CURSOR"}`,
		"GET /v1/organizations/" + orgID + "/analytics/overview": `{"answers":906,"seats":40,"seats_taken":10,"utilization":0.25,"events":3}`,
		"GET " + ownPath + "/analytics":                          `{"answers":5,"cancellation_rate":0.1383,"answers_over_time":[{"day":"2030-01-01","answers":5}],"by_status":{"confirmed":{"parties":4,"people":6}}}`,
	}
}

// What a page offers is what the role may do, and what it may not see it does not ask for.
func TestEachRoleSeesWhatItMayDo(t *testing.T) {
	t.Parallel()
	for role, sees := range map[string]struct{ edits, figures, members, door bool }{
		"owner": {true, true, true, true}, "editor": {true, true, false, true}, "analyst": {false, true, false, false}, "door": {false, false, false, true},
	} {
		o := organize(t, role, nil, reads(t, nil))
		res, list := o.get("/o/" + orgID)
		_, overview := o.get(eventRoot)
		if res.StatusCode != 200 {
			t.Fatalf("%s: %d\n%s", role, res.StatusCode, list)
		}
		for part, want := range map[string]bool{
			`href="/o/` + orgID + `/new"`: sees.edits, `href="/o/` + orgID + `/members"`: sees.members, "906": sees.figures,
			`href="/door/` + eventID + `"`: role == "door", `href="` + eventRoot + `"`: role != "door", "Corner &lt;b&gt;Stage": true, "Walk &lt;script&gt;": true, "<script>alert": false,
		} {
			if strings.Contains(list, part) != want {
				t.Errorf("%s's list has %q: want %t\n%s", role, part, want, list)
			}
		}
		for part, want := range map[string]bool{
			eventRoot + `/edit"`: sees.edits, `value="duplicate"`: sees.edits, eventRoot + `/cancel"`: sees.edits, `value="publish"`: false, "14 %": sees.figures,
			eventRoot + `/guests"`: sees.door, `href="/door/` + eventID + `"`: sees.door, eventRoot + `/messages"`: role != "door", eventRoot + `/history"`: true,
			`data-seats="/v1/events/` + eventID + `/availability/stream"`: true, ">http://127.0.0.1/e/walk</a>": true, "<script>alert": false,
		} {
			if strings.Contains(overview, part) != want {
				t.Errorf("%s's overview has %q: want %t\n%s", role, part, want, overview)
			}
		}
		if got := len(o.asked("GET", ownPath+"/analytics")); (got > 0) != sees.figures {
			t.Errorf("%s: the figures were asked for %d times", role, got)
		}
		for _, path := range []string{eventRoot + "/edit", eventRoot + "/cancel", "/o/" + orgID + "/new"} {
			if res, _ := o.get(path); (res.StatusCode == 200) != sees.edits || !sees.edits && res.StatusCode != 403 {
				t.Errorf("%s at %s: %d", role, path, res.StatusCode)
			}
		}
	}
}

// What others publish may be read by everybody, but its page for organizers is nobody else's.
func TestTheEventOfAnotherOrganizationIsNowhere(t *testing.T) {
	t.Parallel()
	o := organize(t, "", nil, reads(t, nil))
	for _, path := range []string{"/o/" + orgID, "/o/" + orgID + "/new", eventRoot, eventRoot + "/edit", eventRoot + "/cancel"} {
		if res, body := o.get(path); res.StatusCode != 404 || strings.Contains(body, "Walk") {
			t.Errorf("%s: %d\n%s", path, res.StatusCode, body)
		}
	}
}

// Pages of a list are of one question: the moment that parts past from upcoming is that of the first page.
func TestAListKeepsItsQuestionFromPageToPage(t *testing.T) {
	t.Parallel()
	o := organize(t, "owner", nil, reads(t, nil))
	_, body := o.get("/o/" + orgID + "?show=past&q=a%26b&until=2030-01-02T03:04:05Z&cursor=HERE&v=" + eventID + "@3")
	asked := o.asked("GET", "/v1/organizations/"+orgID+"/events")[0]
	if want := "cursor=HERE&limit=25&q=a%26b&sort=latest&to=2030-01-02T03%3A04%3A05Z"; asked.query != want || asked.header.Get("Turnout-Min-Version") != eventID+"@3" {
		t.Errorf("asked %s with %v", asked.query, asked.header)
	}
	if me := o.asked("GET", "/v1/me")[0]; me.header.Get("Turnout-Min-Version") != "" {
		t.Error("who the member is waits for an event")
	}
	for _, link := range []string{"cursor=CURSOR&amp;q=a%26b&amp;show=past&amp;until=2030-01-02T03%3A04%3A05Z", `"?q=a%26b&amp;show=past&amp;until=2030-01-02T03%3A04%3A05Z"`, "q=a%26b&amp;show=all"} {
		if !strings.Contains(body, link) {
			t.Errorf("no link %s in\n%s", link, body)
		}
	}
	o.get("/o/" + orgID)
	if asked := o.asked("GET", "/v1/organizations/"+orgID+"/events")[1]; asked.query != "limit=25&past=false" {
		t.Errorf("upcoming is asked for as %s", asked.query)
	}
}

// The buttons of an event are one write each, under the revision that they were shown with.
func TestAnEventIsSteered(t *testing.T) {
	t.Parallel()
	e := own(t, map[string]any{"id": "made"})
	o := organize(t, "editor", map[string]string{
		"POST " + ownPath + "/publish": e, "PUT " + ownPath + "/capacity": e, "POST " + ownPath + "/duplicate": e, "DELETE " + ownPath + "/cover": e,
		"POST " + ownPath + "/repeat": `{"series_id":"s","items":[` + e + `,` + e + `]}`, "POST " + ownPath + "/cancel": e,
	}, reads(t, nil))
	for _, c := range []struct{ form, at, method, path, body, to string }{
		{"action=publish", "", "POST", "/publish", "", eventRoot + "?done=publish&v=x%407"},
		{"action=capacity&capacity=12", "", "PUT", "/capacity", `{"capacity":12}`, eventRoot + "?done=capacity&v=x%407"},
		{"action=capacity&capacity=", "", "PUT", "/capacity", `{"capacity":null}`, eventRoot + "?done=capacity&v=x%407"},
		{"action=duplicate", "", "POST", "/duplicate", "", "/o/events/made/edit?done=duplicate&v=x%407"},
		{"action=uncover", "", "DELETE", "/cover", "", eventRoot + "?done=uncover&v=x%407"},
		{"action=repeat&freq=weekly&interval=2&ends=count&count=9", "", "POST", "/repeat", `{"rrule":"FREQ=WEEKLY;INTERVAL=2;COUNT=9"}`, "/o/" + orgID + "?made=2&v=x%407"},
		{"action=repeat&freq=monthly&interval=1&ends=until&count=9&until=2031-06-01", "", "POST", "/repeat", `{"rrule":"FREQ=MONTHLY;UNTIL=20310601"}`, "/o/" + orgID + "?made=2&v=x%407"},
		{"reason=It+rains.%0D%0ASorry", "/cancel", "POST", "/cancel", `{"reason":"It rains.\nSorry"}`, eventRoot + "?done=cancel&v=x%407"},
	} {
		form, _ := url.ParseQuery(c.form + "&key=K&revision=4")
		res, body := o.send(eventRoot+c.at, form)
		if res.StatusCode != 303 || res.Header.Get("Location") != c.to {
			t.Fatalf("%s: %d to %q\n%s", c.form, res.StatusCode, res.Header.Get("Location"), body)
		}
		all := o.asked(c.method, ownPath+c.path)
		got := all[len(all)-1]
		if got.body != c.body || got.header.Get("Idempotency-Key") != formKey(form) || got.header.Get("If-Match") != `"4"` || got.header.Get("Authorization") != "Bearer a" {
			t.Errorf("%s sent %s with %v", c.form, got.body, got.header)
		}
	}
}

// What is refused is told on the page, with what was typed and the key: sent again it is the same write.
func TestARefusedButtonKeepsWhatWasTyped(t *testing.T) {
	t.Parallel()
	refused := func(status int, code string) string {
		return fmt.Sprintf(`{"status":%d,"code":%q,"title":"No","detail":"<i>No</i>, not now.","errors":[{"pointer":"/capacity","detail":"is from 1 to 5"}]}`, status, code)
	}
	o := organize(t, "editor", map[string]string{
		"PUT " + ownPath + "/capacity": refused(400, "invalid-input"), "POST " + ownPath + "/publish": refused(412, "revision-mismatch"),
		"POST " + ownPath + "/repeat": refused(503, "unavailable"), "POST " + ownPath + "/cancel": refused(409, "event-cancelled"),
	}, reads(t, map[string]any{"status": "draft", "revision": 9, "published_at": nil}))
	for _, c := range []struct {
		form, at string
		status   int
		has      []string
	}{
		{"action=capacity&capacity=77", "", 400, []string{"Seats</b> must be from 1 to 5", `value="77"`, `<details class="panel" open><summary>Number of seats`}},
		{"action=publish", "", 412, []string{"Somebody has changed this event", `name="revision" value="9"`}},
		{"action=repeat&count=33&ends=count&freq=daily", "", 503, []string{`value="33"`, `value="daily" selected`, "&lt;i&gt;No"}},
		{"reason=It+rains", "/cancel", 409, []string{"It rains</textarea>", "&lt;i&gt;No"}},
		{"action=other", "", 400, nil},
	} {
		form, _ := url.ParseQuery(c.form + "&key=KEPT&revision=4")
		res, body := o.send(eventRoot+c.at, form)
		if res.StatusCode != c.status || strings.Contains(body, `value="KEPT"`) != (c.has != nil) {
			t.Errorf("%s: %d, or its key is another\n%s", c.form, res.StatusCode, body)
		}
		for _, part := range c.has {
			if !strings.Contains(body, part) {
				t.Errorf("%s: no %s in\n%s", c.form, part, body)
			}
		}
	}
}

func TestAPictureIsPassedOnAsItIs(t *testing.T) {
	t.Parallel()
	o := organize(t, "owner", map[string]string{"PUT " + ownPath + "/cover": own(t, nil), "GET " + ownPath + "/cover": "PIXELS"}, reads(t, nil))
	send := func(picture []byte) (*http.Response, string) {
		var b bytes.Buffer
		form := multipart.NewWriter(&b)
		_ = form.WriteField("key", "K")
		_ = form.WriteField("revision", "4")
		if picture != nil {
			part, err := form.CreateFormFile("picture", "x.txt")
			if err != nil {
				t.Fatal(err)
			}
			_, _ = part.Write(picture)
		}
		_ = form.Close()
		return o.do("POST", eventRoot+"/cover", b.String(), "Cookie", accessCookie+"=a", "Content-Type", form.FormDataContentType())
	}
	png := []byte("\x89PNG\r\n\x1a\n and more")
	if res, body := send(png); res.Header.Get("Location") != eventRoot+"?done=cover&v=x%407" {
		t.Fatalf("%d\n%s", res.StatusCode, body)
	}
	got := o.asked("PUT", ownPath+"/cover")[0]
	if got.body != string(png) || got.header.Get("Content-Type") != "image/png" || got.header.Get("If-Match") != `"4"` || got.header.Get("Idempotency-Key") != formKey(url.Values{"key": {"K"}, "revision": {"4"}}) {
		t.Errorf("%q with %v", got.body, got.header)
	}
	if res, body := send(nil); res.StatusCode != 400 || !strings.Contains(body, "choose a picture") {
		t.Errorf("without a file: %d\n%s", res.StatusCode, body)
	}
	if res, body := send(make([]byte, maxBody)); res.StatusCode != 413 || !strings.Contains(body, "too large") {
		t.Errorf("too large: %d\n%s", res.StatusCode, body)
	}
	if res, body := o.get(eventRoot + "/cover"); res.StatusCode != 200 || body != "PIXELS" || !strings.HasPrefix(res.Header.Get("Cache-Control"), "private") {
		t.Errorf("%d %q %v", res.StatusCode, body, res.Header)
	}
	if got := o.asked("GET", ownPath+"/cover")[0].header.Get("Authorization"); got != "Bearer a" {
		t.Errorf("the picture is asked for as %q", got)
	}
}

// Half a picture is not one to keep: browsers would ask whether it has changed, and show the half for ever.
func TestAPictureThatBreaksOffIsNotWhole(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("ETag", `"whole"`)
		_, _ = io.WriteString(w, strings.Repeat("PIXELS", 10_000))
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}))
	t.Cleanup(s.Close)
	o := startBefore(t, s, s, s)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, o.url+eventRoot+"/cover", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Cookie", accessCookie+"=a")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return // broken off before its head had left
	}
	defer func() { _ = res.Body.Close() }()
	if n, err := io.Copy(io.Discard, res.Body); err == nil {
		t.Errorf("%d bytes look like a whole picture", n)
	}
}

func hidden(body, name string) string {
	m := regexp.MustCompile(`name="` + name + `" value="([^"]*)"`).FindStringSubmatch(body)
	if m == nil {
		return ""
	}
	return strings.NewReplacer("&amp;", "&", "&#43;", "+", "&#34;", `"`, "&lt;", "<", "&gt;", ">").Replace(m[1])
}

func decodedBody(t *testing.T, body string) map[string]any {
	t.Helper()
	return *decoded[map[string]any](t, body)
}

func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: %#v, want %#v", what, got, want)
	}
}
