package web

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/turnout-events/turnout/internal/seal"
	"github.com/turnout-events/turnout/internal/testkit"
	"github.com/turnout-events/turnout/internal/token"
)

// upstream stands for a role: it says who it is and what it was asked. What the
// roles themselves answer is the end-to-end tests' business. An answer may be
// for a body alone: "PATCH /path {…}".
func upstream(t *testing.T, name string, answers map[string]string) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Role", name)
		w.Header().Set("X-Forwarded-Seen", r.Header.Get("X-Forwarded-For"))
		w.Header().Set("X-Query-Seen", r.URL.RawQuery)
		w.Header().Set("X-Trace-Seen", r.Header.Get("Traceparent"))
		asked, _ := io.ReadAll(r.Body)
		body, known := answers[r.Method+" "+r.URL.Path+" "+string(asked)]
		if !known {
			body, known = answers[r.Method+" "+r.URL.Path]
		}
		if !known {
			w.WriteHeader(http.StatusNotFound)
			body = `{"status":404,"title":"no","detail":"no"}`
		}
		var problem struct{ Status int }
		if json.Unmarshal([]byte(body), &problem) == nil && problem.Status >= http.StatusBadRequest && known {
			w.WriteHeader(problem.Status)
		}
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(s.Close)
	return s
}

const (
	eventID = "0190b0b0-1111-7000-8000-000000000001"
	rsvpID  = "0190b0b0-3333-7000-8000-000000000003"
)

func event(t *testing.T, change map[string]any) string {
	t.Helper()
	e := map[string]any{
		"id": eventID, "slug": "walk", "status": "published", "title": "Walk <script>alert(1)</script>", "time_zone": "Europe/Berlin",
		"starts_at": time.Now().Add(48 * time.Hour), "ends_at": time.Now().Add(50 * time.Hour), "rsvp_closes_at": time.Now().Add(48 * time.Hour),
		"max_party": 3, "waitlist_policy": "auto", "description": "Bring a jar.",
	}
	for k, v := range change {
		e[k] = v
	}
	b, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

type origin struct {
	t    *testing.T
	url  string
	ring *seal.Keyring
	stop func() error
}

func start(t *testing.T, command, query map[string]string, proxies ...string) *origin {
	t.Helper()
	notifier := upstream(t, "notifier", map[string]string{"GET /v1/events/" + eventID + "/notifications": `{}`, "GET /v1/ops/lag": `{"items":[{"group":"notifier"}]}`})
	return startBefore(t, upstream(t, "command", command), upstream(t, "query", query), notifier, proxies...)
}

// startBefore starts web before roles that are there already.
func startBefore(t *testing.T, c, q, notifier *httptest.Server, proxies ...string) *origin {
	t.Helper()
	ring, err := seal.ParseKeyring("1:" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32)))
	if err != nil {
		t.Fatal(err)
	}
	const away = "http://127.0.0.1:1" // nobody is given this port
	cfg := Config{
		Addr: "127.0.0.1:0", OpsAddr: "127.0.0.1:0", CommandURL: c.URL, QueryURL: q.URL, NotifierURL: notifier.URL, CommandOpsURL: c.URL,
		ProjectorOpsURL: away, NotifierOpsURL: notifier.URL, RelayOpsURL: c.URL, PublicURL: "http://127.0.0.1", OpsToken: "ops",
		TrustedProxies: proxies,
	}
	ctx, cancel := context.WithCancel(t.Context())
	w, err := New(ctx, cfg, Deps{Log: testkit.Logger(t), Keyring: ring})
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	<-w.Ready()
	o := &origin{t: t, url: "http://" + w.Addr(), ring: ring}
	o.stop = func() error { cancel(); return <-ended }
	t.Cleanup(func() { cancel() })
	return o
}

