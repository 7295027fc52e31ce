package command_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/turnout-events/turnout/command"
	"github.com/turnout-events/turnout/command/pgstore"
	"github.com/turnout-events/turnout/command/rsvp"
	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/testkit"
	"github.com/turnout-events/turnout/internal/token"
)

type exportedItems struct {
	Items []struct {
		Name, Email, Comment string
		RSVP                 struct {
			ID      string
			EventID string `json:"event_id"`
			Status  string
		}
	}
}

func (r *role) export(auth string, body any) exportedItems {
	r.t.Helper()
	var v exportedItems
	got := r.do(request{method: "POST", path: "/v1/privacy/export", auth: auth, body: body}).want(http.StatusOK)
	if err := json.Unmarshal(got.body, &v); err != nil {
		r.t.Fatal(err)
	}
	return v
}

// Erasing takes everything that tells who the guest is, everywhere, and leaves
// the counts of the past right.
func TestErasureLeavesNothingButNumbers(t *testing.T) {
	t.Parallel()
	r := start(t)
	auth, rival := r.signUp("owner@example.org"), r.signUp("rival@example.org")
	orgID, rivalID := r.organization(auth), r.organization(rival)
	first, second, third := r.published(auth, orgID, map[string]any{"capacity": 1}), r.published(auth, orgID, nil), r.published(rival, rivalID, nil)
	ada := r.answer(first, "ada", 1).want(http.StatusCreated)
	waiting := r.answer(first, "bob", 1).want(http.StatusCreated)
	gone := r.answer(second, "ill", 1).want(http.StatusCreated)
	r.do(request{method: "DELETE", path: "/v1/rsvps/" + gone.text("id"), auth: "Guest " + gone.text("manage_token"), body: `{"reason":"broken wrist"}`}).want(http.StatusOK)
	if got := r.export("Guest "+gone.text("manage_token"), nil); len(got.Items) != 1 || got.Items[0].Comment != "broken wrist" {
		t.Errorf("a guest's export lacks why they withdrew: %+v", got)
	}
	r.answer(second, "ada", 1).want(http.StatusCreated)
	r.answer(third, "ada", 1).want(http.StatusCreated)
	manager, err := token.NewManager(r.ring)
	if err != nil {
		t.Fatal(err)
	}
	mailed, err := manager.MakeMailed(ada.text("id"), 0)
	if err != nil {
		t.Fatal(err)
	}
	mine := "Guest " + mailed

	// Who only typed the address sees what they typed, and nothing else of the address.
	if got := r.export("Guest "+ada.text("manage_token"), nil); len(got.Items) != 1 || got.Items[0].RSVP.ID != ada.text("id") {
		t.Fatalf("a token that no mail carried opens more than its answer: %+v", got)
	}
	fake := guest("ada", 1)
	fake["name"] = "eve"
	impostor := r.do(request{
		method: "POST", path: "/v1/events/" + r.published(rival, rivalID, nil) + "/rsvps", body: fake, key: unique(t),
	}).want(http.StatusCreated)
	r.do(request{method: "POST", path: "/v1/privacy/erase", auth: "Guest " + impostor.text("manage_token")}).want(http.StatusOK)
	if got := r.export(mine, nil); len(got.Items) != 3 || got.Items[0].Name != "ada" || got.Items[0].Email != "ada@example.org" {
		t.Fatalf("a guest's export: %+v", got)
	}
	named := map[string]string{"organization_id": orgID, "email": "ADA@example.org"}
	if got := r.export(auth, named); len(got.Items) != 2 {
		t.Errorf("an owner's export: %d answers, want the 2 of the organization", len(got.Items))
	}

	// An owner erases their own organization's answers, and only those.
	var receipt struct {
		RSVPs []struct {
			RSVPID string `json:"rsvp_id"`
			Status string
		} `json:"rsvps"`
		Stores []struct{ Store string } `json:"stores"`
	}
	got := r.do(request{method: "POST", path: "/v1/privacy/erase", auth: auth, body: named}).want(http.StatusOK)
	if err := json.Unmarshal(got.body, &receipt); err != nil || len(receipt.RSVPs) != 2 || len(receipt.Stores) < 6 {
		t.Fatalf("%s, %v", got.body, err)
	}
	if receipt.RSVPs[0].Status != contract.StatusCancelled {
		t.Errorf("a seat at an event that lies ahead is %s: it was not given back", receipt.RSVPs[0].Status)
	}
	if now := r.do(request{method: "PATCH", path: "/v1/rsvps/" + waiting.text("id"), auth: auth, body: `{}`}); now.text("status") != contract.StatusConfirmed {
		t.Errorf("who waited for the seat: %s", now.body)
	}
	r.do(request{method: "POST", path: "/v1/privacy/export", auth: mine}).want(http.StatusUnauthorized) // the token is revoked
	if got := r.export(auth, named); len(got.Items) != 0 {
		t.Errorf("%d answers can still be read", len(got.Items))
	}
	again := r.answer(third, "ada", 1).want(http.StatusConflict, "already-answered") // the rival's guest is still there
	if again.header.Get("Location") != "" {
		t.Error("a refusal has a Location")
	}

	// Nothing of the name or the address is anywhere in the clear, nor its HMAC with the erased answers.
	hmac := r.ring.EmailHMAC("ada@example.org")
	var rows, keys, seals int
	err = r.pool.QueryRow(t.Context(), `SELECT count(*) FILTER (WHERE email_hmac = $2), count(k.*), count(*) FILTER (WHERE length(sealed) > 0)
		FROM rsvp LEFT JOIN rsvp_key k ON k.rsvp_id = rsvp.id WHERE rsvp.id = ANY ($1::uuid[])`,
		[]string{receipt.RSVPs[0].RSVPID, receipt.RSVPs[1].RSVPID}, hmac).Scan(&rows, &keys, &seals)
	if err != nil || rows+keys+seals != 0 {
		t.Errorf("left: %d HMACs, %d keys, %d ciphertexts, %v", rows, keys, seals, err)
	}
	for _, table := range []string{"event_log", "rsvp", "outbox", "idempotency", "organization_log", "account", "event"} {
		var dump []byte
		if err := r.pool.QueryRow(t.Context(), `SELECT convert_to(coalesce(string_agg(x::text, ' '), ''), 'UTF8') FROM `+table+` x`).Scan(&dump); err != nil {
			t.Fatal(err)
		}
		// bytea is shown in hex: look for that too.
		for _, trace := range []string{"broken wrist", hexOf("broken wrist"), "ada@example.org", hexOf("ada@example.org"), "owner@example.org", hexOf(`"name":"ada"`)} {
			if bytes.Contains(bytes.ToLower(dump), []byte(trace)) {
				t.Errorf("%s holds %q in the clear", table, trace)
			}
		}
	}
}

