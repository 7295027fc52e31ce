package web

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// cookies are what a browser would send back after an answer, beside what it has.
func cookies(res *http.Response, had ...string) string {
	jar := map[string]string{}
	for _, pair := range strings.Split(strings.Join(had, "; "), "; ") {
		if name, value, ok := strings.Cut(pair, "="); ok {
			jar[name] = value
		}
	}
	for _, c := range res.Cookies() {
		if jar[c.Name] = c.Value; c.MaxAge < 0 {
			delete(jar, c.Name)
		}
	}
	var all []string
	for name, value := range jar {
		all = append(all, name+"="+value)
	}
	return strings.Join(all, "; ")
}

// sessions is a command role that has one session: a refresh token is good once, an access token until the next.
func sessions(t *testing.T) (answers map[string]string, command *httptest.Server, refreshed *atomic.Int64) {
	t.Helper()
	refreshed = &atomic.Int64{}
	command = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.URL.Path != "/v1/auth/refresh" {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		if n := refreshed.Add(1); !strings.Contains(string(body), `"r1"`) || n > 1 {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, `{"status":401,"code":"refresh-token-reused","title":"over","detail":"over"}`)
			return
		}
		_, _ = io.WriteString(w, `{"access_token":"a2","refresh_token":"r2","expires_in":900}`)
	}))
	t.Cleanup(command.Close)
	return map[string]string{"GET /v1/me": `{"organizations":[{"id":"o1","name":"Corner <b>Stage</b>","role":"owner"}]}`}, command, refreshed
}

// A device learns which account has signed in last, so that it forgets the door's lists of the one before.
func TestADeviceKnowsWhoseListsItKeeps(t *testing.T) {
	t.Parallel()
	const account = "01a20342-92a3-71e1-b392-53aa3fa6cd5f"
	o := start(t, map[string]string{
		"POST /v1/auth/login": `{"account_id":"` + account + `","access_token":"a1","refresh_token":"r1","expires_in":900}`,
	}, map[string]string{"GET /v1/me": `{"organizations":[]}`})
	typed := url.Values{"email": {"me@example.org"}, "password": {"right horse"}}
	res, _ := o.do("POST", "/o/sign-in", typed.Encode(), "Content-Type", formType)
	for _, c := range res.Cookies() {
		if c.HttpOnly == (c.Name == memberCookie) {
			t.Errorf("%s: a script needs to read which account it is, and nothing else", c.Name)
		}
	}
	jar := cookies(res)
	if !strings.Contains(jar, memberCookie+"="+account) {
		t.Errorf("the browser has %q", jar)
	}
	if _, home := o.do("GET", "/o", "", "Cookie", jar); !strings.Contains(home, "/static/door/others.js") {
		t.Error("the first page after signing in forgets no lists of others")
	}
}

// What no header can carry is the fault of who sent it: no part of the system is away.
func TestAnAddressThatNoHeaderCarries(t *testing.T) {
	t.Parallel()
	o := start(t, nil, map[string]string{"GET /v1/me": `{"organizations":[]}`})
	for _, path := range []string{"/o?v=x%0d%0aAuthorization:%20y", "/o/events/" + eventID + "?v=%0a", "/door/" + eventID + "/guests?v=%0d"} {
		if res, body := o.do("GET", path, "", "Cookie", accessCookie+"=a1"); res.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %d\n%s", path, res.StatusCode, body)
		}
	}
}

