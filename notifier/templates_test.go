package notifier

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/id"
	"github.com/turnout-events/turnout/internal/seal"
	"github.com/turnout-events/turnout/notifier/campaign"
)

// member gives an account a role with a name and an address, sealed as command does.
func (w *world) member(version int64, account, role, email string) *message.Message {
	w.t.Helper()
	key, err := seal.NewKey()
	if err != nil {
		w.t.Fatal(err)
	}
	w.keys.mu.Lock()
	w.keys.keys[account] = key
	w.keys.mu.Unlock()
	plain, err := json.Marshal(contract.MemberPersonal{Name: "Olga", Email: email})
	if err != nil {
		w.t.Fatal(err)
	}
	m := w.organization(version, map[string]string{account: role})
	var body contract.OrganizationMessage
	if err := json.Unmarshal(m.Payload, &body); err != nil {
		w.t.Fatal(err)
	}
	if body.Organization.Members[0].Sealed, err = seal.Seal(key, plain, account); err != nil {
		w.t.Fatal(err)
	}
	if m.Payload, err = json.Marshal(body); err != nil {
		w.t.Fatal(err)
	}
	return m
}

// Every route of templates and campaigns, with every role and somebody else's
// owner: writing to guests is for owners and editors, and a stranger does not
// learn that the event exists.
func TestWhoMayWriteToGuests(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	accounts := map[string]string{}
	for _, role := range []string{contract.RoleOwner, contract.RoleEditor, contract.RoleDoor, contract.RoleAnalyst} {
		accounts[newID(t)] = role
	}
	stranger := newID(t)
	w.hear(w.organization(1, accounts))
	w.publish()
	e := "/v1/events/" + w.event.ID
	made := `{"subject": "x", "body": "x"}`
	var owner string
	for account, role := range accounts {
		if role == contract.RoleOwner {
			owner = account
		}
	}
	_, body, _ := w.call("POST", e+"/campaigns", owner, made)
	var one struct{ ID string }
	if err := json.Unmarshal([]byte(body), &one); err != nil || !id.Valid(one.ID) {
		t.Fatal(body)
	}
	for _, route := range []struct{ method, path, body string }{
		{"GET", "/templates", ""}, {"GET", "/templates/reminder", ""}, {"PUT", "/templates/reminder", `{"subject": "x"}`},
		{"DELETE", "/templates/reminder", ""}, {"POST", "/templates/reminder/preview", `{}`},
		{"POST", "/campaigns", made}, {"GET", "/campaigns", ""}, {"POST", "/campaigns/preview", made}, {"GET", "/campaigns/" + one.ID, ""},
		{"POST", "/campaigns/" + one.ID + "/preview", ""}, {"POST", "/campaigns/" + one.ID + "/start", ""},
		{"POST", "/campaigns/" + one.ID + "/resume", ""}, {"POST", "/campaigns/" + one.ID + "/cancel", ""},
	} {
		for account, role := range accounts {
			status, body, _ := w.call(route.method, e+route.path, account, route.body)
			may := role == contract.RoleOwner || role == contract.RoleEditor
			if may && status >= 400 && status != 409 || !may && status != 403 {
				t.Errorf("%s %s as %s: %d %s", route.method, route.path, role, status, body)
			}
		}
		if status, _, _ := w.call(route.method, e+route.path, "", route.body); status != 401 {
			t.Errorf("%s %s as nobody: %d", route.method, route.path, status)
		}
	}
	// Each waits two seconds for a role that might be on its way: one for all stands here.
	for _, path := range []string{"/templates/reminder", "/campaigns/" + one.ID} {
		if status, _, _ := w.call("GET", e+path, stranger, ""); status != 404 {
			t.Errorf("%s as a stranger: %d", path, status)
		}
	}
	for path, status := range map[string]int{"/campaigns/" + newID(t): 404, "/campaigns/x": 404, "/templates/announcement": 404, "/templates/campaign": 404,
		"/templates/nonsense": 404, "/templates/reminder?locale=xx": 400, "/templates/reminder?lokale=de": 400} {
		if got, body, _ := w.call("GET", e+path, owner, ""); got != status {
			t.Errorf("%s: %d %s, expected %d", path, got, body, status)
		}
	}
}

