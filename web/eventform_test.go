package web

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"
)

// Times are typed on the event's own clock, and what was left empty takes its default.
func TestANewEventIsSentAsItWasTyped(t *testing.T) {
	t.Parallel()
	o := organize(t, "editor", map[string]string{"POST /v1/events": own(t, nil)}, reads(t, nil))
	res, body := o.get("/o/" + orgID + "/new")
	key := hidden(body, "key")
	if res.StatusCode != 200 || key == "" || hidden(body, "time_zone") != "Europe/Berlin" {
		t.Fatalf("%d\n%s", res.StatusCode, body)
	}
	form := url.Values{
		"key": {key}, "title": {" Night <b>walk</b> "}, "description": {"One\r\ntwo"}, "starts_at": {"2031-07-01T19:00"}, "ends_at": {"2031-07-01T22:00"}, "time_zone": {"America/New_York"},
		"venue_name": {""}, "tags": {"a, b ,,c"}, "reminders": {""}, "capacity": {""}, "max_party": {""}, "waitlist_policy": {"offer"}, "offer_ttl": {"2h"}, "approval": {"1"}, "online": {"1"},
		"price_min": {"12.50"}, "price_currency": {"eur"}, "retention_days": {"30"}, "rsvp_closes_at": {"2031-06-30T12:00"},
		"q0_id": {"q-a"}, "q0_label": {"Diet?"}, "q0_kind": {"choice"}, "q0_options": {"all\r\nvegan\r\n"}, "q0_required": {"1"},
		"q1_id": {"q-b"}, "q1_label": {""}, "q1_kind": {"text"}, "q2_id": {"q-c"}, "q2_label": {"Gone"}, "q2_kind": {"text"}, "q2_gone": {"1"},
	}
	res, body = o.send("/o/"+orgID+"/new", form)
	if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != eventRoot+"?done=made&v=x%407" {
		t.Fatalf("%d\n%s", res.StatusCode, body)
	}
	sent := o.asked("POST", "/v1/events")[0]
	if got := sent.header.Get("Idempotency-Key"); got != formKey(form) {
		t.Errorf("the key of the form is %q, sent was %q", formKey(form), got)
	}
	same(t, "sent", decodedBody(t, sent.body), map[string]any{
		"organization_id": orgID, "title": "Night <b>walk</b>", "description": "One\ntwo", "starts_at": "2031-07-01T19:00:00-04:00", "ends_at": "2031-07-01T22:00:00-04:00",
		"rsvp_closes_at": "2031-06-30T12:00:00-04:00", "time_zone": "America/New_York", "tags": []any{"a", "b", "c"}, "reminders": []any{}, "waitlist_policy": "offer", "offer_ttl": "2h",
		"approval": true, "confirm_address": false, "remind_maybe": false, "online": true, "retention_days": 30.0,
		"price_range": map[string]any{"min": 12.5, "max": 12.5, "currency": "EUR"},
		"questions":   []any{map[string]any{"id": "q-a", "label": "Diet?", "kind": "choice", "options": []any{"all", "vegan"}, "required": true}},
	})
}

// A refused form says at each field what is wrong with it, in its own words, and loses nothing.
func TestARefusedEventFormKeepsWhatWasTyped(t *testing.T) {
	t.Parallel()
	refused := `{"status":400,"code":"invalid-input","detail":"Not valid","errors":[{"pointer":"/ends_at","detail":"is after starts_at"},{"pointer":"/questions/0/options","detail":"has 1 to 50 options"},{"pointer":"/venue/country","detail":"is a code"}]}`
	o := organize(t, "owner", map[string]string{"POST /v1/events": refused}, reads(t, nil))
	form := url.Values{"key": {"OLD"}, "title": {`A "walk" <script>`}, "starts_at": {"soon"}, "time_zone": {"Mars/Base"}, "venue_country": {"zz"}, "waitlist_policy": {"none"}, "visibility": {"unlisted"}, "approval": {"1"},
		"q0_id": {"a"}, "q0_label": {""}, "q1_id": {"b"}, "q1_label": {"Diet?"}, "q1_kind": {"checkbox"}, "q1_required": {"1"}}
	res, body := o.send("/o/"+orgID+"/new", form)
	if res.StatusCode != 400 {
		t.Fatalf("%d\n%s", res.StatusCode, body)
	}
	for _, part := range []string{"<b>End</b> must be after the start", "<b>Question 2, options</b> has 1 to 50", "<b>Country</b>", `value="A &#34;walk&#34; &lt;script&gt;"`, `value="soon"`, `value="Mars/Base"`,
		`value="none" checked`, `value="unlisted" checked`, `name="approval" value="1" checked`, `value="checkbox" selected`, `name="q1_required" value="1" checked`, `<span class="wrong">must be a code</span>`} {
		if !strings.Contains(body, part) {
			t.Errorf("no %s in\n%s", part, body)
		}
	}
	if strings.Contains(body, `name="remind_maybe" value="1" checked`) || hidden(body, "key") != "OLD" {
		t.Errorf("a box was ticked, or the key is another\n%s", body)
	}
	// What could not be read as a time goes on as it was typed: the API says how to write it.
	if sent := decodedBody(t, o.asked("POST", "/v1/events")[0].body); sent["starts_at"] != "soon" {
		t.Errorf("sent %v", sent)
	}
}

