package command_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/turnout-events/turnout/command/httpapi"
)

// A cast is one organization with somebody of every role, an event with an
// answer, and people who have nothing to do with it.
type cast struct {
	*role
	auth                   map[string]string // who → Authorization header
	orgID, eventID, rsvpID string
	token                  string // manage token of the answer
}

func castOf(t *testing.T) *cast {
	t.Helper()
	c := &cast{role: start(t), auth: map[string]string{}}
	c.auth["owner"] = c.signUp("owner@example.org")
	c.orgID = c.organization(c.auth["owner"])
	for _, name := range []string{"editor", "door", "analyst"} {
		c.auth[name] = c.signUp(name + "@example.org")
		c.do(request{method: "POST", path: "/v1/organizations/" + c.orgID + "/members", auth: c.auth["owner"],
			body: map[string]string{"email": name + "@example.org", "role": name}}).want(http.StatusCreated)
	}
	c.auth["stranger"] = c.signUp("stranger@example.org")
	c.organization(c.auth["stranger"]) // an owner, of something else
	c.auth["nobody"] = ""
	c.auth["forger"] = "Bearer " + forged(t, c.auth["owner"])
	c.eventID = c.published(c.auth["owner"], c.orgID, nil)
	ada := c.answer(c.eventID, "ada", 1).want(http.StatusCreated)
	bob := c.answer(c.eventID, "bob", 1).want(http.StatusCreated)
	c.rsvpID, c.token = ada.text("id"), ada.text("manage_token")
	c.auth["guest"] = "Guest " + c.token
	c.auth["other guest"] = "Guest " + bob.text("manage_token")
	return c
}

// forged takes a good token and makes it one of somebody else.
func forged(t *testing.T, auth string) string {
	t.Helper()
	parts := strings.Split(strings.TrimPrefix(auth, "Bearer "), ".")
	if len(parts) != 3 {
		t.Fatalf("not a token: %s", auth)
	}
	return parts[0] + "." + parts[1] + "x." + parts[2]
}

// door is a route and who gets what at it.
type door struct {
	method, path string
	body         string
	want         map[string]int
}

// open are the routes that anybody may call, and what protects them instead.
var open = map[string]string{
	"GET /.well-known/jwks.json":     "public keys",
	"POST /v1/auth/register":         "a limit per client",
	"POST /v1/auth/login":            "the password, and a limit of failures",
	"POST /v1/auth/refresh":          "the refresh token",
	"POST /v1/auth/logout":           "the refresh token",
	"POST /v1/organizations":         "any account: the caller becomes its owner",
	"POST /v1/events/:id/rsvps":      "guests need no account",
	"GET /v1/events/:id/cover":       "pictures of drafts are members' only (TestCoversAreMadeAnew)",
	"GET /v1/events/:id/certificate": "names nobody",
	"POST /v1/guest-links":           "answers everybody the same",
	"POST /v1/guest-sessions":        "the mailed token",
}

// everyRouteHasADoor fails when a route of the role is neither in the table
// nor open on purpose: a new route cannot go untested.
func everyRouteHasADoor(t *testing.T, table []door) {
	t.Helper()
	e := gin.New()
	(&httpapi.API{}).Routes(e)
	for _, r := range e.Routes() {
		like := regexp.MustCompile("^" + regexp.MustCompile(":[a-z]+").ReplaceAllString(r.Path, "[^/]+") + "$")
		tested := slices.ContainsFunc(table, func(d door) bool { return d.method == r.Method && like.MatchString(d.path) })
		if _, public := open[r.Method+" "+r.Path]; tested == public {
			t.Errorf("%s %s: in the table %v, open on purpose %v; want one of them", r.Method, r.Path, tested, public)
		}
	}
}

