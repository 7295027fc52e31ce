package notifier

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/mail"
	"strings"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/testkit/described"
	"github.com/turnout-events/turnout/internal/token"
	"github.com/turnout-events/turnout/notifier/notice"
)

// anybody takes the bearer for the account's id.
type anybody struct{}

func (anybody) Verify(_ context.Context, bearer string) (string, error) {
	if bearer == "forged" {
		return "", token.ErrToken
	}
	return bearer, nil
}

// organization tells the notifier who has which role.
func (w *world) organization(version int64, roles map[string]string) *message.Message {
	o := contract.Organization{ID: w.event.OrganizationID, Slug: "choir", Name: "Choir of Weimar"}
	for account, role := range roles {
		o.Members = append(o.Members, contract.Member{AccountID: account, Role: role, Sealed: []byte("sealed")})
	}
	body, err := json.Marshal(contract.OrganizationMessage{Organization: o})
	if err != nil {
		w.t.Fatal(err)
	}
	env := contract.Envelope{Subject: o.ID, Version: version, Type: contract.OrganizationChangedV1, Org: o.ID, Actor: "member:m",
		ValidAt: w.clock.Now(), RecordedAt: w.clock.Now(), Chain: []byte{1}, Payload: body}
	m := message.NewMessage(env.ID(), env.Payload)
	m.Metadata = env.Headers()
	return m
}

// request makes a request to the API.
func (w *world) request(method, path, bearer, body string) *http.Request {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	return r
}

// inProcess serves a request without a network.
type inProcess struct{ handler http.Handler }

func (p inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	rec := httptest.NewRecorder()
	p.handler.ServeHTTP(rec, r)
	return rec.Result(), nil
}

// trip asks the API; request and answer must be as docs/openapi describes them.
func (w *world) trip(r *http.Request) (int, string, http.Header) {
	w.t.Helper()
	res, err := described.Transport(w.t, inProcess{w.n.server.Engine()}).RoundTrip(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return res.StatusCode, string(body), res.Header
}

func (w *world) do(r *http.Request) (int, string) {
	w.t.Helper()
	status, body, _ := w.trip(r)
	return status, body
}

// call asks the API and returns the status, the body and the headers.
func (w *world) call(method, path, bearer, body string) (int, string, http.Header) {
	w.t.Helper()
	return w.trip(w.request(method, path, bearer, body))
}

func TestMembersSeeWhatWasSentToWhomAndWhy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	owner, analyst, door, stranger := newID(t), newID(t), newID(t), newID(t)
	w.hear(w.organization(1, map[string]string{owner: contract.RoleOwner, analyst: contract.RoleAnalyst, door: contract.RoleDoor}))
	w.publish()
	w.hear(w.going("ana"), w.going("bo"))
	w.settle()
	path := "/v1/events/" + w.event.ID + "/notifications"

	for who, want := range map[string]int{owner: 200, analyst: 200, door: 403, stranger: 404, "": 401, "forged": 401} {
		if status, body, _ := w.call("GET", path, who, ""); status != want {
			t.Errorf("%q: %d, expected %d: %s", who, status, want, body)
		}
	}
	if status, _, _ := w.call("GET", "/v1/events/"+newID(t)+"/notifications", owner, ""); status != 404 {
		t.Errorf("an unknown event: %d", status)
	}
	for _, bad := range []string{"limit=0", "limit=101", "rsvp_id=x", "cursor=x", "stat=void", "kind=%ff", "state=a%00"} {
		if status, _, _ := w.call("GET", path+"?"+bad, owner, ""); status != 400 {
			t.Errorf("%s: %d", bad, status)
		}
	}

	type item struct {
		ID, Name, Email, Kind, State, Reason, Outcome string
		Cause                                         struct{ Type string }
		SentAt                                        *time.Time `json:"sent_at"`
		MessageID                                     string     `json:"message_id"`
	}
	seen := map[string]item{}
	next := ""
	for pages := 0; pages == 0 || next != ""; pages++ {
		query := "?limit=3"
		if next != "" {
			query += "&cursor=" + next
		}
		status, body, _ := w.call("GET", path+query, owner, "")
		if status != 200 {
			t.Fatalf("%d %s", status, body)
		}
		var answer struct {
			Items      []item  `json:"items"`
			NextCursor *string `json:"next_cursor"`
		}
		if err := json.Unmarshal([]byte(body), &answer); err != nil || pages > 5 {
			t.Fatalf("%v: %s", err, body)
		}
		for _, i := range answer.Items {
			seen[i.ID] = i
		}
		next = ""
		if answer.NextCursor != nil {
			next = *answer.NextCursor
		}
	}
	if len(seen) != 9 { // two guests: confirmation, two reminders, thank-you; the owner's digest
		t.Fatalf("%d notifications: %+v", len(seen), seen)
	}
	for _, i := range seen {
		if i.Kind != string(notice.Confirmation) || i.Email != "ana@example.org" {
			continue
		}
		if i.Name != "ana" || i.State != "sent" || i.Reason != ReasonAnswered || i.Outcome != "accepted" || i.SentAt == nil ||
			i.Cause.Type != contract.RSVPConfirmedV1 || i.MessageID != i.ID+"@turnout.example" {
			t.Errorf("%+v", i)
		}
	}
	if _, body, _ := w.call("GET", path, analyst, ""); strings.Contains(body, "example.org\"") && strings.Contains(body, "\"email\"") {
		t.Errorf("an analyst sees addresses: %s", body)
	}
	if _, body, _ := w.call("GET", path+"?state=sent&rsvp_id="+w.guests["bo"].ID, owner, ""); strings.Count(body, `"kind"`) != 1 {
		t.Errorf("filtered: %s", body)
	}
}

