package web

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

const (
	membersPath = "/o/" + ownOrg + "/members"
	membersAPI  = "/v1/organizations/" + ownOrg + "/members"
	peopleAPI   = "/v1/organizations/" + ownOrg + "/people"
)

func membership(role string) map[string]string {
	return map[string]string{
		"GET /v1/me": fmt.Sprintf(`{"id":%q,"organizations":[{"id":%q,"name":"Corner <i>Stage","role":%q,"tracking":true,"colors":{"primary":"#0a5c8f"}}]}`, accountID, ownOrg, role),
		"GET " + peopleAPI: fmt.Sprintf(`{"items":[{"account_id":%q,"role":%q,"name":"Me","email":"me@example.org"},
			{"account_id":%q,"role":"door","name":"Zoë <b>","email":"zoe@example.org"},{"account_id":"x","role":"analyst","name":"","email":""}]}`, accountID, role, rsvpID),
		"POST " + membersAPI:                fmt.Sprintf(`{"id":%q,"members":[{"account_id":%q}]}`, ownOrg, accountID),
		"PATCH /v1/organizations/" + ownOrg: fmt.Sprintf(`{"id":%q,"members":[{"account_id":%q}]}`, ownOrg, accountID),
		"DELETE " + membersAPI:              fmt.Sprintf(`{"id":%q,"members":[{"account_id":%q}]}`, ownOrg, accountID),
	}
}

func TestOwnersSayWhoBelongs(t *testing.T) {
	t.Parallel()
	d := signedInDesk(t, "owner", membership("owner"))
	status, page := d.see(membersPath + "?v=" + ownOrg + "@4")
	if status != http.StatusOK {
		t.Fatalf("%d\n%s", status, page)
	}
	has(t, page, "Corner &lt;i&gt;Stage", `Me</span> <b>you</b>`, "Zoë &lt;b&gt;", "zoe@example.org", `<option value="door" selected>`, "an erased account", `value="add"`, `value="#0a5c8f"`, `name="tracking" value="1" checked`)
	if n := strings.Count(page, `value="remove"`); n != 2 {
		t.Errorf("%d can be removed: an erased account has no address", n)
	}
	if got := d.asked("GET /v1/me"); got[0].header.Get("Turnout-Min-Version") != ownOrg+"@4" {
		t.Errorf("asked for %+v", got)
	}
	for _, c := range []struct {
		form       url.Values
		what, body string
	}{
		{url.Values{"action": {"add"}, "email": {" eve@example.org "}, "role": {"door"}}, "POST " + membersAPI, `{"email":"eve@example.org","role":"door"}`},
		{url.Values{"action": {"remove"}, "email": {"eve@example.org"}, "sure": {"yes"}}, "DELETE " + membersAPI, `{"email":"eve@example.org"}`},
		{url.Values{"action": {"change"}, "name": {"New"}, "primary": {""}, "background": {"#ffffff"}}, "PATCH /v1/organizations/" + ownOrg,
			`{"colors":{"primary":"","background":"#ffffff"},"name":"New","tracking":false}`},
	} {
		c.form.Set("key", "k")
		res, _ := d.send(membersPath, c.form)
		got := d.asked(c.what)
		if res.Header.Get("Location") != membersPath+"?done="+c.form.Get("action")+"&v="+url.QueryEscape(eventID+"@9") || len(got) != 1 || got[0].body != c.body || got[0].header.Get("Idempotency-Key") == "" {
			t.Errorf("%v: to %q, asked for %+v", c.form, res.Header.Get("Location"), got)
		}
	}
	_, page = d.send(membersPath, url.Values{"action": {"remove"}, "email": {"<eve>@example.org"}})
	has(t, page, "Remove &lt;eve&gt;@example.org from Corner &lt;i&gt;Stage?", `name="email" value="&lt;eve&gt;@example.org"`, `name="sure" value="yes"`)
	if len(d.asked("DELETE "+membersAPI)) != 1 {
		t.Error("removed without a question")
	}
}

func TestMembersWhoAreNoOwnersMayOnlyLeave(t *testing.T) {
	t.Parallel()
	answers := membership("analyst")
	answers["DELETE "+membersAPI] = `{"members":[{"account_id":"others"}]}`
	d := signedInDesk(t, "analyst", answers)
	_, page := d.see(membersPath)
	has(t, page, `value="remove">Leave`, "You are analyst of")
	lacks(t, page, `value="add"`, `value="change"`, "zoe@")
	if got := d.asked("GET " + peopleAPI); len(got) > 0 {
		t.Errorf("asked for %+v", got)
	}
	res, _ := d.send(membersPath, url.Values{"action": {"remove"}, "email": {"me@example.org"}, "sure": {"yes"}})
	if to := res.Header.Get("Location"); !strings.HasPrefix(to, "/o?v=") {
		t.Errorf("who has left is led to %q", to)
	}
}

func TestWhatAnOrganizationRefusesIsKept(t *testing.T) {
	t.Parallel()
	answers := membership("owner")
	answers["POST "+membersAPI] = `{"status":404,"code":"account-not-found","title":"No","detail":"Nobody has signed up with this address"}`
	answers["DELETE "+membersAPI] = `{"status":409,"code":"last-owner","title":"No","detail":"An organization needs an owner"}`
	answers["PATCH /v1/organizations/"+ownOrg] = `{"status":400,"code":"invalid-input","detail":"x","errors":[{"pointer":"/colors/primary","detail":"wants #rrggbb"}]}`
	d := signedInDesk(t, "owner", answers)
	for _, c := range []struct {
		form url.Values
		want []string
	}{
		{url.Values{"action": {"add"}, "email": {"eve@example.org"}, "role": {"door"}}, []string{"Nobody has signed up with this address. Ask them to sign up first.", `value="eve@example.org"`, `<option value="door" selected>`}},
		{url.Values{"action": {"remove"}, "email": {"me@example.org"}, "sure": {"yes"}}, []string{"An organization needs an owner", `name="email" value="me@example.org"`}},
		{url.Values{"action": {"change"}, "name": {"Typed"}, "primary": {"red"}}, []string{"<b>Main colour</b> wants #rrggbb", `value="Typed"`, `value="red"`, `name="tracking" value="1">`}},
	} {
		res, page := d.send(membersPath, c.form)
		has(t, page, c.want...)
		if res.StatusCode < 400 {
			t.Errorf("%v: %d", c.form, res.StatusCode)
		}
	}
}