// Who lost the answer to an erasure sends it again and gets the same receipt, though the token opens nothing any more.
func TestAnErasureIsAnsweredAgain(t *testing.T) {
	t.Parallel()
	r := start(t)
	auth := r.signUp("owner@example.org")
	orgID := r.organization(auth)
	one, two := r.published(auth, orgID, nil), r.published(auth, orgID, nil)
	first := r.answer(one, "ada", 1).want(http.StatusCreated)
	r.answer(two, "ada", 1).want(http.StatusCreated)
	bob := r.answer(two, "bob", 1).want(http.StatusCreated)
	mailed := "Guest " + r.mailed(first.text("id"))
	for name, q := range map[string]request{
		"mailed link": {auth: mailed},
		"token":       {auth: "Guest " + bob.text("manage_token")},
		"owner":       {auth: auth, body: map[string]string{"organization_id": orgID, "email": "cy@example.org"}},
	} {
		if name == "owner" {
			r.answer(one, "cy", 1).want(http.StatusCreated)
		}
		q.method, q.path, q.key = "POST", "/v1/privacy/erase", unique(t)
		receipt := r.do(q).want(http.StatusOK)
		if again := r.do(q).want(http.StatusOK); !bytes.Equal(again.body, receipt.body) || !bytes.Contains(again.body, []byte(`"status":"cancelled"`)) {
			t.Errorf("%s: sent again %s, was %s", name, again.body, receipt.body)
		}
		if name == "mailed link" && bytes.Count(receipt.body, []byte(`"rsvp_id"`)) != 2 {
			t.Errorf("the receipt does not name both answers: %s", receipt.body)
		}
		if name != "owner" {
			q.key = unique(t)
			r.do(q).want(http.StatusUnauthorized)
			q.auth, q.key = "Guest x", ""
			r.do(q).want(http.StatusUnauthorized)
		}
	}
}

