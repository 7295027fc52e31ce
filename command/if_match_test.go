package command_test

import (
	"net/http"
	"testing"
)

// Every route that takes If-Match refuses a revision that the event no longer
// has, and an ETag that it never had, and then changes nothing.
func TestIfMatchHoldsOnEveryRoute(t *testing.T) {
	t.Parallel()
	r := start(t)
	auth := r.signUp("owner@example.org")
	orgID := r.organization(auth)
	picture := asPNG(t, red(32, 32))
	png := map[string]string{"Content-Type": "image/png"}
	for name, c := range map[string]struct {
		method, path string // behind the event's
		body         any
		header       map[string]string
	}{
		"edit":         {"PATCH", "", `{"title":"Lanterns"}`, nil},
		"capacity":     {"PUT", "/capacity", `{"capacity":7}`, nil},
		"publish":      {"POST", "/publish", nil, nil},
		"cancel":       {"POST", "/cancel", `{"reason":"Storm"}`, nil},
		"duplicate":    {"POST", "/duplicate", `{"title":"Again"}`, nil},
		"repeat":       {"POST", "/repeat", `{"rrule":"FREQ=WEEKLY;COUNT=2"}`, nil},
		"cover":        {"PUT", "/cover", picture, png},
		"remove cover": {"DELETE", "/cover", nil, nil},
	} {
		// edited is the path of an event at revision 2.
		edited := func() string {
			path := "/v1/events/" + r.do(request{method: "POST", path: "/v1/events", auth: auth, body: draft(orgID, nil)}).want(http.StatusCreated).text("id")
			got := r.do(request{method: "PATCH", path: path, auth: auth, body: `{"description":"Bring a lamp."}`}).want(http.StatusOK)
			if tag := got.header.Get("ETag"); tag != `"2"` {
				t.Fatalf("ETag %s after one edit", tag)
			}
			return path
		}
		send := func(path, match string) response {
			q := request{method: c.method, path: path + c.path, auth: auth, body: c.body, header: map[string]string{}}
			for k, v := range c.header {
				q.header[k] = v
			}
			if match != "" {
				q.header["If-Match"] = match
			}
			return r.do(q)
		}
		path := edited()
		for _, match := range []string{`"1"`, `"3"`, `2`, `"2`, `W/"2"`, `"two"`, `"0"`, `"-2"`, `""`} {
			if got := send(path, match); got.status != http.StatusPreconditionFailed || got.text("code") != "revision-mismatch" {
				t.Errorf("%s with If-Match %s: %d %s", name, match, got.status, got.body)
			}
		}
		if now := r.do(request{method: "PATCH", path: path, auth: auth, body: `{}`}).want(http.StatusOK).event(); now.Version != 2 || now.Revision != 2 {
			t.Errorf("%s: a refused request left something behind: %+v", name, now)
		}
		for _, match := range []string{`"2"`, "*", ""} {
			if got := send(edited(), match); got.status != http.StatusOK {
				t.Errorf("%s with If-Match %q: %d %s", name, match, got.status, got.body)
			}
		}
	}
}