// Every route × everybody. A number is the status they get; pass means
// that they get past the doors: whatever the answer is then, it is none of
// 401, 403 and 404.
func TestWhoMayDoWhat(t *testing.T) {
	t.Parallel()
	const pass = 0
	c := castOf(t)
	members := func(owner, editor, door, analyst int) map[string]int {
		return map[string]int{
			"owner": owner, "editor": editor, "door": door, "analyst": analyst,
			"stranger": 404, "nobody": 401, "forger": 401, "guest": 401, "other guest": 401,
		}
	}
	guests := func(owner, editor, door, analyst, stranger int) map[string]int {
		return map[string]int{
			"owner": owner, "editor": editor, "door": door, "analyst": analyst, "stranger": stranger,
			"nobody": 401, "forger": 401, "guest": pass, "other guest": 404,
		}
	}
	typed := guests(403, 403, 403, 403, 404)
	typed["guest"] = 403 // knows the answer, but has not shown the mail
	event, answer := "/v1/events/"+c.eventID, "/v1/rsvps/"+c.rsvpID
	// Bodies are such that who gets past the doors still changes nothing.
	table := []door{
		{"PATCH", "/v1/organizations/" + c.orgID, `{"name":""}`, members(pass, 403, 403, 403)},
		{"GET", "/v1/organizations/" + c.orgID + "/people", ``, members(pass, 403, 403, 403)},
		{"POST", "/v1/organizations/" + c.orgID + "/members", `{"role":"king"}`, members(pass, 403, 403, 403)},
		{"DELETE", "/v1/organizations/" + c.orgID + "/members", `{"email":"stranger"}`, members(pass, pass, pass, pass)},
		{"DELETE", "/v1/organizations/" + c.orgID + "/members", `{"email":"owner@example.org"}`, members(pass, 403, 403, 403)},
		{"POST", "/v1/events", `{"organization_id":"` + c.orgID + `","title":""}`, members(pass, pass, 403, 403)},
		{"PATCH", event, `{"title":""}`, members(pass, pass, 403, 403)},
		{"PUT", event + "/capacity", `{"capacity":-1}`, members(pass, pass, 403, 403)},
		{"PUT", event + "/cover", `not a picture`, members(pass, pass, 403, 403)},
		{"DELETE", event + "/cover", ``, members(pass, pass, 403, 403)},
		{"POST", event + "/publish", `{"x":1}`, members(pass, pass, 403, 403)},
		{"POST", event + "/cancel", `{"x":1}`, members(pass, pass, 403, 403)},
		{"POST", event + "/duplicate", `{"title":""}`, members(pass, pass, 403, 403)},
		{"POST", event + "/repeat", `{"rrule":"x"}`, members(pass, pass, 403, 403)},
		{"POST", event + "/check-ins", `{}`, members(pass, pass, pass, 403)},
		{"DELETE", event + "/check-ins/" + c.rsvpID, `{"x":1}`, members(pass, pass, pass, 403)},
		{"POST", event + "/check-ins/batch", `{"x":1}`, members(pass, pass, pass, 403)},
		{"GET", event + "/history", ``, members(pass, pass, pass, pass)},
		{"GET", event + "/history/verify", ``, members(pass, pass, pass, pass)},
		{"PATCH", answer, `{"party_size":-1}`, guests(pass, pass, 403, 403, 404)},
		{"DELETE", answer, `{"x":1}`, guests(pass, pass, 403, 403, 404)},
		{"POST", answer + "/accept", `{"x":1}`, guests(pass, pass, 403, 403, 404)},
		{"POST", answer + "/decline", `{"x":1}`, guests(pass, pass, 403, 403, 404)},
		{"POST", answer + "/confirm", `{"x":1}`, typed},
		{"POST", answer + "/feedback", `{"x":1}`, guests(403, 403, 403, 403, 404)},
		{"POST", answer + "/approve", `{"x":1}`, members(pass, pass, 403, 403)},
		{"POST", answer + "/reject", `{"x":1}`, members(pass, pass, 403, 403)},
		{"POST", "/v1/privacy/export", `{"organization_id":"` + c.orgID + `"}`, map[string]int{
			"owner": pass, "editor": 403, "door": 403, "analyst": 403, "stranger": 404, "nobody": 401, "forger": 401, "guest": pass,
		}},
		{"POST", "/v1/privacy/erase", `{"organization_id":"` + c.orgID + `"}`, map[string]int{
			"owner": pass, "editor": 403, "door": 403, "analyst": 403, "stranger": 404, "nobody": 401, "forger": 401, "guest": pass,
		}},
	}
	everyRouteHasADoor(t, table)
	for _, route := range table {
		for who, want := range route.want {
			header := map[string]string{}
			if strings.HasSuffix(route.path, "/cover") {
				header["Content-Type"] = "image/png"
			}
			got := c.do(request{method: route.method, path: route.path, auth: c.auth[who], body: route.body, header: header})
			doors := got.status == 401 || got.status == 403 || got.status == 404
			if want == pass && (doors || got.status >= 500) || want != pass && got.status != want {
				t.Errorf("%s %s as %s: %d %s, want %d", route.method, route.path, who, got.status, got.body, want)
			}
		}
	}
	for who, auth := range c.auth { // an event that is not there is the same for everybody
		got := c.do(request{method: "PATCH", path: "/v1/events/" + unique(t), auth: auth, body: `{"title":"x"}`})
		if want := map[bool]int{true: 401, false: 404}[who == "nobody" || who == "forger" || strings.Contains(who, "guest")]; got.status != want {
			t.Errorf("edit of no event as %s: %d, want %d", who, got.status, want)
		}
	}
	c.do(request{method: "GET", path: event + "/certificate"}).want(http.StatusOK)
	if n := c.do(request{method: "GET", path: event + "/certificate"}).number("version"); n != 4 {
		t.Errorf("version %d, want 4: somebody changed something", n)
	}
}

