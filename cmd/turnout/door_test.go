package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/turnout-events/turnout/internal/testkit"
)

// phone is a browser at the door, with its cookies.
type phone struct {
	w    *world
	http *http.Client
}

// browser signs in as a person does, and is led to where they wanted to go.
func (w *world) browser(email, password, to string) *phone {
	w.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	p := &phone{w, &http.Client{Timeout: 30 * time.Second, Jar: jar}}
	form := url.Values{"email": {email}, "password": {password}, "to": {to}}
	testkit.Eventually(w.t, 2*time.Minute, 200*time.Millisecond, func() error { // a member of a moment ago may not be known everywhere
		res, err := p.http.PostForm(w.url+"/o/sign-in", form)
		if err != nil {
			return err
		}
		defer func() { _ = res.Body.Close() }()
		if res.StatusCode != 200 || res.Request.URL.Path != to {
			return fmt.Errorf("%s was led to %s: %s", email, res.Request.URL, res.Status)
		}
		return nil
	})
	return p
}

// ask sends what the page's script would, and comes again as it would, under the same key.
func (p *phone) ask(method, path, key, body string) (status int, got map[string]any, version string) {
	p.w.t.Helper()
	testkit.Eventually(p.w.t, 2*time.Minute, 200*time.Millisecond, func() error {
		req, err := http.NewRequestWithContext(p.w.t.Context(), method, p.w.url+path, strings.NewReader(body))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Accept", "application/json")
		req.Header.Set("Idempotency-Key", key)
		res, err := p.http.Do(req)
		if err != nil {
			return err
		}
		defer func() { _ = res.Body.Close() }()
		status, got, version = res.StatusCode, nil, res.Header.Get("Turnout-Version")
		if err := json.NewDecoder(res.Body).Decode(&got); err != nil {
			return err
		}
		if status == http.StatusServiceUnavailable || got["code"] == "not-yet-visible" || got["code"] == "idempotency-key-in-use" {
			return fmt.Errorf("%s %s: %v", method, path, got)
		}
		return nil
	})
	return status, got, version
}

// says asks and holds the answer's parts.
func (p *phone) says(method, path, key, body string, parts map[string]any) (version string) {
	p.w.t.Helper()
	status, got, version := p.ask(method, path, key, body)
	for name, want := range parts {
		if fmt.Sprint(got[name]) != fmt.Sprint(want) {
			p.w.t.Errorf("%s %s: %d, %s is %v, want %v: %v", method, path, status, name, got[name], want, got)
		}
	}
	return version
}