// A guest whom a member added without an address is exported and erased by the answer's id, by nobody else's owner.
func TestAGuestWithoutAddressIsErasedByTheAnswer(t *testing.T) {
	t.Parallel()
	r := start(t)
	auth, rival := r.signUp("owner@example.org"), r.signUp("rival@example.org")
	orgID, rivalID := r.organization(auth), r.organization(rival)
	walkIn := guest("dot", 1)
	delete(walkIn, "email")
	path := "/v1/events/" + r.published(auth, orgID, nil) + "/rsvps"
	dot := r.do(request{method: "POST", path: path, auth: auth, body: walkIn, key: unique(t)}).want(http.StatusCreated).text("id")
	named := func(org string) map[string]string { return map[string]string{"organization_id": org, "rsvp_id": dot} }
	if got := r.export(auth, named(orgID)); len(got.Items) != 1 || got.Items[0].Name != "dot" {
		t.Errorf("%+v", got)
	}
	erase := func(auth string, body any) response {
		return r.do(request{method: "POST", path: "/v1/privacy/erase", auth: auth, body: body})
	}
	erase(rival, named(rivalID)).want(http.StatusNotFound)
	erase(rival, named(orgID)).want(http.StatusNotFound)
	erase(auth, map[string]string{"organization_id": orgID, "rsvp_id": dot, "email": "dot@example.org"}).want(http.StatusBadRequest)
	erase(auth, map[string]string{"organization_id": orgID, "rsvp_id": "x"}).want(http.StatusBadRequest)
	if got := erase(auth, named(orgID)).want(http.StatusOK); !bytes.Contains(got.body, []byte(dot)) {
		t.Errorf("%s", got.body)
	}
	if got := r.export(auth, named(orgID)); len(got.Items) != 0 {
		t.Errorf("%+v", got)
	}
}

// The answer whose token asks is erased last: cut off in between, the same request can be sent again.
func TestAnErasureThatWasCutOffGoesOn(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *command.Config, _ *command.Deps) { c.Admission.AnswerWithin = 2 * time.Second })
	auth := r.signUp("owner@example.org")
	orgID := r.organization(auth)
	events := []string{r.published(auth, orgID, nil), r.published(auth, orgID, nil), r.published(auth, orgID, nil)}
	ids := make([]string, len(events))
	for i, event := range events {
		ids[i] = r.answer(event, "ada", 1).want(http.StatusCreated).text("id")
	}
	q := request{method: "POST", path: "/v1/privacy/erase", auth: "Guest " + r.mailed(ids[1]), key: unique(t)}
	// A lock that somebody holds on one of the other events cuts the erasure off there.
	tx, err := r.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.Background()) }()
	if _, err := tx.Exec(t.Context(), `SELECT FROM event_counter WHERE event_id = $1 FOR UPDATE`, events[2]); err != nil {
		t.Fatal(err)
	}
	r.do(q).want(http.StatusServiceUnavailable)
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, err := r.insist(q); err != nil || got.status != http.StatusOK {
		t.Errorf("sent again: %d %s, %v", got.status, got.body, err)
	}
	var left int
	if err := r.pool.QueryRow(t.Context(), `SELECT count(*) FROM rsvp_key WHERE rsvp_id = ANY ($1::uuid[])`, ids).Scan(&left); err != nil || left != 0 {
		t.Errorf("%d answers can still be read, %v", left, err)
	}
}

