package notifier

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/testkit"
	"github.com/turnout-events/turnout/notifier/campaign"
	"github.com/turnout-events/turnout/notifier/pgstore"
)

// campaignAnswer is what the routes answer, as far as the tests look.
type campaignAnswer struct {
	ID, State, Reason string
	Counts            struct {
		Matched, Recipients int
		Planned             bool
		Skipped             map[string]int
	}
	Variants []struct {
		Name, Subject string
		Counts        struct {
			Recipients      int
			States          map[string]int
			Opened, Clicked *int
		}
	}
}

// sent are all of a campaign's mails that went.
func (a campaignAnswer) states() map[string]int {
	out := map[string]int{}
	for _, v := range a.Variants {
		for state, n := range v.Counts.States {
			out[state] += n
		}
	}
	return out
}

// office is an organizer with an event and guests.
type office struct {
	*world
	owner string
	path  string
}

func newOffice(t *testing.T, change func(*Config)) *office {
	w := newWorld(t)
	if change != nil {
		change(&w.cfg)
	}
	w.start()
	o := &office{world: w, owner: newID(t), path: "/v1/events/" + w.event.ID}
	w.hear(w.organization(1, map[string]string{o.owner: contract.RoleOwner}))
	w.publish()
	return o
}

// crowd has so many guests going, and forgets their mail.
func (o *office) crowd(n int) {
	o.t.Helper()
	messages := make([]*message.Message, 0, n)
	for i := range n {
		messages = append(messages, o.going(fmt.Sprintf("g%03d", i)))
	}
	o.hear(messages...)
	// Their confirmations are not what is tested, and a thousand of them take a while.
	if _, err := o.pool.Exec(o.t.Context(), `UPDATE notifier.notification SET state = 'void', finished_at = planned_at WHERE state = 'planned'`); err != nil {
		o.t.Fatal(err)
	}
	o.settle()
	o.ledger.reset()
}

func (o *office) ask(want int, method, path, body string) campaignAnswer {
	o.t.Helper()
	status, answer, _ := o.call(method, o.path+path, o.owner, body)
	if status != want {
		o.t.Fatalf("%s %s %s: %d %s", method, path, body, status, answer)
	}
	var a campaignAnswer
	if err := json.Unmarshal([]byte(answer), &a); err != nil && want < 300 {
		o.t.Fatalf("%v: %s", err, answer)
	}
	return a
}

// campaign makes one and starts it.
func (o *office) campaign(body string) campaignAnswer {
	o.t.Helper()
	made := o.ask(201, "POST", "/campaigns", body)
	return o.ask(200, "POST", "/campaigns/"+made.ID+"/start", "")
}

// until waits for a campaign to be as it should.
func (o *office) until(id string, ready func(campaignAnswer) bool) (a campaignAnswer) {
	o.t.Helper()
	testkit.Eventually(o.t, 3*time.Minute, 10*time.Millisecond, func() error {
		o.n.campaigns.poke()
		o.n.wake()
		if a = o.ask(200, "GET", "/campaigns/"+id, ""); !ready(a) {
			return fmt.Errorf("%+v", a)
		}
		return nil
	})
	return a
}

func done(a campaignAnswer) bool { return a.State == string(campaign.Done) }