func (o *origin) do(method, path, body string, headers ...string) (*http.Response, string) {
	o.t.Helper()
	req, err := http.NewRequestWithContext(o.t.Context(), method, o.url+path, strings.NewReader(body))
	if err != nil {
		o.t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if err != nil {
		o.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		o.t.Fatal(err)
	}
	return res, string(b)
}

func TestEachRouteGoesToItsRole(t *testing.T) {
	t.Parallel()
	o := start(t, nil, nil)
	e := "/v1/events/" + eventID
	for _, c := range []struct{ method, path, role string }{
		{"GET", "/v1/events", "query"}, {"GET", e, "query"}, {"GET", e + "/availability", "query"}, {"POST", "/v1/events", "command"},
		{"PATCH", e, "command"}, {"POST", e + "/rsvps", "command"}, {"GET", e + "/history", "command"}, {"GET", e + "/certificate", "command"},
		{"GET", e + "/notifications", "notifier"}, {"POST", e + "/announcements", "notifier"}, {"GET", "/.well-known/jwks.json", "command"},
		{"DELETE", "/v1/rsvps/" + rsvpID, "command"}, {"GET", "/v1/rsvps/" + rsvpID, "query"},
	} {
		res, _ := o.do(c.method, c.path, "", "X-Forwarded-For", "203.0.113.9")
		if got := res.Header.Get("X-Role"); got != c.role {
			t.Errorf("%s %s went to %q, want %q", c.method, c.path, got, c.role)
		}
		// A client that names its own address would choose its own limits.
		if seen := res.Header.Get("X-Forwarded-Seen"); seen != "127.0.0.1" {
			t.Errorf("%s %s: the role saw the address %q", c.method, c.path, seen)
		}
		if res.Header.Get("X-Trace-Seen") != res.Header.Get("Traceparent") || res.Header.Get("Traceparent") == "" {
			t.Errorf("%s %s: the trace ends at the gateway", c.method, c.path)
		}
	}
	// A filter that is spelt wrongly is for the role to refuse: dropped on the way, it would answer everything.
	if res, _ := o.do("GET", "/v1/events?q=%zz&x;y=1", ""); res.Header.Get("X-Query-Seen") != "q=%zz&x;y=1" {
		t.Errorf("the role saw the query %q", res.Header.Get("X-Query-Seen"))
	}
	if res, body := o.do("GET", "/internal/v1/keys", ""); res.StatusCode != 404 {
		t.Errorf("the key endpoint is reachable: %d %s", res.StatusCode, body)
	}
}

func TestOperatorsSeeWhoAnswersAndWhoDoesNot(t *testing.T) {
	t.Parallel()
	o := start(t, nil, nil)
	for _, auth := range []string{"", "Bearer ", "Bearer wrong", "ops", "Bearer opsx"} {
		if res, body := o.do("GET", "/v1/ops/lag", "", "Authorization", auth); res.StatusCode != 401 {
			t.Errorf("%q: %d %s", auth, res.StatusCode, body)
		}
	}
	res, body := o.do("GET", "/v1/ops/lag", "", "Authorization", "Bearer ops")
	if res.StatusCode != 200 || !strings.Contains(body, `"group":"notifier"`) || !strings.Contains(body, `"away":["projector"]`) {
		t.Errorf("%d %s", res.StatusCode, body)
	}
	// The projector is away, and may be the one that knows the letter.
	if res, body := o.do("POST", "/v1/ops/dlq/listing-0-1/redrive", "", "Authorization", "Bearer ops"); res.StatusCode != 503 || !strings.Contains(body, "projector") {
		t.Errorf("%d %s", res.StatusCode, body)
	}
}

func TestPagesShowTextAsText(t *testing.T) {
	t.Parallel()
	o := start(t, nil, map[string]string{"GET /v1/events/walk": event(t, nil)})
	res, body := o.do("GET", "/e/walk", "")
	if res.StatusCode != 200 || strings.Contains(body, "<script>alert") || !strings.Contains(body, "Walk &lt;script&gt;") {
		t.Errorf("%d\n%s", res.StatusCode, body)
	}
	if policy := res.Header.Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'self'") || strings.Contains(policy, "unsafe") {
		t.Errorf("policy: %q", policy)
	}
	if res, body := o.do("GET", "/e/nothing", ""); res.StatusCode != 404 || !strings.Contains(body, "<h1>") {
		t.Errorf("%d\n%s", res.StatusCode, body)
	}
}