// From saving to the guest: own words go in the guest's language, another
// language keeps the built-in ones, and deleting goes back.
func TestMailGoesInTheOrganizersWords(t *testing.T) {
	t.Parallel()
	o := newOffice(t, nil)
	put := func(locale, body string) (int, string) {
		status, answer, _ := o.call("PUT", o.path+"/templates/confirmation?locale="+locale, o.owner, body)
		return status, answer
	}
	if status, answer := put("en", `{"subject": "See you, {{.Name}}", "intro": "Hooray", "body": "Bring {{if gt .PartySize 1}}{{.PartySize}} chairs{{else}}a chair{{end}}."}`); status != 200 || !strings.Contains(answer, `"built_in":false`) {
		t.Fatalf("%d %s", status, answer)
	}
	for body, pointer := range map[string]string{`{"subject": "{{.Nam}}"}`: "/subject", `{"body": "{{range .}}{{end}}"}`: "/body", `{"intro": "a\nb"}`: "/intro", `{}`: "", `{"lead": "x"}`: "/lead"} {
		if status, answer := put("en", body); status != 400 || !strings.Contains(answer, `"pointer":"`+pointer+`"`) {
			t.Errorf("%s: %d %s", body, status, answer)
		}
	}
	speaks := func(locale string) func(*contract.RSVP) { return func(g *contract.RSVP) { g.Locale = locale } }
	o.hear(o.guest("ana", contract.RSVPConfirmedV1, contract.StatusConfirmed, speaks("en-GB")), o.guest("bo", contract.RSVPConfirmedV1, contract.StatusConfirmed, speaks("de")))
	o.settle()
	o.expect("ana", "See you, ana")
	o.expect("bo", "Sie sind dabei: Spring concert")

	// A preview writes what it is given and keeps nothing.
	_, answer, _ := o.call("POST", o.path+"/templates/confirmation/preview", o.owner, `{"subject": "Try {{.Name}}", "guest": {"name": "Bo <b>", "party_size": 2}}`)
	if !strings.Contains(answer, `"subject":"Try Bo \u003cb\u003e"`) || !strings.Contains(answer, "Bring 2 chairs.") {
		t.Errorf("%s", answer)
	}
	if _, answer, _ := o.call("GET", o.path+"/templates/confirmation", o.owner, ""); !strings.Contains(answer, `"subject":"See you, {{.Name}}"`) {
		t.Errorf("%s", answer)
	}
	// What another release saved and this one cannot write: the built-in words go, and the notice says why.
	if _, err := o.pool.Exec(t.Context(), `UPDATE notifier.wording SET body = '{{.Weather}}'`); err != nil {
		t.Fatal(err)
	}
	o.hear(o.going("cy"))
	o.settle()
	o.expect("cy", "You're going: Spring concert")
	if _, answer, _ := o.call("GET", o.path+"/notifications?state=sent&rsvp_id="+o.guests["cy"].ID, o.owner, ""); !strings.Contains(answer, `accepted; built-in words: own body line 1:2: unknown field .Weather`) {
		t.Errorf("%s", answer)
	}
	if status, _, _ := o.call("DELETE", o.path+"/templates/confirmation", o.owner, ""); status != 204 {
		t.Error(status)
	}
	if _, answer, _ := o.call("GET", o.path+"/templates/confirmation", o.owner, ""); !strings.Contains(answer, `"built_in":true`) {
		t.Errorf("%s", answer)
	}
}

func TestATestMailGoesToWhoeverAsksOnly(t *testing.T) {
	t.Parallel()
	o := newOffice(t, nil)
	o.hear(o.member(2, o.owner, contract.RoleOwner, "olga@example.org"))
	path := o.path + "/templates/promoted/test"
	for range 20 {
		status, answer, _ := o.call("POST", path, o.owner, `{"subject": "For {{.Name}}"}`)
		if status != 200 || !strings.Contains(answer, `"sent_to":"olga@example.org"`) {
			t.Fatalf("%d %s", status, answer)
		}
	}
	if status, answer, header := o.call("POST", path, o.owner, ""); status != 429 || header.Get("Retry-After") == "" {
		t.Errorf("%d %s", status, answer)
	}
	if status, answer, _ := o.call("POST", path, o.owner, `{"to": "x@example.org"}`); status != 400 {
		t.Errorf("%d %s", status, answer)
	}
	for _, e := range o.ledger.all() {
		if e.To != "olga@example.org" || e.Subject != "[Test] For Olga" {
			t.Errorf("%s got %q", e.To, e.Subject)
		}
	}
	var rows int
	if err := o.pool.QueryRow(t.Context(), `SELECT count(*) FROM notifier.notification`).Scan(&rows); err != nil || rows != 0 {
		t.Errorf("%d notices, %v", rows, err)
	}
	o.after(61 * time.Minute)
	if status, answer, _ := o.call("POST", path, o.owner, ""); status != 200 {
		t.Errorf("an hour later: %d %s", status, answer)
	}
}