// A night at the door: somebody with the role door, a phone that loses the network, another that does not.
func TestTheDoorGoesOnWithoutANetwork(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.serveHere()
	w.organizer()
	const dora = "a long pass phrase of Dora"
	owner := w.bearer
	w.signUp("Dora", "dora@example.org", dora)
	w.bearer = owner
	w.want(201, "POST", "/v1/organizations/"+w.org+"/members", map[string]string{"email": "dora@example.org", "role": "door"}, "Idempotency-Key", "dora")
	event, _ := w.event("Lantern night", time.Hour, map[string]any{"capacity": 6})
	ids := map[string]string{}
	for _, name := range []string{"ann", "bob", "cat"} {
		var made struct{ ID string }
		w.want(201, "POST", "/v1/events/"+event+"/rsvps", map[string]any{"name": name, "email": name + "@example.net", "response": "going", "party_size": 2},
			"Idempotency-Key", name).decode(t, &made)
		ids[name] = made.ID
	}
	door := "/door/" + event
	north, south := w.browser("dora@example.org", dora, door), w.browser("olga@example.org", "a long pass phrase of Olga", door)

	// North has the list, and lets half of Ann's party in.
	testkit.Eventually(t, 2*time.Minute, 100*time.Millisecond, func() error {
		_, list, _ := north.ask("GET", door+"/guests", "", "")
		if list["total"] != 3.0 || strings.Contains(fmt.Sprint(list), "locale") {
			return fmt.Errorf("the list: %v", list)
		}
		return nil
	})
	north.says("POST", door+"/check-ins", "n1", `{"rsvp_id":"`+ids["ann"]+`","people":1,"device":"North","id":"n1"}`,
		map[string]any{"outcome": "admitted", "people": 1, "checked_in": 1, "party_size": 2})
	south.says("POST", door+"/check-ins", "s1", `{"rsvp_id":"`+ids["ann"]+`","people":0,"device":"South","id":"s1"}`,
		map[string]any{"outcome": "admitted", "people": 1, "checked_in": 2})
	south.says("POST", door+"/check-ins", "s2", `{"ticket":"AAAA","device":"South","id":"s2"}`, map[string]any{"outcome": "unknown"})

	// North loses the network and lets Bob and Cat in. Meanwhile Bob comes in at South, and Cat cancels.
	at := func(s int) string {
		return time.Now().Add(time.Duration(s) * time.Second).UTC().Format(time.RFC3339Nano)
	}
	queue := `{"entries":[{"id":"n2","rsvp_id":"` + ids["bob"] + `","people":2,"device":"North","at":"` + at(0) + `"},` +
		`{"id":"n3","rsvp_id":"` + ids["cat"] + `","people":2,"device":"North","at":"` + at(0) + `"}]}`
	south.says("POST", door+"/check-ins", "s3", `{"rsvp_id":"`+ids["bob"]+`","people":2,"device":"South","id":"s3","at":"`+at(-3600)+`"}`, map[string]any{"outcome": "admitted"})
	w.want(200, "DELETE", "/v1/rsvps/"+ids["cat"], nil, "Idempotency-Key", "cat-cancels")

	// North's entries are merged as often as it likes: an answer may be lost on its way.
	var version string
	for range 2 {
		status, got, v := north.ask("POST", door+"/check-ins/batch", "merge", queue)
		said := fmt.Sprint(got["conflicts"])
		if status != 200 || !strings.Contains(said, "conflict:double") || !strings.Contains(said, "conflict:cancelled") {
			t.Errorf("the merge: %d %v", status, got)
		}
		version = v
	}
	north.says("POST", door+"/check-ins/batch", "merge again", queue, nil)
	w.seats(event, version, `"checked_in":4`, `"going":4`)
	_, list, _ := north.ask("GET", door+"/guests?v="+url.QueryEscape(version), "", "")
	if s := fmt.Sprint(list); !strings.Contains(s, "conflict:double") || !strings.Contains(s, "conflict:cancelled") {
		t.Errorf("the list says nothing of the conflicts: %s", s)
	}
	version = north.says("DELETE", door+"/check-ins/"+ids["bob"], "n4", `{"id":"n4","device":"North"}`, map[string]any{"outcome": "undone", "checked_in": 0})
	w.seats(event, version, `"checked_in":2`)

	// Somebody without an answer gets one of the seats that are left, and comes in.
	status, walked, _ := north.ask("POST", door+"/rsvps", "walk", `{"name":"Walt","party_size":2}`)
	if status != 200 || walked["status"] != "confirmed" || walked["manage_token"] != nil {
		t.Fatalf("the walk-in: %d %v", status, walked)
	}
	version = north.says("POST", door+"/check-ins", "n5", fmt.Sprintf(`{"rsvp_id":%q,"people":0,"id":"n5"}`, walked["id"]), map[string]any{"outcome": "admitted", "people": 2})
	w.seats(event, version, `"checked_in":4`, `"remaining":0`)

	// A stranger finds no door, and who has signed out none either.
	w.signUp("Eve", "eve@example.org", "a long pass phrase of Eve")
	w.bearer = owner
	eve := w.browser("eve@example.org", "a long pass phrase of Eve", "/o")
	if status, got, _ := eve.ask("GET", door+"/guests", "", ""); status != 404 && status != 403 {
		t.Errorf("a stranger reads the list: %d %v", status, got)
	}
	if res, err := north.http.PostForm(w.url+"/o/sign-out", nil); err != nil || res.Body.Close() != nil || res.Request.URL.Path != "/o/sign-in" {
		t.Errorf("signed out to %v, %v", res, err)
	}
	if status, got, _ := north.ask("POST", door+"/check-ins/batch", "later", queue); status != 401 {
		t.Errorf("after signing out: %d %v", status, got)
	}
}