// A change of one consent leaves the other as it was, and says when.
func TestAConsentIsChangedAlone(t *testing.T) {
	t.Parallel()
	r := start(t)
	auth := r.signUp("owner@example.org")
	ada := guest("ada", 1)
	ada["consents"] = map[string]bool{"updates": false, "marketing": true}
	path := "/v1/events/" + r.published(auth, r.organization(auth), nil) + "/rsvps"
	answer := r.do(request{method: "POST", path: path, body: ada, key: unique(t)}).want(http.StatusCreated)
	mine := "Guest " + answer.text("manage_token")
	var got struct {
		Items []struct {
			RSVP struct{ Consents contract.Consents }
		}
	}
	read := func() contract.Consents {
		t.Helper()
		body := r.do(request{method: "POST", path: "/v1/privacy/export", auth: mine}).want(http.StatusOK).body
		if err := json.Unmarshal(body, &got); err != nil || len(got.Items) != 1 {
			t.Fatalf("%s, %v", body, err)
		}
		return got.Items[0].RSVP.Consents
	}
	first := read()
	r.do(request{method: "PATCH", path: "/v1/rsvps/" + answer.text("id"), auth: mine, body: `{"consents":{"updates":true}}`}).want(http.StatusOK)
	now := read()
	if first.Updates || !first.Marketing || !now.Updates || !now.Marketing || now.UpdatesAt == nil || now.MarketingAt != nil || !now.At.Equal(first.At) {
		t.Errorf("consents were %+v, are %+v", first, now)
	}
}

func hexOf(s string) string {
	const digits = "0123456789abcdef"
	var b strings.Builder
	for i := range len(s) {
		b.WriteByte(digits[s[i]>>4])
		b.WriteByte(digits[s[i]&15])
	}
	return b.String()
}

// The mailed link opens a session; the session shows and erases what the
// address answered. Whether an address is known never shows.
func TestGuestsSignInByMailedLink(t *testing.T) {
	t.Parallel()
	r := start(t)
	auth := r.signUp("owner@example.org")
	orgID := r.organization(auth)
	one, two := r.published(auth, orgID, nil), r.published(auth, orgID, nil)
	r.answer(one, "ada", 1).want(http.StatusCreated)
	last := r.answer(two, "ada", 1).want(http.StatusCreated)
	ask := func(email string) response {
		return r.do(request{method: "POST", path: "/v1/guest-links", body: map[string]string{"email": email}})
	}
	known, unknown := ask("Ada@example.org").want(http.StatusAccepted), ask("who@example.org").want(http.StatusAccepted)
	if !bytes.Equal(known.body, unknown.body) {
		t.Error("the answer tells whether the address is known")
	}
	ask("ada@example.org").want(http.StatusAccepted) // within the hour: no second mail
	ask("ada@example.org").want(http.StatusAccepted)
	ask("ada@example.org").want(http.StatusTooManyRequests)
	var links int
	err := r.pool.QueryRow(t.Context(), `SELECT count(*) FROM event_log WHERE type = $1 AND event_id = $2`, contract.LinkRequestedV1, two).Scan(&links)
	if err != nil || links != 1 {
		t.Errorf("%d mails asked for, want 1: %v", links, err)
	}

	sessions, err := token.NewSessions(r.ring)
	if err != nil {
		t.Fatal(err)
	}
	link := sessions.Link(r.ring.EmailHMAC("ada@example.org"), time.Now())
	open := func(text string) response {
		return r.do(request{method: "POST", path: "/v1/guest-sessions", body: map[string]string{"token": text}})
	}
	open("x").want(http.StatusUnauthorized)
	open(last.text("manage_token")).want(http.StatusUnauthorized)
	session := open(link).want(http.StatusOK).text("session_token")
	if got := r.export("Guest "+session, nil); len(got.Items) != 2 {
		t.Errorf("export by session: %d answers, want 2", len(got.Items))
	}
	// A session manages the answers of its address, and of no other.
	stranger := r.answer(two, "bob", 1).want(http.StatusCreated)
	r.do(request{method: "DELETE", path: "/v1/rsvps/" + stranger.text("id"), auth: "Guest " + session}).want(http.StatusNotFound)
	r.do(request{method: "DELETE", path: "/v1/rsvps/" + last.text("id"), auth: "Guest " + link}).want(http.StatusUnauthorized)
	r.do(request{method: "DELETE", path: "/v1/rsvps/" + last.text("id"), auth: "Guest " + session}).want(http.StatusOK)
	r.do(request{method: "POST", path: "/v1/privacy/erase", auth: "Guest " + session}).want(http.StatusOK)
	if got := r.export("Guest "+session, nil); len(got.Items) != 0 {
		t.Errorf("after erasing: %d answers", len(got.Items))
	}
	r.answer(one, "ada", 1).want(http.StatusCreated) // forgotten is forgotten: a new guest
}