func TestACampaignGoesToItsSegmentOnce(t *testing.T) {
	t.Parallel()
	o := newOffice(t, nil)
	o.crowd(40)
	party := func(n int) func(*contract.RSVP) { return func(g *contract.RSVP) { g.PartySize = n } }
	o.hear(o.guest("maybe", contract.RSVPMaybeV1, contract.StatusMaybe, nil), o.guest("no", contract.RSVPDeclinedV1, contract.StatusDeclined, nil),
		o.guest("family", contract.RSVPConfirmedV1, contract.StatusConfirmed, party(4)),
		o.guest("shy", contract.RSVPConfirmedV1, contract.StatusConfirmed, func(g *contract.RSVP) { g.Consents.Updates = false }),
		o.guest("pending", contract.RSVPRequestedV1, contract.StatusPending, nil))
	o.settle()
	o.ledger.reset()

	preview := o.ask(200, "POST", "/campaigns/preview", `{"subject": "{{.Name}}: supper", "body": "Come, {{.Name}}!", "segment": {"answer": "going"}}`)
	if preview.Variants[0].Subject != "Alex Sample: supper" {
		t.Errorf("preview: %+v", preview)
	}
	a := o.campaign(`{"variants": [{"name": "A", "subject": "Plain, {{.Name}}", "share": 50}, {"name": "B", "subject": "Bold, {{.Name}}", "share": 50}],
		"body": "Come, {{.Name}}! See https://menu.example/.", "segment": {"answer": "going", "party_max": 3}}`)
	a = o.until(a.ID, done)
	if a.Counts.Matched != 41 || a.Counts.Recipients != 40 || a.Counts.Skipped[campaign.SkipConsent] != 1 || a.states()["sent"] != 40 || !a.Counts.Planned {
		t.Errorf("%+v", a)
	}
	got := map[string]int{}
	for _, e := range o.ledger.all() {
		got[e.To]++
		name, _, _ := strings.Cut(e.To, "@")
		if e.Subject != "Plain, "+name && e.Subject != "Bold, "+name {
			t.Errorf("%s got %q", e.To, e.Subject)
		}
		raw := string(e.Raw)
		if !strings.Contains(raw, "List-Unsubscribe-Post:") || strings.Contains(raw, "/t/o/") || strings.Contains(raw, "/t/c/") || strings.Contains(raw, "<img") && !strings.Contains(raw, "cid:") {
			t.Errorf("tracking is off, and the mail says: %s", raw)
		}
	}
	if len(got) != 40 || got["family@example.org"]+got["shy@example.org"]+got["maybe@example.org"]+got["pending@example.org"] != 0 {
		t.Errorf("%d recipients: %v", len(got), got)
	}
	for _, v := range a.Variants {
		if v.Counts.Recipients < 8 || v.Counts.Opened != nil {
			t.Errorf("variant %s: %+v", v.Name, v.Counts)
		}
	}
	// A second start is as good as one, and pausing what is over is refused.
	o.ask(409, "POST", "/campaigns/"+a.ID+"/pause", "")
	if b := o.campaign(`{"subject": "Not you?", "body": "A pity.", "segment": {"answer": "not_going"}}`); o.until(b.ID, done).states()["sent"] != 1 {
		t.Errorf("%+v", b)
	}
	if len(o.ledger.to("no@example.org")) != 1 {
		t.Error("who is not going got nothing")
	}
}

// Paused in the middle nothing more goes, resumed all of the rest does, each once.
func TestPausingStopsWhatHasNotGone(t *testing.T) {
	t.Parallel()
	o := newOffice(t, func(c *Config) { c.Workers = 2 })
	const guests = 60
	o.crowd(guests)
	reached, goOn := make(chan struct{}, guests), make(chan struct{})
	o.ledger.misbehave(ledgerHooks{onMail: func() error { reached <- struct{}{}; <-goOn; return nil }})
	a := o.campaign(`{"subject": "Slowly", "body": "x", "segment": {"answer": "going"}}`)
	for range 2 {
		<-reached // both workers are within a mail
	}
	o.ask(200, "POST", "/campaigns/"+a.ID+"/pause", "")
	close(goOn)
	paused := o.until(a.ID, func(a campaignAnswer) bool {
		return a.states()["planned"]+a.states()["sent"] == guests && a.Counts.Planned || !a.Counts.Planned && a.states()["claimed"] == 0
	})
	if n := len(o.ledger.all()); n > 2 {
		t.Errorf("%d mails went after the pause began", n)
	}
	// However often somebody looks, and whoever looks: it stays so.
	for range 3 {
		o.after(2 * time.Minute)
		o.n.campaigns.poke()
	}
	if n := len(o.ledger.all()); n > 2 || paused.State != string(campaign.Paused) {
		t.Errorf("%d mails while paused (%s)", n, paused.State)
	}
	o.ask(200, "POST", "/campaigns/"+a.ID+"/resume", "")
	o.until(a.ID, done)
	got := map[string]int{}
	for _, e := range o.ledger.all() {
		got[e.To]++
	}
	for to, n := range got {
		if n != 1 {
			t.Errorf("%s got %d", to, n)
		}
	}
	if len(got) != guests {
		t.Errorf("%d of %d guests got it", len(got), guests)
	}
}

func TestCancellingACampaignVoidsTheRest(t *testing.T) {
	t.Parallel()
	o := newOffice(t, func(c *Config) { c.MailsPerHour = 5 })
	o.crowd(20)
	a := o.campaign(`{"subject": "Five", "body": "x", "segment": {"answer": "going"}}`)
	o.until(a.ID, func(a campaignAnswer) bool { return a.states()["sent"] == 5 })
	a = o.ask(200, "POST", "/campaigns/"+a.ID+"/cancel", "")
	if a.State != string(campaign.Cancelled) || a.states()["void"] != 15 {
		t.Errorf("%+v", a)
	}
	o.after(2 * time.Hour)
	if n := len(o.ledger.all()); n != 5 {
		t.Errorf("%d mails", n)
	}
	var outcome string
	if err := o.pool.QueryRow(t.Context(), `SELECT DISTINCT outcome FROM notifier.notification WHERE kind = 'campaign' AND state = 'void'`).Scan(&outcome); err != nil || outcome != pgstore.VoidedCampaign {
		t.Errorf("%q, %v", outcome, err)
	}
	o.ask(409, "POST", "/campaigns/"+a.ID+"/resume", "")
}