// More rows are no write, and a question that was typed keeps its id.
func TestMoreRowsWriteNothing(t *testing.T) {
	t.Parallel()
	o := organize(t, "owner", nil, reads(t, nil))
	form := url.Values{"key": {"K"}, "more": {"1"}, "title": {"Half"}, "q0_id": {"q-a"}, "q0_label": {"Diet?"}, "q1_id": {"q-b"}, "q1_label": {""}}
	res, body := o.send("/o/"+orgID+"/new", form)
	if res.StatusCode != 200 || len(o.asked("POST", "/v1/events")) > 0 || hidden(body, "key") != "K" || hidden(body, "q0_id") != "q-a" {
		t.Errorf("%d\n%s", res.StatusCode, body)
	}
	ids := map[string]bool{}
	for _, row := range []string{"q0_", "q1_", "q2_", "q5_"} {
		ids[hidden(body, row+"id")] = true
	}
	if len(ids) != 4 || ids[""] {
		t.Errorf("ids of rows: %v", ids)
	}
}

// An edit sends what was changed and nothing else: seconds that no form shows stay, and the place on the map.
func TestAnEditSendsWhatWasChanged(t *testing.T) {
	t.Parallel()
	o := organize(t, "editor", map[string]string{"PATCH " + ownPath: own(t, nil)}, reads(t, nil))
	form := opened(t, o)
	if got := form.Get("starts_at"); got != "2031-03-01T19:30" {
		t.Errorf("the form shows the start as %s", got)
	}
	key := formKey(form)
	if res, body := o.send(eventRoot+"/edit", form); res.StatusCode != http.StatusSeeOther {
		t.Fatalf("%d\n%s", res.StatusCode, body)
	}
	form.Set("venue_name", "Saal")
	form.Set("ends_at", "2031-03-01T23:00")
	form.Del("q0_required")
	o.send(eventRoot+"/edit", form)
	sent := o.asked("PATCH", ownPath)
	if sent[0].body != "{}" || sent[0].header.Get("If-Match") != `"4"` || sent[0].header.Get("Idempotency-Key") != key || sent[1].header.Get("Idempotency-Key") == key {
		t.Errorf("unchanged, it sends %s with %v", sent[0].body, sent[0].header)
	}
	same(t, "sent", decodedBody(t, sent[1].body), map[string]any{
		"ends_at":   "2031-03-01T23:00:00+01:00",
		"venue":     map[string]any{"name": "Saal", "city": "Bern", "address": nil, "country": nil, "lat": 46.94809, "lon": 7.44744},
		"questions": []any{map[string]any{"id": "diet", "label": "What do you eat?", "kind": "choice", "options": []any{"all", "vegan"}, "required": false}},
	})
}

// opened is the form of the event as a browser would send it unchanged.
func opened(t *testing.T, o *organizers) url.Values {
	t.Helper()
	_, body := o.get(eventRoot + "/edit")
	form, err := url.ParseQuery(hidden(body, "base"))
	if err != nil || !form.Has("title") {
		t.Fatalf("no form in\n%s", body)
	}
	form.Set("base", form.Encode())
	form.Set("key", hidden(body, "key"))
	form.Set("revision", hidden(body, "revision"))
	return form
}

