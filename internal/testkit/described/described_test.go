package described

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// recorder takes the complaints of a transport instead of failing.
type recorder struct {
	testing.TB
	said int
}

func (r *recorder) Helper()               {}
func (r *recorder) Errorf(string, ...any) { r.said++ }

type canned struct {
	status      int
	media, body string
}

func (a canned) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: a.status, Status: http.StatusText(a.status), Header: http.Header{"Content-Type": {a.media}}, Body: io.NopCloser(strings.NewReader(a.body)),
	}, nil
}

// A check that finds nothing wrong is only worth something when it finds what is.
func TestWhatIsNotDescribedIsFound(t *testing.T) {
	t.Parallel()
	const seats = `{"event_id":"01997c62-0000-7000-8000-000000000001","capacity":1,"going":1,"maybe":0,"waitlisted":0,"held":0,"remaining":0,"checked_in":0,"version":3`
	const problem = `{"type":"/problems/x","title":"t","status":404,"detail":"d","request_id":"r","code":`
	for name, c := range map[string]struct {
		path   string
		answer canned
		wrong  bool
	}{
		"as described":          {"/v1/events/a/availability", canned{200, "application/json; charset=utf-8", seats + "}"}, false},
		"a member more":         {"/v1/events/a/availability", canned{200, "application/json", seats + `,"secret":1}`}, true},
		"a member less":         {"/v1/events/a/availability", canned{200, "application/json", `{"event_id":"x"}`}, true},
		"another type":          {"/v1/events/a/availability", canned{200, "application/json", strings.Replace(seats, `"going":1`, `"going":"1"`, 1) + "}"}, true},
		"another status":        {"/v1/events/a/availability", canned{418, "application/problem+json", problem + `"not-found"}`}, true},
		"another media type":    {"/v1/events/a/availability", canned{200, "text/plain", seats + "}"}, true},
		"a problem":             {"/v1/events/a/availability", canned{404, "application/problem+json", problem + `"not-found"}`}, false},
		"a problem that brings": {"/v1/events/a/availability", canned{404, "application/problem+json", problem + `"not-found","id":"x"}`}, false},
		"an unknown code":       {"/v1/events/a/availability", canned{404, "application/problem+json", problem + `"gone-fishing"}`}, true},
		"a code elsewhere":      {"/v1/events/a/availability", canned{404, "application/problem+json", problem + `"event-full"}`}, true},
		"a route that is not":   {"/v1/nowhere", canned{200, "application/json", `{}`}, true},
		"an accepted parameter": {"/v1/events?limit=5000", canned{200, "application/json", `{"items":[],"next_cursor":null,"total":0,"fuzzy":false,` + `"facets":{"category":{},"tag":{},"city":{},"country":{},"month":{}}}`}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &recorder{TB: t}
			req, err := http.NewRequestWithContext(t.Context(), "GET", "http://turnout.test"+c.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			res, err := Transport(r, c.answer).RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			if b, err := io.ReadAll(res.Body); err != nil || string(b) != c.answer.body {
				t.Errorf("the answer was changed: %q, %v", b, err)
			}
			_ = res.Body.Close()
			if (r.said > 0) != c.wrong {
				t.Errorf("%d complaints", r.said)
			}
		})
	}
}
