package web

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
)

const (
	ownOrg    = "0190b0b0-2222-7000-8000-000000000002"
	accountID = "0190b0b0-4444-7000-8000-000000abcdef"
	eventPath = "/o/events/" + eventID
)

// desk stands for all roles at once, and remembers what it was asked for.
type desk struct {
	*origin
	answers map[string]string
	mu      sync.Mutex
	got     []inquiry
}

type inquiry struct {
	what, query, body string // what: method and path
	header            http.Header
}

// signedInDesk starts web for a member with a role. An answer's status is its member `status`, where that is a number.
func signedInDesk(t *testing.T, role string, answers map[string]string) *desk {
	t.Helper()
	d := &desk{answers: map[string]string{
		"GET /v1/events/" + eventID: event(t, map[string]any{"organization_id": ownOrg, "version": 7, "max_party": 4}),
		"GET /v1/me":                fmt.Sprintf(`{"id":%q,"organizations":[{"id":%q,"name":"Corner <i>Stage","role":%q}]}`, accountID, ownOrg, role),
		"GET /v1/events/" + eventID + "/availability": `{"capacity":10,"going":4,"maybe":1,"waitlisted":3,"held":2,"remaining":4,"checked_in":1}`,
	}}
	for k, v := range answers {
		d.answers[k] = v
	}
	s := httptest.NewServer(d)
	t.Cleanup(s.Close)
	d.origin = startBefore(t, s, s, s)
	return d
}

func (d *desk) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	asked := inquiry{r.Method + " " + r.URL.Path, r.URL.RawQuery, string(body), r.Header}
	d.mu.Lock()
	d.got = append(d.got, asked)
	answer, known := d.answers[asked.what+"?"+asked.query]
	if !known {
		answer, known = d.answers[asked.what]
	}
	d.mu.Unlock()
	if !known {
		answer = `{"status":404,"title":"no","code":"not-found","detail":"There is no such thing."}`
	}
	w.Header().Set("Turnout-Version", eventID+"@9")
	var problem struct{ Status any }
	_ = json.Unmarshal([]byte(answer), &problem)
	if status, number := problem.Status.(float64); number {
		w.WriteHeader(int(status))
	}
	_, _ = io.WriteString(w, answer)
}

// asked are the requests for a method and path.
func (d *desk) asked(what string) (found []inquiry) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, q := range d.got {
		if q.what == what {
			found = append(found, q)
		}
	}
	return found
}

// writes are all requests that change something.
func (d *desk) writes() (found []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, q := range d.got {
		if !strings.HasPrefix(q.what, "GET ") && !strings.HasSuffix(q.what, "/preview") {
			found = append(found, q.what+" "+q.body)
		}
	}
	return found
}

func (d *desk) see(path string) (int, string) {
	d.t.Helper()
	res, body := d.do("GET", path, "", "Cookie", accessCookie+"=a1")
	return res.StatusCode, body
}

func (d *desk) send(path string, form url.Values) (*http.Response, string) {
	d.t.Helper()
	return d.do("POST", path, form.Encode(), "Cookie", accessCookie+"=a1", "Content-Type", formType)
}

func has(t *testing.T, page string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(page, part) {
			t.Errorf("no %s in\n%s", part, page)
		}
	}
}

func lacks(t *testing.T, page string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if strings.Contains(page, part) {
			t.Errorf("there is %s in\n%s", part, page)
		}
	}
}

// Whoever has no role in the organization of an event is not told that there are such pages; nobody is asked for the event's
// people first.
func TestPagesOfAnEventAreItsMembers(t *testing.T) {
	t.Parallel()
	d := signedInDesk(t, "owner", map[string]string{"GET /v1/me": `{"organizations":[{"id":"another","role":"owner"}]}`})
	for _, path := range []string{eventPath + "/guests", eventPath + "/guests.csv", eventPath + "/guests/" + rsvpID, eventPath + "/messages", eventPath + "/history",
		"/o/" + ownOrg + "/members"} {
		if status, body := d.see(path); status != http.StatusNotFound {
			t.Errorf("%s: %d\n%s", path, status, body)
		}
		if res, _ := d.do("GET", path, ""); res.Header.Get("Location") != "/o/sign-in?to="+url.QueryEscape(path) {
			t.Errorf("%s: a stranger is led to %q", path, res.Header.Get("Location"))
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, q := range d.got {
		if q.what != "GET /v1/me" && q.what != "GET /v1/events/"+eventID {
			t.Errorf("asked for %s", q.what)
		}
	}
}

// An organization that was founded a moment ago is in no list yet: its pages wait for it. One that there is not is not
// waited for again and again.
func TestAnOrganizationIsWaitedFor(t *testing.T) {
	t.Parallel()
	founded := true
	d := &desk{answers: map[string]string{
		"GET /v1/events/" + eventID:                     event(t, map[string]any{"organization_id": ownOrg}),
		"GET /v1/organizations/" + ownOrg + "/people":   `{"items":[]}`,
		"GET /v1/organizations/" + ownOrg + "/events":   `{"items":[]}`,
		"GET /v1/events/" + eventID + "/guests":         `{"items":[]}`,
		"GET /v1/events/" + eventID + "/history":        `{"items":[]}`,
		"GET /v1/events/" + eventID + "/history/verify": `{"intact":true}`,
	}}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path != "/v1/me":
			d.ServeHTTP(w, r)
		case r.Header.Get("Turnout-Min-Version") == "":
			_, _ = io.WriteString(w, `{"organizations":[]}`)
		case founded && r.Header.Get("Turnout-Min-Version") == ownOrg+"@1":
			_, _ = fmt.Fprintf(w, `{"organizations":[{"id":%q,"role":"owner"}]}`, ownOrg)
		default:
			w.WriteHeader(http.StatusConflict)
			_, _ = io.WriteString(w, `{"status":409,"code":"not-yet-visible"}`)
		}
	}))
	t.Cleanup(s.Close)
	d.origin = startBefore(t, s, s, s)
	pages := []string{eventPath, eventPath + "/edit", eventPath + "/guests", eventPath + "/history", "/door/" + eventID, "/o/" + ownOrg, "/o/" + ownOrg + "/new", "/o/" + ownOrg + "/members"}
	for _, want := range []int{http.StatusOK, http.StatusNotFound} {
		founded = want == http.StatusOK
		for _, path := range pages {
			if status, body := d.see(path); status != want {
				t.Errorf("%s: %d\n%s", path, status, body)
			}
		}
	}
	if status, _ := d.see("/o/x/members"); status != http.StatusNotFound {
		t.Errorf("what can be no organization: %d", status)
	}
}