// Who signs in is led to where they wanted to go, with tokens that no script can read; who has not is led to the form.
func TestSigningInLeadsBack(t *testing.T) {
	t.Parallel()
	o := start(t, map[string]string{
		`POST /v1/auth/login {"email":"me@example.org","password":"right horse"}`: `{"access_token":"a1","refresh_token":"r1","expires_in":900}`,
		"POST /v1/auth/login":  `{"status":401,"code":"wrong-credentials","title":"No","detail":"Address and password do not fit."}`,
		"POST /v1/auth/logout": `{}`,
	}, map[string]string{"GET /v1/me": `{"organizations":[{"id":"o1","name":"Corner <b>Stage</b>","role":"owner"}]}`})
	res, _ := o.do("GET", "/o?x=1", "")
	form := res.Header.Get("Location")
	if res.StatusCode != http.StatusSeeOther || form != "/o/sign-in?to="+url.QueryEscape("/o?x=1") {
		t.Fatalf("a stranger gets %d to %q", res.StatusCode, form)
	}
	res, body := o.do("GET", form, "")
	if !strings.Contains(body, `name="to" value="/o?x=1"`) || res.Header.Get("Referrer-Policy") != "same-origin" {
		t.Errorf("the form forgets where to, or keeps its origin to itself\n%v %s", res.Header, body)
	}
	typed := url.Values{"email": {" me@example.org"}, "password": {"wrong"}, "to": {"/o?x=1"}}
	res, body = o.do("POST", "/o/sign-in", typed.Encode(), "Content-Type", formType)
	if res.StatusCode != http.StatusUnauthorized || !strings.Contains(body, "do not fit") || strings.Contains(body, "wrong\"") || len(res.Cookies()) > 0 {
		t.Errorf("the wrong password: %d %v\n%s", res.StatusCode, res.Cookies(), body)
	}
	typed.Set("password", "right horse")
	res, _ = o.do("POST", "/o/sign-in", typed.Encode(), "Content-Type", formType)
	if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != "/o?x=1" {
		t.Fatalf("signed in: %d to %q", res.StatusCode, res.Header.Get("Location"))
	}
	for _, c := range res.Cookies() {
		if !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.MaxAge < 1 {
			t.Errorf("cookie %+v", c)
		}
	}
	jar := cookies(res)
	if res, body = o.do("GET", "/o", "", "Cookie", jar); res.StatusCode != 200 || !strings.Contains(body, "Corner &lt;b&gt;Stage") {
		t.Errorf("%d\n%s", res.StatusCode, body)
	}
	if res, _ = o.do("POST", "/o/sign-out", "", "Cookie", jar, "Content-Type", formType); cookies(res, jar) != "" {
		t.Errorf("signed out, the browser keeps %q", cookies(res, jar))
	}
}

// What was typed while the session ended is not thrown away by a redirect.
func TestAFormOutlivesItsSession(t *testing.T) {
	t.Parallel()
	o := start(t, nil, nil)
	res, body := o.do("POST", "/o", "name=Corner+Stage&slug=corner", "Content-Type", formType)
	if res.StatusCode != http.StatusUnauthorized || !strings.Contains(body, "reload this page") {
		t.Errorf("%d\n%s", res.StatusCode, body)
	}
	if res, body = o.do("POST", "/o", "{}", "Content-Type", "application/json", "Accept", "application/json"); res.StatusCode != 401 || !strings.Contains(body, `"code":"unauthorized"`) {
		t.Errorf("a script gets %d %s", res.StatusCode, body)
	}
}

// A browser that opens ten tabs again sends the same refresh token ten times. It is used once, or its session would end.
func TestManyTabsRefreshOnce(t *testing.T) {
	t.Parallel()
	query, command, refreshed := sessions(t)
	o := start(t, nil, query)
	p := &pages{api: &api{client: command.Client(), command: command.URL}, renewals: newRenewals()}
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			got, err := p.renewals.next(t.Context(), p.api, "r1", nil)
			if err != nil || got.Access != "a2" || got.Refresh != "r2" {
				t.Errorf("%+v %v", got, err)
			}
		})
	}
	wg.Wait()
	if n := refreshed.Load(); n != 1 {
		t.Errorf("the token was used %d times", n)
	}
	if _, err := p.renewals.next(t.Context(), p.api, "spent long ago", nil); asProblem(err).Code != "refresh-token-reused" {
		t.Errorf("another session's: %v", err)
	}
	// The answer with the pair may be lost; from when the browser has come with it, the spent token is as good as used twice.
	now := time.Now()
	for _, c := range []struct {
		after time.Duration
		came  string
		want  bool
	}{{10 * time.Minute, "", true}, {10 * time.Minute, "another", true}, {10 * time.Minute, "a2", true}, {10*time.Minute + 29*time.Second, "", true},
		{10*time.Minute + 31*time.Second, "", false}, {11 * time.Minute, "a2", false}} {
		p.renewals.came(c.came, now.Add(c.after))
		if got, ok := p.renewals.known("r1", now.Add(c.after)); ok != c.want || ok && got.Access != "a2" {
			t.Errorf("after %s, %q came: %+v %t", c.after, c.came, got, ok)
		}
	}
	p.renewals.keep("r9", tokens{Access: "a9"}, now.Add(time.Hour))
	if len(p.renewals.done) != 1 || len(p.renewals.got) != 1 {
		t.Errorf("%d and %d are kept for nobody", len(p.renewals.done), len(p.renewals.got))
	}
	// A session that has ended leads to the sign-in, and is forgotten; one that cannot be asked for is not.
	res, _ := o.do("GET", "/o", "", "Cookie", refreshCookie+"=gone")
	if res.StatusCode != http.StatusNotFound { // the upstream knows no such route
		t.Errorf("%d", res.StatusCode)
	}
	ended := start(t, map[string]string{"POST /v1/auth/refresh": `{"status":401,"code":"refresh-token-invalid","detail":"over"}`}, nil)
	res, _ = ended.do("GET", "/o", "", "Cookie", refreshCookie+"=gone")
	if res.StatusCode != http.StatusSeeOther || cookies(res, refreshCookie+"=gone") != "" {
		t.Errorf("ended: %d, kept %q", res.StatusCode, cookies(res, refreshCookie+"=gone"))
	}
	away := start(t, map[string]string{"POST /v1/auth/refresh": `{"status":503,"code":"unavailable","detail":"later"}`}, nil)
	res, _ = away.do("GET", "/o", "", "Cookie", refreshCookie+"=good")
	if res.StatusCode != http.StatusServiceUnavailable || cookies(res, refreshCookie+"=good") == "" {
		t.Errorf("away: %d, kept %q", res.StatusCode, cookies(res, refreshCookie+"=good"))
	}
}

