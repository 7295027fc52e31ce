package command_test

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// Whatever a client sends that is not exactly what the page says is refused,
// with a pointer to it, and nothing happens.
func TestStrictBodies(t *testing.T) {
	t.Parallel()
	r := start(t)
	auth := r.signUp("owner@example.org")
	orgID := r.organization(auth)
	eventID := r.published(auth, orgID, map[string]any{
		"questions": []map[string]any{{"id": "diet", "label": "Diet", "kind": "choice", "options": []string{"all", "vegan"}, "required": true}},
	})
	with := func(change map[string]any) map[string]any {
		body := guest("ada", 1)
		body["answers"] = map[string]any{"diet": map[string]any{"text": "vegan"}}
		maps.Copy(body, change)
		return body
	}
	rsvps, events := "/v1/events/"+eventID+"/rsvps", "/v1/events"
	body := with(map[string]any{"name": "bob", "email": "bob@example.org"})
	bob := r.do(request{method: "POST", path: rsvps, body: body, key: unique(t)}).want(http.StatusCreated)
	own := "/v1/rsvps/" + bob.text("id")
	for name, c := range map[string]struct {
		path    string
		body    any
		status  int
		pointer string
	}{
		"a status of their own":     {rsvps, with(map[string]any{"status": "confirmed"}), 400, "/status"},
		"an approval of their own":  {rsvps, with(map[string]any{"approved": true}), 400, "/approved"},
		"unknown inside consents":   {rsvps, with(map[string]any{"consents": map[string]any{"all": true}}), 400, "/consents/all"},
		"text for a number":         {rsvps, with(map[string]any{"party_size": "2"}), 400, "/party_size"},
		"a fraction of a person":    {rsvps, with(map[string]any{"party_size": 1.5}), 400, "/party_size"},
		"nobody":                    {rsvps, with(map[string]any{"party_size": -1}), 400, "/party_size"},
		"a party of none":           {rsvps, with(map[string]any{"party_size": 0}), 400, "/party_size"},
		"a party beyond the limit":  {rsvps, with(map[string]any{"party_size": 5}), 400, "/party_size"},
		"no name":                   {rsvps, with(map[string]any{"name": ""}), 400, "/name"},
		"a name of 201":             {rsvps, with(map[string]any{"name": strings.Repeat("a", 201)}), 400, "/name"},
		"a line break in a name":    {rsvps, with(map[string]any{"name": "Ada\nBcc: all@example.org"}), 400, "/name"},
		"no address":                {rsvps, with(map[string]any{"email": ""}), 400, "/email"},
		"two addresses":             {rsvps, with(map[string]any{"email": "a@example.org, b@example.org"}), 400, "/email"},
		"an address with a header":  {rsvps, with(map[string]any{"email": "a@example.org\r\nBcc: b@example.org"}), 400, "/email"},
		"an address without a host": {rsvps, with(map[string]any{"email": "ada@"}), 400, "/email"},
		"perhaps":                   {rsvps, with(map[string]any{"response": "perhaps"}), 400, "/response"},
		"an answer left out":        {rsvps, with(map[string]any{"answers": map[string]any{}}), 400, "/answers/diet"},
		"an answer not offered":     {rsvps, with(map[string]any{"answers": map[string]any{"diet": map[string]any{"text": "beef"}}}), 400, "/answers/diet"},
		"an answer to nothing":      {rsvps, with(map[string]any{"answers": map[string]any{"diet": map[string]any{"text": "vegan"}, "shoe": map[string]any{"text": "42"}}}), 400, "/answers/shoe"},
		"a zone that is not":        {rsvps, with(map[string]any{"time_zone": "Berlin"}), 400, "/time_zone"},
		"two values":                {rsvps, `{"name":"Ada"} {"name":"Bob"}`, 400, ""},
		"half a value":              {rsvps, `{"name":"Ada"`, 400, ""},
		"no value":                  {rsvps, ``, 400, ""},
		"a list":                    {rsvps, `[]`, 400, ""},
		"not UTF-8":                 {rsvps, []byte("{\"name\":\"\xff\"}"), 400, ""},
		"a NUL":                     {rsvps, `{"name":"a\u0000b"}`, 400, ""},
		"too much":                  {rsvps, `{"name":"` + strings.Repeat("a", 300<<10) + `"}`, 413, ""},

		"a status instead of a response": {own, `{"status":"confirmed"}`, 400, "/status"},
		"an approval by the guest":       {own, `{"party_size":2,"approved":true}`, 400, "/approved"},

		"an event without a title":      {events, draft(orgID, map[string]any{"title": ""}), 400, "/title"},
		"an event that ends first":      {events, draft(orgID, map[string]any{"ends_at": "2020-01-01T10:00:00Z"}), 400, "/ends_at"},
		"a local time":                  {events, draft(orgID, map[string]any{"starts_at": "2030-01-01T10:00:00"}), 400, "/starts_at"},
		"a published event":             {events, draft(orgID, map[string]any{"status": "published"}), 400, "/status"},
		"half a coordinate":             {events, draft(orgID, map[string]any{"venue": map[string]any{"lat": 52.5}}), 400, "/venue"},
		"a coordinate in words":         {events, draft(orgID, map[string]any{"venue": map[string]any{"lat": "north", "lon": 13.4}}), 400, "/venue/lat"},
		"unknown inside a venue":        {events, draft(orgID, map[string]any{"venue": map[string]any{"latitude": 52.5}}), 400, "/venue/latitude"},
		"unknown inside a question":     {events, draft(orgID, map[string]any{"questions": []map[string]any{{"id": "a", "label": "A", "kind": "text", "must": true}}}), 400, "/questions/0/must"},
		"more room than is allowed":     {events, draft(orgID, map[string]any{"capacity": 1001}), 400, "/capacity"},
		"room for fewer than nobody":    {events, draft(orgID, map[string]any{"capacity": -1}), 400, "/capacity"},
		"a policy that is not":          {events, draft(orgID, map[string]any{"waitlist_policy": "first"}), 400, "/waitlist_policy"},
		"an organization that is none":  {events, draft("", nil), 400, "/organization_id"},
		"a capacity that is left out":   {"/v1/events/" + eventID + "/capacity", `{}`, 400, "/capacity"},
		"a link that runs":              {events, draft(orgID, map[string]any{"online_url": "javascript:alert(1)"}), 400, "/online_url"},
		"a slug with a space":           {"/v1/organizations", `{"name":"A","slug":"a b"}`, 400, "/slug"},
		"a colour that is none":         {"/v1/organizations/" + orgID, `{"colors":{"primary":"red"}}`, 400, "/colors/primary"},
		"a role that is none":           {"/v1/organizations/" + orgID + "/members", `{"email":"owner@example.org","role":"king"}`, 400, "/role"},
		"a password of seven":           {"/v1/auth/register", `{"email":"a@example.org","password":"1234567","name":"A"}`, 400, "/password"},
		"an address that is none":       {"/v1/auth/register", `{"email":"a.example.org","password":"12345678","name":"A"}`, 400, "/email"},
		"a name of spaces":              {"/v1/auth/register", `{"email":"a@example.org","password":"12345678","name":"  "}`, 400, "/name"},
		"a check-in of nobody":          {"/v1/events/" + eventID + "/check-ins", `{}`, 400, "/ticket"},
		"a check-in of fewer than none": {"/v1/events/" + eventID + "/check-ins", `{"rsvp_id":"` + eventID + `","people":-1}`, 400, "/people"},
		"an entry in the far future behind one of another event": {"/v1/events/" + eventID + "/check-ins/batch",
			`{"entries":[{"id":"1","ticket":"x","at":"2026-01-01T00:00:00Z"},{"id":"2","rsvp_id":"` + eventID + `","at":"2099-01-01T00:00:00Z"}]}`, 400, "/entries/1/at"},
		"an offline entry without time": {"/v1/events/" + eventID + "/check-ins/batch", `{"entries":[{"id":"1","rsvp_id":"` + eventID + `"}]}`, 400, "/entries/0"},
	} {
		q := request{method: "POST", path: c.path, body: c.body, auth: auth, key: unique(t)}
		switch {
		case c.path == rsvps, strings.HasPrefix(c.path, "/v1/auth"):
			q.auth = ""
		case c.path == own:
			q.method, q.auth = "PATCH", "Guest "+bob.text("manage_token")
		case strings.HasSuffix(c.path, "/capacity"):
			q.method = "PUT"
		case c.path == "/v1/organizations/"+orgID:
			q.method = "PATCH"
		}
		got := r.do(q)
		if got.status != c.status {
			t.Errorf("%s: %d %s, want %d", name, got.status, got.body, c.status)
			continue
		}
		if c.pointer != "" && !slices.Contains(got.pointers(), c.pointer) {
			t.Errorf("%s: complains about %v, want %s: %s", name, got.pointers(), c.pointer, got.body)
		}
	}
	ok := r.do(request{method: "POST", path: rsvps, body: with(nil), key: unique(t)}).want(http.StatusCreated)
	if ok.number("version") != 4 { // drafted, published, bob's answer, this one
		t.Errorf("version %d: one of the refused requests left something behind", ok.number("version"))
	}
}

func TestHeadersAreChecked(t *testing.T) {
	t.Parallel()
	r := start(t)
	auth := r.signUp("owner@example.org")
	eventID := r.published(auth, r.organization(auth), nil)
	path := "/v1/events/" + eventID

	r.do(request{method: "POST", path: path + "/rsvps", body: guest("ada", 1)}).want(http.StatusBadRequest, "idempotency-key-missing")
	r.do(request{method: "POST", path: path + "/rsvps", body: guest("ada", 1), key: strings.Repeat("k", 256)}).want(http.StatusBadRequest, "idempotency-key-invalid")
	r.do(request{method: "POST", path: path + "/rsvps", body: "name=Ada", key: "k", header: map[string]string{
		"Content-Type": "application/x-www-form-urlencoded",
	}}).want(http.StatusUnsupportedMediaType)
	r.do(request{method: "PUT", path: path, auth: auth, body: "{}"}).want(http.StatusMethodNotAllowed)
	r.do(request{method: "GET", path: "/v1/nothing"}).want(http.StatusNotFound)
}