// The limit holds over campaigns and announcements together; what is beyond it
// goes in the hours that follow, and says why it waits.
func TestTheHourlyLimitSpreadsMail(t *testing.T) {
	t.Parallel()
	o := newOffice(t, func(c *Config) { c.MailsPerHour = 10 })
	o.crowd(12)
	a := o.campaign(`{"subject": "First", "body": "x", "segment": {"answer": "going"}}`)
	o.until(a.ID, func(a campaignAnswer) bool { return a.states()["sent"] == 10 })
	if status, body, _ := o.call("POST", o.path+"/announcements", o.owner, `{"subject": "Second", "body": "y", "to": "going"}`); status != 202 {
		t.Fatalf("%d %s", status, body)
	}
	o.settle()
	if n := len(o.ledger.all()); n != 10 {
		t.Fatalf("%d mails within the first hour", n)
	}
	var waiting int
	if err := o.pool.QueryRow(t.Context(), `SELECT count(*) FROM notifier.notification WHERE state = 'planned' AND outcome = $1`, pgstore.HeldForLimit).Scan(&waiting); err != nil || waiting != 14 {
		t.Errorf("%d wait for the limit, %v", waiting, err)
	}
	o.after(59 * time.Minute)
	o.n.campaigns.poke()
	o.settle()
	if n := len(o.ledger.all()); n != 10 {
		t.Errorf("%d mails after 59 minutes", n)
	}
	for _, want := range []int{20, 24} {
		o.after(time.Hour)
		testkit.Eventually(t, 10*time.Second, 10*time.Millisecond, func() error {
			o.n.campaigns.poke()
			o.n.wake()
			if n := len(o.ledger.all()); n != want {
				return fmt.Errorf("%d mails at %s, expected %d", n, o.clock.Now(), want)
			}
			return nil
		})
	}
	o.until(a.ID, done)
}

// Whoever answers otherwise, withdraws a consent, unsubscribes or is erased while mail waits gets none.
func TestWhoChangesMeanwhileIsLeftOut(t *testing.T) {
	t.Parallel()
	o := newOffice(t, func(c *Config) { c.MailsPerHour = 1 })
	o.crowd(0)
	o.hear(o.going("first"), o.going("leaves"), o.going("maybe"), o.going("shy"), o.going("erased"), o.going("stays"))
	o.settle()
	o.ledger.reset()
	a := o.campaign(`{"subject": "Word", "body": "x", "segment": {"answer": "going"}}`)
	o.until(a.ID, func(a campaignAnswer) bool { return a.Counts.Planned && a.states()["sent"] == 1 })
	sent := o.ledger.all()[0].To
	o.keys.destroy(o.guests["erased"].ID)
	o.hear(o.guest("leaves", contract.RSVPCancelledV1, contract.StatusCancelled, nil), o.guest("maybe", contract.RSVPMaybeV1, contract.StatusMaybe, nil),
		o.guest("shy", contract.RSVPChangedV1, contract.StatusConfirmed, func(g *contract.RSVP) { g.Consents.Updates = false }),
		o.guest("erased", contract.RSVPErasedV1, contract.StatusConfirmed, func(g *contract.RSVP) { g.Erased = true }))
	for range 6 {
		o.after(61 * time.Minute)
		o.n.campaigns.poke()
		o.settle()
	}
	o.until(a.ID, func(a campaignAnswer) bool {
		if !done(a) {
			o.after(time.Hour)
		}
		return done(a)
	})
	for name, want := range map[string]string{"leaves": "campaign void " + VoidNotGoing, "maybe": "campaign void " + VoidNotMatching, "shy": "campaign void " + VoidNoConsent, "erased": "campaign void " + VoidErased} {
		if got := o.states(name); got[want] != 1 && !strings.HasPrefix(sent, name) {
			t.Errorf("%s: %v, expected %q", name, got, want)
		}
	}
	if o.states("stays")["campaign sent"] != 1 {
		t.Errorf("stays: %v", o.states("stays"))
	}
}

var trackers = regexp.MustCompile(`https://turnout\.example(/t/[oc]/[^"'\s<>]+)`)