// What a stranger may not know of looks exactly like what does not exist.
func TestNotFoundTellsNothing(t *testing.T) {
	t.Parallel()
	c := castOf(t)
	blank := func(r response, known string) string {
		var v map[string]any
		if err := json.Unmarshal(r.body, &v); err != nil {
			t.Fatal(err)
		}
		delete(v, "request_id")
		out, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return strings.ReplaceAll(string(out), known, "ID")
	}
	for _, path := range []string{"/v1/events/%/history", "/v1/events/%/history/verify"} {
		real := c.do(request{method: "GET", path: strings.Replace(path, "%", c.eventID, 1), auth: c.auth["stranger"]}).want(http.StatusNotFound)
		none := c.do(request{method: "GET", path: strings.Replace(path, "%", unique(t), 1), auth: c.auth["stranger"]}).want(http.StatusNotFound)
		if blank(real, c.eventID) != blank(none, c.eventID) {
			t.Errorf("%s: %s and %s differ", path, real.body, none.body)
		}
		if bytes.Contains(real.body, []byte(c.orgID)) {
			t.Errorf("%s tells the organization: %s", path, real.body)
		}
	}
}

func TestAnOrganizationKeepsAnOwner(t *testing.T) {
	t.Parallel()
	c := castOf(t)
	members := "/v1/organizations/" + c.orgID + "/members"
	c.do(request{method: "DELETE", path: members, auth: c.auth["owner"], body: `{"email":"owner@example.org"}`}).want(http.StatusConflict, "last-owner")
	c.do(request{method: "POST", path: members, auth: c.auth["owner"], body: `{"email":"owner@example.org","role":"door"}`}).want(http.StatusConflict, "last-owner")
	c.do(request{method: "DELETE", path: members, auth: c.auth["door"], body: `{"email":"door@example.org"}`}).want(http.StatusOK)
	c.do(request{method: "POST", path: "/v1/events/" + c.eventID + "/check-ins", auth: c.auth["door"], body: `{}`}).want(http.StatusNotFound)

	// Every change is a message: contiguous versions, a chain, a row in the outbox.
	var rows, top, waiting int
	err := c.pool.QueryRow(t.Context(), `SELECT count(*), max(version), (SELECT count(*) FROM outbox WHERE topic = 1 AND subject_id = $1)
		FROM organization_log WHERE organization_id = $1`, c.orgID).Scan(&rows, &top, &waiting)
	if err != nil || rows != 5 || top != 5 || waiting != 5 {
		t.Errorf("%d messages up to version %d, %d to be published; want 5, 5, 5: %v", rows, top, waiting, err)
	}
}

// Owners see whom they work with; who has left is gone, and an erased account has no name.
func TestOwnersSeeTheMembersByName(t *testing.T) {
	t.Parallel()
	c := castOf(t)
	people := func() string {
		var list struct {
			Items []struct{ Role, Name, Email string }
		}
		got := c.do(request{method: "GET", path: "/v1/organizations/" + c.orgID + "/people", auth: c.auth["owner"]}).want(http.StatusOK)
		if err := json.Unmarshal(got.body, &list); err != nil {
			t.Fatal(err)
		}
		var seen []string
		for _, p := range list.Items {
			seen = append(seen, p.Role+" "+p.Email)
			if (p.Name == "") != (p.Email == "") {
				t.Errorf("%+v", p)
			}
		}
		return strings.Join(seen, ", ")
	}
	if got := people(); got != "owner owner@example.org, editor editor@example.org, door door@example.org, analyst analyst@example.org" {
		t.Errorf("the members are %s", got)
	}
	c.do(request{method: "DELETE", path: "/v1/organizations/" + c.orgID + "/members", auth: c.auth["owner"], body: map[string]string{"email": "door@example.org"}}).want(http.StatusOK)
	_, err := c.pool.Exec(t.Context(), `DELETE FROM account_key WHERE account_id = (SELECT account_id FROM member WHERE role = 'analyst' AND organization_id = $1)`, c.orgID)
	if err != nil {
		t.Fatal(err)
	}
	if got := people(); got != "owner owner@example.org, editor editor@example.org, analyst " {
		t.Errorf("then the members are %s", got)
	}
	c.do(request{method: "GET", path: "/v1/organizations/" + c.orgID + "/people?role=owner", auth: c.auth["owner"]}).want(http.StatusBadRequest)
}