// Who asks for a link again and gets no other mail yet can still use the link of the last one.
func TestAMailedLinkIsGoodUntilAnotherIsMailed(t *testing.T) {
	t.Parallel()
	var ahead clock
	r := start(t, ahead.set)
	auth := r.signUp("owner@example.org")
	eventID := r.published(auth, r.organization(auth), nil)
	r.answer(eventID, "ada", 1).want(http.StatusCreated)
	mails := func() (n int) {
		r.do(request{method: "POST", path: "/v1/guest-links", body: map[string]string{"email": "ada@example.org"}}).want(http.StatusAccepted)
		if err := r.pool.QueryRow(t.Context(), `SELECT count(*) FROM event_log WHERE type = $1`, contract.LinkRequestedV1).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	sessions, err := token.NewSessions(r.ring)
	if err != nil {
		t.Fatal(err)
	}
	link := sessions.Link(r.ring.EmailHMAC("ada@example.org"), time.Now())
	if n := mails(); n != 1 {
		t.Fatalf("%d mails", n)
	}
	ahead.advance(rsvp.LinkEvery - time.Minute)
	if n := mails(); n != 1 {
		t.Fatalf("%d mails within the pause", n)
	}
	r.do(request{method: "POST", path: "/v1/guest-sessions", body: map[string]string{"token": link}}).want(http.StatusOK)
	ahead.advance(2 * time.Minute)
	if n := mails(); n != 2 {
		t.Errorf("%d mails after the pause", n)
	}
}

// What an event no longer needs to keep goes by itself, also of guests without
// an address; the numbers stay.
func TestRetentionErases(t *testing.T) {
	t.Parallel()
	var ahead clock
	r := start(t, ahead.set, func(cfg *command.Config, _ *command.Deps) { cfg.RetentionEvery = 20 * time.Millisecond })
	auth := r.signUp("owner@example.org")
	orgID := r.organization(auth)
	month, year := r.published(auth, orgID, map[string]any{"retention_days": 30}), r.published(auth, orgID, nil)
	for _, eventID := range []string{month, year} {
		r.answer(eventID, "ada", 1).want(http.StatusCreated)
		nameless := guest("walk-in", 2)
		nameless["email"] = ""
		r.do(request{method: "POST", path: "/v1/events/" + eventID + "/rsvps", auth: auth, key: unique(t), body: nameless}).want(http.StatusCreated)
	}
	keys := func(eventID string) (n int) {
		err := r.pool.QueryRow(t.Context(), `SELECT count(*) FROM rsvp r JOIN rsvp_key k ON k.rsvp_id = r.id WHERE r.event_id = $1`, eventID).Scan(&n)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	ahead.advance(60 * 24 * time.Hour)
	testkit.Eventually(t, 10*time.Second, 20*time.Millisecond, func() error {
		if n := keys(month); n != 0 {
			return fmt.Errorf("%d data keys are left", n)
		}
		return nil
	})
	if n := keys(year); n != 2 {
		t.Errorf("the other event has %d data keys, want 2", n)
	}
	for _, eventID := range []string{month, year} {
		got := r.do(request{method: "GET", path: "/v1/events/" + eventID + "/certificate"}).want(http.StatusOK)
		if got.number("seated") != 3 || got.json()["intact"] != true {
			t.Errorf("3 people came; afterwards: %s", got.body)
		}
	}
	var seated int
	err := r.pool.QueryRow(t.Context(), `SELECT sum(party_size) FROM rsvp WHERE event_id = $1 AND status = 'confirmed' AND email_hmac IS NULL AND length(sealed) = 0`,
		month).Scan(&seated)
	if err != nil || seated != 3 {
		t.Errorf("%d people are left without a name, want 3: %v", seated, err)
	}
}

// An answer is kept until its event has been over for retention_days, not a
// second less, and a change of either moves that.
func TestRetentionEndsOnTheDay(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	var ahead clock
	r := start(t, ahead.set, func(cfg *command.Config, _ *command.Deps) { cfg.RetentionEvery = 20 * time.Millisecond })
	auth := r.signUp("owner@example.org")
	orgID := r.organization(auth)
	ends := time.Now().Truncate(time.Second).Add(8 * day)
	kept := []*struct {
		name, edit string
		until      time.Time
		event      string
	}{ // in the order in which they go
		{name: "kept shorter", edit: `{"retention_days":2}`, until: ends.Add(2 * day)},
		{name: "as it was made", edit: `{}`, until: ends.Add(30 * day)},
		{name: "ends later", edit: `{"ends_at":"` + ends.Add(5*day).UTC().Format(time.RFC3339) + `"}`, until: ends.Add(35 * day)},
		{name: "kept longer", edit: `{"retention_days":45}`, until: ends.Add(45 * day)},
	}
	for _, k := range kept {
		k.event = r.published(auth, orgID, map[string]any{"ends_at": ends.UTC().Format(time.RFC3339), "retention_days": 30})
		r.answer(k.event, "ada", 1).want(http.StatusCreated)
		r.do(request{method: "PATCH", path: "/v1/events/" + k.event, auth: auth, body: k.edit}).want(http.StatusOK)
	}
	isPast := func(event string, at time.Time) bool {
		past, err := pgstore.New(r.pool).PastRetention(t.Context(), at, 100)
		if err != nil {
			t.Fatal(err)
		}
		return slices.ContainsFunc(past, func(a pgstore.KeptAnswer) bool { return a.EventID == event })
	}
	for _, k := range kept {
		if isPast(k.event, k.until.Add(-time.Second)) || !isPast(k.event, k.until.Add(time.Second)) {
			t.Errorf("%s: not kept until %s, or longer", k.name, k.until)
		}
	}
	isKept := func(event string) (is bool) {
		err := r.pool.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM rsvp r JOIN rsvp_key k ON k.rsvp_id = r.id WHERE r.event_id = $1)`, event).Scan(&is)
		if err != nil {
			t.Fatal(err)
		}
		return is
	}
	for i, k := range kept {
		ahead.advance(time.Until(k.until) - time.Duration(ahead.ahead.Load()) + time.Minute)
		testkit.Eventually(t, 10*time.Second, 20*time.Millisecond, func() error {
			if isKept(k.event) {
				return fmt.Errorf("%s: still there a minute after its time", k.name)
			}
			return nil
		})
		for _, later := range kept[i+1:] { // the look that took this one saw them too
			if !isKept(later.event) {
				t.Errorf("%s: gone at the time of %q", later.name, k.name)
			}
		}
	}
}

// clock is a role's time, which a test can move on.
type clock struct{ ahead atomic.Int64 }

// set gives the role the clock.
func (c *clock) set(_ *command.Config, d *command.Deps) {
	d.Now = func() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }
}

func (c *clock) advance(by time.Duration) { c.ahead.Add(int64(by)) }