func TestFormRefusesProgramsAndKeepsWhatPeopleTyped(t *testing.T) {
	t.Parallel()
	done := fmt.Sprintf(`{"id":%q,"manage_token":"TOKEN"}`, rsvpID)
	o := start(t, map[string]string{"POST /v1/events/" + eventID + "/rsvps": done}, map[string]string{"GET /v1/events/walk": event(t, nil)})
	f, err := newForms(o.ring)
	if err != nil {
		t.Fatal(err)
	}
	issued := func(event string, age time.Duration) string {
		s, err := f.issue(event, time.Now().Add(-age))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	for name, c := range map[string]struct {
		token, trap string
		status      int
	}{
		"a person":      {issued(eventID, time.Minute), "", 303},
		"too quick":     {issued(eventID, -time.Hour), "", 400}, // and stays so, however long the others take
		"too old":       {issued(eventID, 13*time.Hour), "", 400},
		"other event":   {issued(rsvpID, time.Minute), "", 400},
		"made up":       {"AAAA", "", 400},
		"none":          {"", "", 400},
		"filled a trap": {issued(eventID, time.Minute), "http://spam.example", 400},
	} {
		form := url.Values{"form": {c.token}, "website": {c.trap}, "name": {"Ada L"}, "email": {"ada@example.net"}, "response": {"going"}, "party_size": {"2"}}
		res, body := o.do("POST", "/e/walk", form.Encode(), "Content-Type", "application/x-www-form-urlencoded")
		if res.StatusCode != c.status {
			t.Errorf("%s: %d, want %d\n%s", name, res.StatusCode, c.status, body)
		}
		if c.status == 400 && !strings.Contains(body, `value="Ada L"`) {
			t.Errorf("%s: what was typed is gone", name)
		}
		if c.status == 303 && !strings.HasPrefix(res.Header.Get("Location"), "/r/TOKEN") {
			t.Errorf("%s: goes to %s", name, res.Header.Get("Location"))
		}
	}
}

func TestGuestPageNeedsAWholeLink(t *testing.T) {
	t.Parallel()
	o := start(t, nil, map[string]string{
		"GET /v1/rsvps/" + rsvpID:   fmt.Sprintf(`{"id":%q,"event_id":%q,"status":"pending","response":"going","party_size":1}`, rsvpID, eventID),
		"GET /v1/events/" + eventID: event(t, map[string]any{"confirm_address": true}),
	})
	links, err := token.NewManager(o.ring)
	if err != nil {
		t.Fatal(err)
	}
	typed, err := links.Make(rsvpID, 0)
	if err != nil {
		t.Fatal(err)
	}
	mailed, err := links.MakeMailed(rsvpID, 0)
	if err != nil {
		t.Fatal(err)
	}
	if res, body := o.do("GET", "/r/"+typed[:20], ""); res.StatusCode != 404 {
		t.Errorf("half a link: %d\n%s", res.StatusCode, body)
	}
	// Only who has read the mail gets the button that confirms the address.
	for link, button := range map[string]bool{typed: false, mailed: true} {
		res, body := o.do("GET", "/r/"+link, "")
		if res.StatusCode != 200 || strings.Contains(body, `value="confirm"`) != button {
			t.Errorf("button shown: want %t\n%s", button, body)
		}
	}
}

// An open stream must not keep the process from stopping.
func TestStoppingEndsStreams(t *testing.T) {
	t.Parallel()
	hanging := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "data: {}\n\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	t.Cleanup(hanging.Close)
	o := start(t, nil, nil)
	_ = o.stop() // this one's query has no streams
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	u := hanging.URL
	w, err := New(ctx, Config{
		Addr: "127.0.0.1:0", OpsAddr: "127.0.0.1:0", CommandURL: u, QueryURL: u, NotifierURL: u, CommandOpsURL: u, ProjectorOpsURL: u,
		NotifierOpsURL: u, RelayOpsURL: u, PublicURL: u,
	}, Deps{Log: testkit.Logger(t), Keyring: o.ring})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	<-w.Ready()
	res, err := http.Get("http://" + w.Addr() + "/v1/events/" + eventID + "/availability/stream")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if line, err := bufio.NewReader(res.Body).ReadString('\n'); err != nil || line != "data: {}\n" {
		t.Fatalf("%q, %v", line, err)
	}
	began := time.Now()
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > time.Minute { // a stream that is waited for is an error of Run
		t.Errorf("stopping took %s with a stream open", took)
	}
}