// With tracking on a recipient is counted once, by signed links that lead
// nowhere else; switched off, neither counts any more.
func TestOpensAndClicksCountOnce(t *testing.T) {
	t.Parallel()
	o := newOffice(t, nil)
	o.hear(o.track(2, true))
	o.crowd(3)
	a := o.campaign(`{"subject": "Menu", "body": "See https://menu.example/?a=1&b=2, please.", "segment": {"answer": "going"}}`)
	o.until(a.ID, done)
	opens, clicks := map[string]bool{}, map[string]bool{}
	for _, e := range o.ledger.all() {
		raw := strings.ReplaceAll(strings.ReplaceAll(string(e.Raw), "=\r\n", ""), "=3D", "=")
		for _, m := range trackers.FindAllStringSubmatch(raw, -1) {
			link := strings.ReplaceAll(m[1], "&amp;", "&")
			if strings.HasPrefix(link, "/t/o/") {
				opens[link] = true
			} else {
				clicks[link] = true
			}
			if strings.Contains(link, "%2Fr%2F") || strings.Contains(link, "%2Fu%2F") {
				t.Errorf("a link that acts for the guest is led through the counter: %s", link)
			}
		}
	}
	if len(opens) != 3 || len(clicks) != 6 { // the body's link and the button
		t.Fatalf("%d pictures, %d links", len(opens), len(clicks))
	}
	for link := range maps.Keys(opens) {
		for range 2 {
			if status, _, header := o.call("GET", link, "", ""); status != 200 || header.Get("Content-Type") != "image/gif" || header.Get("Cache-Control") != "no-store" {
				t.Errorf("%d %v", status, header)
			}
		}
	}
	for link := range maps.Keys(clicks) {
		status, _, header := o.call("GET", link, "", "")
		if to := header.Get("Location"); status != 302 || to != "https://menu.example/?a=1&b=2" && to != "https://turnout.example/e/spring-concert" {
			t.Errorf("%d to %q", status, to)
		}
		path, _, _ := strings.Cut(link, "?")
		other := "AA"
		if strings.HasSuffix(path, other) {
			other = "BB"
		}
		for _, forged := range []string{path + "?to=https%3A%2F%2Fevil.example", path, path[:len(path)-2] + other + link[len(path):], strings.Replace(link, "/t/c/", "/t/o/", 1)} {
			if status, _, header := o.call("GET", forged, "", ""); status != 404 || header.Get("Location") != "" {
				t.Errorf("%s: %d to %q", forged, status, header.Get("Location"))
			}
		}
	}
	v := o.ask(200, "GET", "/campaigns/"+a.ID, "").Variants[0].Counts
	if v.Opened == nil || *v.Opened != 3 || *v.Clicked != 3 {
		t.Errorf("%+v", v)
	}
	o.hear(o.track(3, false))
	if v := o.ask(200, "GET", "/campaigns/"+a.ID, "").Variants[0].Counts; v.Opened != nil {
		t.Errorf("switched off, still shown: %+v", v)
	}
}

// track is the organization's message with tracking on or off.
func (o *office) track(version int64, on bool) *message.Message {
	m := o.organization(version, map[string]string{o.owner: contract.RoleOwner})
	var body contract.OrganizationMessage
	if err := json.Unmarshal(m.Payload, &body); err != nil {
		o.t.Fatal(err)
	}
	body.Organization.Tracking = on
	var err error
	if m.Payload, err = json.Marshal(body); err != nil {
		o.t.Fatal(err)
	}
	return m
}