// The link of the header, as a mail program uses it (RFC 8058): a GET changes
// nothing, a POST without anything else stops reminders, not answers.
func TestOneClickUnsubscribe(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	w.hear(w.organization(1, nil))
	w.publish()
	w.hear(w.going("ana"))
	w.settle()
	w.at(w.event.StartsAt.Add(-24 * time.Hour))
	mails := w.ledger.all()
	reminder, err := mail.ReadMessage(strings.NewReader(string(mails[len(mails)-1].Raw)))
	if err != nil {
		t.Fatal(err)
	}
	if got := reminder.Header.Get("List-Unsubscribe-Post"); got != "List-Unsubscribe=One-Click" {
		t.Errorf("List-Unsubscribe-Post: %q", got)
	}
	link := strings.Trim(reminder.Header.Get("List-Unsubscribe"), "<>")
	path := strings.TrimPrefix(link, "https://turnout.example")
	if path == link {
		t.Fatalf("link %q", link)
	}
	w.ledger.forget("ana@example.org")

	if status, body, _ := w.call("GET", path, "", ""); status != 200 || !strings.Contains(body, "Choir of Weimar") || !strings.Contains(body, `method="post"`) {
		t.Fatalf("%d %s", status, body)
	}
	if got := w.states("ana"); got["reminder planned"] != 1 {
		t.Fatalf("a GET unsubscribed: %v", got)
	}
	for range 2 { // twice is as good as once
		if status, body, _ := w.call("POST", path, "", ""); status != 200 || !strings.Contains(body, "Done") {
			t.Fatalf("%d %s", status, body)
		}
	}
	if got := w.states("ana"); got["reminder void unsubscribed"] != 1 || got["thank_you void unsubscribed"] != 1 {
		t.Fatalf("%v", got)
	}
	// Also what is planned later, but not word about her own answer.
	w.hear(w.guest("ana", contract.RSVPCancelledV1, contract.StatusCancelled, nil), w.going("ana"))
	w.after(2 * time.Minute)
	w.hear(w.guest("ana", contract.RSVPChangedV1, contract.StatusConfirmed, func(g *contract.RSVP) { g.PartySize = 2 }))
	w.at(w.event.StartsAt.Add(-time.Hour))
	for _, subject := range w.ledger.to("ana@example.org") {
		if strings.Contains(subject, "starts in") {
			t.Errorf("reminded after unsubscribing: %q", subject)
		}
	}
	if len(w.ledger.to("ana@example.org")) == 0 {
		t.Error("word about her own answer did not come")
	}
	forged := []byte(path)
	if at := len(forged) - 10; forged[at] == 'A' {
		forged[at] = 'B'
	} else {
		forged[at] = 'A'
	}
	if status, _, _ := w.call("POST", string(forged), "", ""); status != 404 {
		t.Errorf("a forged link: %d", status)
	}
	var clear int
	if err := w.pool.QueryRow(t.Context(), `SELECT count(*) FROM notifier.suppression WHERE source LIKE '%@%'`).Scan(&clear); err != nil || clear != 0 {
		t.Errorf("an address in clear: %d, %v", clear, err)
	}
}

