package query_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/turnout-events/turnout/internal/token"
)

// What may be kept, by whom and for how long, on every route; and who has it
// already is not sent it again. docs/read-side.md has the same table.
func TestCaching(t *testing.T) {
	t.Parallel()
	r := start(t)
	s := r.story()
	link, err := r.manage.Make(s.came.ID, 0)
	must(t, err)
	sessions, err := token.NewSessions(r.ring)
	must(t, err)
	guest := []string{"Authorization", "Guest " + link}
	session := []string{"Authorization", "Guest " + sessions.Session([]byte{1, 2, 3}, time.Now())}
	member := []string{"Authorization", "Bearer account:" + s.owner}
	event, org, rsvp := "/v1/events/"+s.event.ID, "/v1/organizations/"+s.org, "/v1/rsvps/"+s.came.ID
	const keep, never, ask, untagged = "public, max-age=", "private, no-store", "private, no-cache", "untagged"
	cases := []struct {
		path, want string
		headers    []string
		tag        string
		of         string // whose version it has, if not the event's
	}{
		{path: "/v1/events?q=bould", want: keep + "1"},
		{path: "/v1/events?q=bould", want: ask, headers: atLeast(s.event.ID, s.version)},
		{path: "/v1/suggest?q=bould", want: keep + "5"},
		{path: "/v1/suggest?q=bould", want: ask, headers: atLeast(s.event.ID, s.version)},
		{path: "/v1/series/" + s.event.SeriesID, want: "no-cache"},
		{path: event, want: "no-store"},
		{path: event + "/availability", want: "no-cache"},
		{path: event + "/calendar.ics", want: "no-cache"},
		{path: org + "/calendar.ics", want: keep + "300"},
		{path: rsvp + "/calendar.ics", want: never, headers: guest},
		{path: rsvp, want: never, headers: guest},
		{path: rsvp + "/ticket.png", want: never, headers: guest, tag: untagged},
		{path: rsvp + "/ticket.svg", want: never, headers: guest, tag: untagged},
		{path: "/v1/me/rsvps", want: never, headers: session},
		{path: "/v1/me", want: never, headers: member, of: s.org},
		{path: "/v1/organizations", want: never, headers: member, of: s.org},
		{path: org + "/members", want: never, headers: member, of: s.org},
		{path: org + "/events", want: ask, headers: member},
		{path: event + "/guests", want: never, headers: member},
		{path: event + "/guests.csv", want: never, headers: member, tag: untagged},
		{path: event + "/analytics", want: never, headers: member},
		{path: org + "/analytics/overview", want: never, headers: member},
		{path: org + "/analytics/popular", want: never, headers: member},
		{path: org + "/analytics/daily", want: never, headers: member},
		{path: org + "/analytics/utilization", want: never, headers: member},
		{path: org + "/analytics/cancellations", want: never, headers: member},
		{path: "/v1/changes", want: never, headers: member},
	}
	for _, c := range cases { // an answer that still grows has another tag the next time
		of := atLeast(s.event.ID, s.version)
		if c.of != "" {
			of = atLeast(c.of, 1)
		}
		if caught := r.get(c.path, append(of, c.headers...)...); caught.status != http.StatusOK {
			t.Fatalf("%s of the last version: %d %s", c.path, caught.status, caught.body)
		}
	}
	for _, c := range cases {
		got := r.get(c.path, c.headers...)
		if got.status != http.StatusOK || got.header.Get("Cache-Control") != c.want {
			t.Errorf("%s: %d, may be kept as %q, want %q", c.path, got.status, got.header.Get("Cache-Control"), c.want)
		}
		etag := got.header.Get("ETag")
		if (etag == "") != (c.tag == untagged) {
			t.Errorf("%s: ETag %q", c.path, etag)
		}
		if etag == "" {
			continue
		}
		for _, known := range []string{etag, `"other", W/` + etag, "*"} {
			if again := r.get(c.path, append([]string{"If-None-Match", known}, c.headers...)...); again.status != http.StatusNotModified || len(again.body) > 0 || again.header.Get("Cache-Control") != c.want {
				t.Errorf("%s, which is known as %s: %d %s %s", c.path, known, again.status, again.header.Get("Cache-Control"), again.body)
			}
		}
		if other := r.get(c.path, append([]string{"If-None-Match", `"other"`}, c.headers...)...); other.status != http.StatusOK {
			t.Errorf("%s, of which another state is known: %d", c.path, other.status)
		}
		if refused := r.get(c.path+sign(c.path)+"what=1", c.headers...); refused.status < 400 || refused.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s with a word it does not know: %d, %q", c.path, refused.status, refused.header.Get("Cache-Control"))
		}
	}
}

func sign(path string) string {
	if strings.Contains(path, "?") {
		return "&"
	}
	return "?"
}