// The guests of the organization's other events, once per person, with consent
// to marketing; and those who were there before.
func TestACampaignReachesGuestsOfOtherEvents(t *testing.T) {
	t.Parallel()
	o := newOffice(t, nil)
	marketing := func(g *contract.RSVP) { g.Consents.Marketing = true }
	o.event.Tags = []string{"Music"}
	o.hear(o.about(contract.EventEditedV1, nil))
	o.hear(o.guest("ana", contract.RSVPConfirmedV1, contract.StatusConfirmed, marketing), o.guest("bo", contract.RSVPConfirmedV1, contract.StatusConfirmed, nil),
		o.guest("cy", contract.RSVPConfirmedV1, contract.StatusConfirmed, marketing))
	o.hear(o.guest("ana", contract.CheckedInV1, contract.StatusConfirmed, func(g *contract.RSVP) { g.CheckedIn = 1 }))
	o.settle()
	// The next event of the same organization, a month later; ana answers again.
	o.event.ID, o.version, o.event.Status = newID(t), 0, contract.EventDraft
	o.event.StartsAt, o.event.EndsAt = o.event.StartsAt.AddDate(0, 1, 0), o.event.EndsAt.AddDate(0, 1, 0)
	o.event.Title, o.event.Tags = "Summer concert", nil
	o.path = "/v1/events/" + o.event.ID
	o.publish()
	delete(o.guests, "ana")
	o.hear(o.guest("ana", contract.RSVPConfirmedV1, contract.StatusConfirmed, marketing), o.going("dan"))
	o.settle()
	o.ledger.reset()

	a := o.until(o.campaign(`{"subject": "Again, {{.Name}}: {{.Title}}", "body": "x", "segment": {"scope": "organization", "answer": "going"}}`).ID, done)
	if a.Counts.Matched != 5 || a.Counts.Recipients != 2 || a.Counts.Skipped[campaign.SkipConsent] != 2 || a.Counts.Skipped[campaign.SkipDuplicate] != 1 {
		t.Errorf("%+v", a.Counts)
	}
	o.expect("ana", "Again, ana: Summer concert")
	o.expect("cy", "Again, cy: Summer concert")
	for _, e := range o.ledger.all() {
		if strings.Contains(string(e.Raw), "/r/") && strings.HasPrefix(e.To, "cy") {
			t.Error("a guest of another event is shown a link to an answer")
		}
	}
	o.ledger.reset()
	for segment, want := range map[string]string{
		`{"tag": "music", "city": "WEIMAR"}`:                  "[ana cy]",
		`{"scope": "event", "attended_before": true}`:         "[ana]",
		`{"scope": "event", "attended_before": false}`:        "[dan]",
		`{"scope": "organization", "attended_before": false}`: "[cy]",
		`{"city": "Berlin"}`:                                  "[]",
	} {
		o.ledger.reset()
		body := fmt.Sprintf(`{"subject": "x", "body": "x", "segment": %s}`, segment)
		preview := struct{ Recipients int }{}
		_, answer, _ := o.call("POST", o.path+"/campaigns/preview", o.owner, body)
		if err := json.Unmarshal([]byte(answer), &preview); err != nil {
			t.Fatal(answer)
		}
		a := o.until(o.campaign(body).ID, done)
		got := []string{}
		for _, name := range []string{"ana", "bo", "cy", "dan"} {
			if len(o.ledger.to(name+"@example.org")) == 1 {
				got = append(got, name)
			}
		}
		if fmt.Sprint(got) != want || preview.Recipients != len(got) || a.Counts.Recipients != len(got) {
			t.Errorf("%s reached %v (previewed %d), expected %s", segment, got, preview.Recipients, want)
		}
	}
}

func TestAScheduledCampaignStartsByItself(t *testing.T) {
	t.Parallel()
	o := newOffice(t, nil)
	o.crowd(3)
	at := o.clock.Now().Add(3 * time.Hour)
	a := o.ask(201, "POST", "/campaigns", fmt.Sprintf(`{"subject": "Later", "body": "x", "starts_at": %q}`, at.Format(time.RFC3339)))
	if a.State != string(campaign.Scheduled) {
		t.Errorf("%+v", a)
	}
	o.after(2 * time.Hour)
	o.n.campaigns.poke()
	o.settle()
	if n := len(o.ledger.all()); n != 0 {
		t.Errorf("%d mails before its time", n)
	}
	o.hear(o.going("new")) // matches when it starts
	o.settle()
	o.ledger.reset()
	o.after(time.Hour)
	if a = o.until(a.ID, done); a.states()["sent"] != 4 {
		t.Errorf("%+v", a)
	}
	// Not when there is nothing to come to any more.
	a = o.ask(201, "POST", "/campaigns", fmt.Sprintf(`{"subject": "Never", "body": "x", "starts_at": %q}`, o.clock.Now().Add(time.Hour).Format(time.RFC3339)))
	o.hear(o.about(contract.EventCancelledV1, func(e *contract.Event) { e.Status = contract.EventCancelled }))
	o.after(2 * time.Hour)
	o.until(a.ID, func(a campaignAnswer) bool { return a.State == string(campaign.Cancelled) && a.Reason == VoidCancelled })
}