func TestAnOrganizerWritesToGuests(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	owner, analyst := newID(t), newID(t)
	w.hear(w.organization(1, map[string]string{owner: contract.RoleOwner, analyst: contract.RoleAnalyst}))
	w.publish()
	w.hear(w.going("ana"), w.guest("bo", contract.RSVPMaybeV1, contract.StatusMaybe, nil),
		w.guest("cy", contract.RSVPConfirmedV1, contract.StatusConfirmed, func(g *contract.RSVP) { g.Consents.Updates = false }))
	w.settle()
	for _, name := range []string{"ana", "bo", "cy"} {
		w.ledger.forget(name + "@example.org")
	}
	path := "/v1/events/" + w.event.ID + "/announcements"
	words := `{"subject": "Bring a spoon", "body": "There is soup. <b>Hot</b>!", "to": "going"}`

	if status, _, _ := w.call("POST", path, analyst, words); status != 403 {
		t.Errorf("an analyst announced: %d", status)
	}
	for _, bad := range []string{`{"subject": "", "body": "x", "to": "going"}`, `{"subject": "a\nBcc: x", "body": "x", "to": "going"}`,
		`{"subject": "x", "body": "x", "to": "everybody"}`, `{"subject": "x", "body": " ", "to": "all"}`} {
		if status, body, _ := w.call("POST", path, owner, bad); status != 400 {
			t.Errorf("%s: %d %s", bad, status, body)
		}
	}
	var first string
	for range 2 { // the same request twice is one announcement
		r := w.request("POST", path, owner, words)
		r.Header.Set("Idempotency-Key", "spoon")
		status, body := w.do(r)
		if status != 202 || !strings.Contains(body, `"recipients":1`) || !strings.Contains(body, `"without_consent":1`) {
			t.Fatalf("%d %s", status, body)
		}
		if first != "" && body != first {
			t.Errorf("again: %s, first: %s", body, first)
		}
		first = body
	}
	r := w.request("POST", path, owner, strings.Replace(words, "spoon", "fork", 1))
	r.Header.Set("Idempotency-Key", "spoon")
	if status, body := w.do(r); status != 422 {
		t.Errorf("the key for another request: %d %s", status, body)
	}
	w.settle()
	w.expect("bo")
	w.expect("cy")
	for _, e := range w.ledger.all() {
		raw := strings.ReplaceAll(string(e.Raw), "=\r\n", "") // soft line breaks
		if !strings.Contains(raw, "List-Unsubscribe:") || !strings.Contains(raw, "&lt;b&gt;Hot") {
			t.Errorf("mail: %s", e.Raw)
		}
	}
	w.expect("ana", "Bring a spoon")
	if _, body, _ := w.call("GET", path, owner, ""); !strings.Contains(body, `"states":{"sent":1}`) {
		t.Errorf("list: %s", body)
	}
	for i := range 3 {
		status, body, header := w.call("POST", path, owner, strings.Replace(words, "spoon", "bowl", 1))
		if i < 2 && status != 202 || i == 2 && (status != 429 || header.Get("Retry-After") == "") {
			t.Errorf("announcement %d: %d %s", i, status, body)
		}
	}
}

func TestABounceSparesTheAddress(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.cfg.BounceToken = "hook-secret"
	w.cfg.Mail.Bounces = "bounces@turnout.example"
	w.start()
	w.publish()
	w.hear(w.going("ana"), w.going("bo"))
	w.settle()
	var sent string
	if err := w.pool.QueryRow(t.Context(), `SELECT id FROM notifier.notification WHERE rsvp_id = $1 AND state = 'sent'`, w.guests["ana"].ID).Scan(&sent); err != nil {
		t.Fatal(err)
	}
	w.ledger.reset()
	body := `[{"event":"bounce","type":"bounce","status":"5.1.1","smtp-id":"<` + sent + `@turnout.example>"},{"event":"bounce","smtp-id":"<strange@x>"}]`
	hook := "/v1/hooks/bounces/sendgrid?key="
	if status, _, _ := w.call("POST", hook+"wrong", "", body); status != 401 {
		t.Errorf("a wrong key: %d", status)
	}
	if status, _, _ := w.call("POST", "/v1/hooks/bounces/pigeon?key=hook-secret", "", body); status != 404 {
		t.Errorf("an unknown provider: %d", status)
	}
	if status, _, _ := w.call("POST", hook+"hook-secret", "", `{"what"`); status != 422 {
		t.Errorf("a strange report: %d", status)
	}
	for range 2 {
		if status, body, _ := w.call("POST", hook+"hook-secret", "", body); status != 200 || !strings.Contains(body, `"taken":1`) {
			t.Fatalf("%d %s", status, body)
		}
	}
	if got := w.states("ana"); got["confirmation bounced"] != 1 {
		t.Errorf("%v", got)
	}
	// Not even word of the cancellation goes there any more.
	w.hear(w.about(contract.EventCancelledV1, func(e *contract.Event) { e.Status = contract.EventCancelled }))
	w.settle()
	w.expect("ana")
	w.expect("bo", "Cancelled: Spring concert")
	if got := w.states("ana"); got["event_cancelled void suppressed"] != 1 {
		t.Errorf("%v", got)
	}
}