// Two who edit at once lose nothing: what only the other changed is taken over, what both changed is told.
func TestAnEditThatIsTooLateIsMerged(t *testing.T) {
	t.Parallel()
	query := reads(t, nil)
	o := organize(t, "editor", map[string]string{"PATCH " + ownPath: `{"status":412,"code":"revision-mismatch","detail":"you have seen revision 4, it is 5 now"}`}, query)
	form := opened(t, o)
	form.Set("description", "Mine")
	form.Set("category", "dark")
	form.Set("approval", "1")
	now := reads(t, map[string]any{"revision": 5, "title": "Theirs", "category": "light <b>", "remind_maybe": true, "questions": []any{}})
	late := organize(t, "editor", map[string]string{"PATCH " + ownPath: `{"status":412,"code":"revision-mismatch","detail":"you have seen revision 4, it is 5 now"}`}, now)
	res, body := late.send(eventRoot+"/edit", form)
	if res.StatusCode != http.StatusPreconditionFailed || hidden(body, "revision") != "5" || hidden(body, "key") != form.Get("key") {
		t.Fatalf("%d\n%s", res.StatusCode, body)
	}
	for part, want := range map[string]bool{
		`name="title" value="Theirs"`: true, ">Mine</textarea>": true, `name="category" value="dark"`: true, "light &lt;b&gt;</td>": true, `name="approval" value="1" checked`: true,
		`name="remind_maybe" value="1" checked`: true, "What do you eat?": false, `<th scope="row">Title</th>`: false, `<th scope="row">Category</th>`: true,
	} {
		if strings.Contains(body, part) != want {
			t.Errorf("%s: want %t\n%s", part, want, body)
		}
	}
	// Who saves again sends their own changes, and not those of the other.
	again, err := url.ParseQuery(hidden(body, "base"))
	if err != nil || again.Get("title") != "Theirs" {
		t.Fatalf("%v: the form was made from %v", err, again)
	}
}

// A field that merging does not know would be lost when two edit at once.
func TestEveryFieldOfTheFormIsMerged(t *testing.T) {
	t.Parallel()
	o := organize(t, "editor", nil, reads(t, nil))
	_, body := o.get(eventRoot + "/edit")
	inForm := map[string]bool{}
	for _, m := range regexp.MustCompile(` name="([a-z_0-9]+)"`).FindAllStringSubmatch(body, -1) {
		if name := m[1]; !rowField.MatchString(name) && name != "key" && name != "revision" && name != "base" && name != "more" {
			inForm[name] = true
		}
	}
	for _, name := range fieldOrder {
		if !inForm[name] || eventLabels[name] == "" {
			t.Errorf("%s is not in the form, or has no label", name)
		}
		delete(inForm, name)
	}
	if delete(inForm, "viewport"); len(inForm) > 0 {
		t.Errorf("not merged: %v", inForm)
	}
}

func TestAFormWithoutItsBaseIsNotSaved(t *testing.T) {
	t.Parallel()
	o := organize(t, "editor", map[string]string{"PATCH " + ownPath: own(t, nil)}, reads(t, nil))
	if res, _ := o.send(eventRoot+"/edit", url.Values{"title": {"x"}}); res.StatusCode != 400 || len(o.asked("PATCH", ownPath)) > 0 {
		t.Errorf("%d", res.StatusCode)
	}
}

// What a clock shows is one moment, the same one that a series takes: also where clocks show it twice, or never.
func TestATimeOnTheEventsClock(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ typed, zone, want string }{
		{"2027-03-28T01:30", "Europe/Berlin", "2027-03-28T01:30:00+01:00"}, {"2027-03-28T02:30", "Europe/Berlin", "2027-03-28T03:30:00+02:00"},
		{"2027-03-28T03:30", "Europe/Berlin", "2027-03-28T03:30:00+02:00"}, {"2027-03-14T02:30", "America/New_York", "2027-03-14T03:30:00-04:00"},
		{"2027-10-31T02:30", "Europe/Berlin", "2027-10-31T02:30:00+02:00"}, {"2027-11-07T01:30", "America/New_York", "2027-11-07T01:30:00-04:00"},
		{" 2031-07-01T19:00:15 ", "Asia/Tokyo", "2031-07-01T19:00:15+09:00"}, {"2031-07-01 19:00", "Mars/Base", "2031-07-01T19:00:00Z"},
	} {
		if got, err := onClock(c.typed, c.zone); err != nil || got.Format(time.RFC3339) != c.want {
			t.Errorf("%s in %s is %s, want %s (%v)", c.typed, c.zone, got.Format(time.RFC3339), c.want, err)
		}
	}
	if got, err := onClock("soon", "UTC"); err == nil {
		t.Errorf("soon is %s", got)
	}
}