// An access token that is refused before its time, as after a change of keys, ends no session: the page comes with the next.
func TestAnAccessTokenThatIsRefusedIsRenewed(t *testing.T) {
	t.Parallel()
	for good, want := range map[string]string{"Bearer a2": "/o?x=1", "none": "/o/sign-in?to=" + url.QueryEscape("/o?x=1")} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.URL.Path == "/v1/auth/refresh":
				_, _ = io.WriteString(w, `{"access_token":"a2","refresh_token":"r2","expires_in":900}`)
			case r.Header.Get("Authorization") != good:
				w.WriteHeader(http.StatusUnauthorized)
				_, _ = io.WriteString(w, `{"status":401,"code":"unauthorized"}`)
			default:
				_, _ = io.WriteString(w, `{"organizations":[]}`)
			}
		}))
		t.Cleanup(s.Close)
		o := startBefore(t, s, s, s)
		at, jar, status := "/o?x=1", accessCookie+"=a1; "+refreshCookie+"=r1", http.StatusSeeOther
		for tries := 0; status == http.StatusSeeOther && tries < 3 && !strings.HasPrefix(at, "/o/sign-in"); tries++ {
			res, _ := o.do("GET", at, "", "Cookie", jar)
			if status = res.StatusCode; status == http.StatusSeeOther {
				at = res.Header.Get("Location")
			}
			jar = cookies(res, jar)
		}
		if at != want {
			t.Errorf("with %s good, one ends at %s (%d)", good, at, status)
		}
	}
}

// A form on another site that sends itself finds a signed-in organizer's browser, and changes nothing.
func TestFormsOfOtherSitesAreRefused(t *testing.T) {
	t.Parallel()
	o := start(t, map[string]string{"POST /v1/organizations": `{"id":"o2"}`, "POST /v1/auth/login": `{"access_token":"a"}`}, nil)
	for _, path := range []string{"/o", "/o/sign-in", "/o/sign-out"} {
		for _, from := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://elsewhere.example"}} {
			headers := append([]string{"Cookie", accessCookie + "=a", "Content-Type", formType}, from...)
			if res, _ := o.do("POST", path, "name=x&slug=x", headers...); res.StatusCode != http.StatusForbidden || len(res.Cookies()) > 0 {
				t.Errorf("%s from %v: %d, cookies %v", path, from, res.StatusCode, res.Cookies())
			}
		}
	}
	for _, from := range [][]string{{"Sec-Fetch-Site", "same-origin"}, {"Origin", "http://127.0.0.1"}} {
		headers := append([]string{"Cookie", accessCookie + "=a", "Content-Type", formType}, from...)
		if res, _ := o.do("POST", "/o", "name=x&slug=x", headers...); res.Header.Get("Location") != "/o/o2" {
			t.Errorf("from %v: %d %v", from, res.StatusCode, res.Header)
		}
	}
}

func TestOnlyMembersPagesAreLedBackTo(t *testing.T) {
	t.Parallel()
	for to, want := range map[string]string{
		"/o": "/o", "/o/x?y=1": "/o/x?y=1", "/door/" + eventID: "/door/" + eventID, "": "/o", "/": "/o", "/ops": "/o", "/other": "/o",
		"//elsewhere.example/o/x": "/o", "https://elsewhere.example/o/": "/o", `/\elsewhere.example/o/`: "/o", "/o/\r\nSet-Cookie: x=y": "/o",
		"/o/../inbox": "/o", "/o/..//elsewhere.example": "/o", "/o/%2e%2e/me?token=x": "/o", "/door/../r/x": "/o",
		`/o/..\..\x`: "/o", "javascript:alert(1)//o/": "/o", "o/x": "/o",
	} {
		if got := inside(to); got != want {
			t.Errorf("%s leads to %s, want %s", fmt.Sprintf("%q", to), got, want)
		}
	}
}