// A notifier that dies between two batches of a large campaign leaves a mark;
// whoever goes on from it, once or twice, doubles nothing and forgets nobody.
func TestPlanningGoesOnAfterACrash(t *testing.T) {
	t.Parallel()
	o := newOffice(t, nil)
	const guests = 1100
	o.crowd(guests)
	made := o.ask(201, "POST", "/campaigns", `{"subject": "Many", "body": "x", "segment": {"answer": "going"}}`)
	o.stop() // nobody plans but the test
	row, err := o.n.store.MoveCampaign(t.Context(), made.ID, campaign.Start, "", o.clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := o.n.store.TakeSnapshot(t.Context(), row); err != nil {
		t.Fatal(err)
	}
	first, err := o.n.store.Recipients(t.Context(), row.ID, "", false, planBatch)
	if err != nil || len(first) != planBatch {
		t.Fatalf("%d, %v", len(first), err)
	}
	ev, err := o.n.store.Event(t.Context(), o.event.ID)
	if err != nil {
		t.Fatal(err)
	}
	var placed []pgstore.Placed
	for i, g := range first {
		placed = append(placed, pgstore.Placed{RSVPID: g.RSVPID, Notice: o.n.campaigns.notice(row, ev, g.RSVPID, 0, i, o.clock.Now())})
	}
	last := first[len(first)-1].RSVPID
	if ok, err := o.n.store.Place(t.Context(), row, placed, last, false, o.clock.Now()); err != nil || !ok {
		t.Fatal(ok, err)
	}
	// One that hung comes back with what it had: its mark is old.
	if ok, err := o.n.store.Place(t.Context(), row, placed, last, false, o.clock.Now()); err != nil || ok {
		t.Errorf("an old mark was taken: %v", err)
	}
	o.hear(o.going("late")) // is not in the snapshot
	o.start()
	a := o.until(made.ID, done)
	if a.Counts.Recipients != guests || a.states()["sent"] != guests {
		t.Errorf("%+v", a)
	}
	got := map[string]int{}
	for _, e := range o.ledger.all() {
		if e.Subject == "Many" {
			got[e.To]++
		}
	}
	for to, n := range got {
		if n != 1 {
			t.Errorf("%s got %d", to, n)
		}
	}
	if len(got) != guests || got["late@example.org"] != 0 {
		t.Errorf("%d of %d", len(got), guests)
	}
}

func TestACampaignIsRefused(t *testing.T) {
	t.Parallel()
	o := newOffice(t, nil)
	for body, pointer := range map[string]string{
		`{"subject": "x", "body": "{{.Nam}}"}`:    "/body",
		`{"subject": "{{range .}}", "body": "x"}`: "/subject",
		`{"body": "x"}`:                    "/subject",
		`{"subject": "a\nb", "body": "x"}`: "/subject",
		`{"subject": "x", "body": " "}`:    "/body",
		`{"subject": "x", "body": "x", "segment": {"answer": "pending"}}`:                          "/segment/answer",
		`{"subject": "x", "body": "x", "segment": {"party_min": 3, "party_max": 2}}`:               "/segment/party_max",
		`{"variants": [{"name": "A", "subject": "x", "share": 60}], "body": "x"}`:                  "/variants",
		`{"variants": [{"name": "A", "subject": "{{.}}", "share": 100}], "body": "x"}`:             "/variants/0/subject",
		`{"subject": "y", "variants": [{"name": "A", "subject": "x", "share": 100}], "body": "x"}`: "/subject",
		`{"subject": "x", "body": "x", "starts_at": "2020-01-01T00:00:00Z"}`:                       "/starts_at",
		`{"subject": "x\u202ey", "body": "x"}`:                                                     "/subject",
		`{"variants": [{"name": "A\n", "subject": "x", "share": 100}], "body": "x"}`:               "/variants/0/name",
		`{"variants": [{"name": " ", "subject": "x", "share": 100}], "body": "x"}`:                 "/variants/0/name",
		`{"subject": "x", "body": "x", "segment": {"party_min": -9223372036854775808}}`:            "/segment/party_min",
		`{"subject": "x", "body": "x", "segment": {"party_max": 1001}}`:                            "/segment/party_max",
		`{"subject": "x", "body": "x", "segment": {"tag": "\t"}}`:                                  "/segment/tag",
		`{"subject": "x", "body": "x", "segment": {"scope": "world"}}`:                             "/segment/scope",
		`{"subject": "x", "body": "x", "segment": {"state": "x"}}`:                                 "/segment/state",
	} {
		status, answer, _ := o.call("POST", o.path+"/campaigns", o.owner, body)
		if status != 400 || !strings.Contains(answer, `"pointer":"`+pointer+`"`) {
			t.Errorf("%s: %d %s, expected %s", body, status, answer, pointer)
		}
	}
	for _, key := range []string{"one", "one"} {
		r := o.request("POST", o.path+"/campaigns", o.owner, `{"subject": "x", "body": "x"}`)
		r.Header.Set("Idempotency-Key", key)
		if status, answer := o.do(r); status != 201 {
			t.Errorf("%d %s", status, answer)
		}
	}
	r := o.request("POST", o.path+"/campaigns", o.owner, `{"subject": "other", "body": "x"}`)
	r.Header.Set("Idempotency-Key", "one")
	if status, answer := o.do(r); status != 422 {
		t.Errorf("%d %s", status, answer)
	}
	if _, answer, _ := o.call("GET", o.path+"/campaigns", o.owner, ""); strings.Count(answer, `"state":"draft"`) != 1 {
		t.Error(answer)
	}
	o.hear(o.about(contract.EventCancelledV1, func(e *contract.Event) { e.Status = contract.EventCancelled }))
	o.ask(409, "POST", "/campaigns", `{"subject": "x", "body": "x"}`)
}
