package notifier

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/testkit"
	"github.com/turnout-events/turnout/notifier/notice"
	"github.com/turnout-events/turnout/notifier/pgstore"
	"github.com/turnout-events/turnout/notifier/webhook"
)

// An event that is called off takes back what is about it, not what another
// event's organizer has yet to say to the same people.
func TestCallingOffAnEventLeavesOthersMail(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	w.publish()
	w.hear(w.going("ana"))
	w.settle()
	other := newID(t)
	if _, err := w.pool.Exec(t.Context(), `
		INSERT INTO notifier.notification (id, event_id, organization_id, rsvp_id, kind, channel, occurrence, lane, due_at, next_at,
			epoch, state, reason, cause_type, cause_version, detail, planned_at)
		SELECT gen_random_uuid(), $2, organization_id, rsvp_id, 'campaign', 'mail', 'c/x', 3, now() + interval '9 years', 'infinity',
			0, 'planned', 'campaign', 'campaign', 1, '{}', now()
		FROM notifier.guest WHERE event_id = $1`, w.event.ID, other); err != nil {
		t.Fatal(err)
	}
	w.hear(w.about(contract.EventCancelledV1, func(e *contract.Event) { e.Status = contract.EventCancelled }))
	w.settle()
	var state string
	if err := w.pool.QueryRow(t.Context(), `SELECT state FROM notifier.notification WHERE event_id = $1`, other).Scan(&state); err != nil || state != "planned" {
		t.Errorf("the other event's mail is %q, %v", state, err)
	}
	w.hear(w.guest("ana", contract.RSVPErasedV1, contract.StatusConfirmed, func(g *contract.RSVP) { g.Erased = true }))
	if err := w.pool.QueryRow(t.Context(), `SELECT state FROM notifier.notification WHERE event_id = $1`, other).Scan(&state); err != nil || state != "void" {
		t.Errorf("mail to somebody who was erased is %q, %v", state, err)
	}
}

// A campaign that was paused when its recipients were to be fixed, and goes on,
// is not one without recipients.
func TestACampaignWithoutASnapshotIsNotPlanned(t *testing.T) {
	t.Parallel()
	o := newOffice(t, nil)
	o.crowd(2)
	made := o.ask(201, "POST", "/campaigns", `{"subject": "x", "body": "x"}`)
	o.stop() // nobody plans but the test
	if _, err := o.pool.Exec(t.Context(), `UPDATE notifier.campaign SET state = 'running', started_at = $2 WHERE id = $1`, made.ID, o.clock.Now()); err != nil {
		t.Fatal(err)
	}
	ok, err := pgstore.New(o.pool).Place(t.Context(), pgstore.Campaign{ID: made.ID, EventID: o.event.ID, OrganizationID: o.event.OrganizationID}, nil, "", true, o.clock.Now())
	if ok || err != nil {
		t.Errorf("planned for nobody: %v, %v", ok, err)
	}
	o.start()
	if a := o.until(made.ID, done); a.states()["sent"] != 2 {
		t.Errorf("%+v", a)
	}
}

// Two links followed one after the other switch off two mails, also for who is
// no member any more; the language stays as chosen.
func TestTwoMailsSwitchedOffStayOff(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	store, org, account, now := pgstore.New(w.pool), newID(t), newID(t), w.clock.Now()
	if err := store.Choose(t.Context(), org, account, notice.Choice{Digest: true, EventFull: true, Locale: "de"}, now); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []notice.Kind{notice.Digest, notice.EventFull} {
		if err := store.SwitchOff(t.Context(), org, account, kind, now); err != nil {
			t.Fatal(err)
		}
	}
	var c notice.Choice
	if err := w.pool.QueryRow(t.Context(), `SELECT digest, event_full, locale FROM notifier.member_choice WHERE account_id = $1`, account).
		Scan(&c.Digest, &c.EventFull, &c.Locale); err != nil || c.Digest || c.EventFull || c.Locale != "de" {
		t.Errorf("%+v, %v", c, err)
	}
}

// What an announcement still has to send when the hour is full goes only to
// those who want it then, and are those whom it was for.
func TestWhoChangesMeanwhileGetsNoAnnouncement(t *testing.T) {
	t.Parallel()
	o := newOffice(t, func(c *Config) { c.MailsPerHour = 1 })
	o.crowd(0)
	o.hear(o.going("a"), o.going("b"), o.going("c"), o.going("d"), o.going("e"))
	o.settle()
	o.ledger.reset()
	if status, body, _ := o.call("POST", o.path+"/announcements", o.owner, `{"subject": "Soup", "body": "x", "to": "going"}`); status != 202 {
		t.Fatalf("%d %s", status, body)
	}
	o.settle()
	var rest []string // one mail an hour: somebody has theirs already
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		if o.states(name)["announcement sent"] == 0 {
			rest = append(rest, name)
		}
	}
	if len(rest) < 2 {
		t.Fatalf("only %v wait, of five, at one mail an hour", rest)
	}
	leaves, shy := rest[0], rest[1]
	o.hear(o.guest(leaves, contract.RSVPCancelledV1, contract.StatusCancelled, nil),
		o.guest(shy, contract.RSVPChangedV1, contract.StatusConfirmed, func(g *contract.RSVP) { g.Consents.Updates = false }))
	testkit.Eventually(t, 20*time.Second, 20*time.Millisecond, func() error {
		var waiting int
		err := o.pool.QueryRow(t.Context(), `SELECT count(*) FROM notifier.notification WHERE kind = 'announcement' AND state IN ('planned', 'claimed')`).Scan(&waiting)
		if err == nil && waiting > 0 {
			o.after(10 * time.Minute)
			o.n.campaigns.poke()
			err = errors.New("some wait")
		}
		return err
	})
	for name, want := range map[string]string{leaves: VoidNotMatching, shy: VoidNoConsent} {
		if got := o.states(name); got["announcement void "+want] != 1 || got["announcement sent"] != 0 {
			t.Errorf("%s: %v", name, got)
		}
	}

	// Claimed when it is cancelled, and put back untried.
	status, body, _ := o.call("POST", o.path+"/announcements", o.owner, `{"subject": "Salad", "body": "x", "to": "going"}`)
	if status != 202 {
		t.Fatalf("%d %s", status, body)
	}
	const ofSalad = `kind = 'announcement' AND cause_version >= 0 AND occurrence = (SELECT 'a/' || id FROM notifier.announcement WHERE subject = 'Salad')`
	var announcement string
	if err := o.pool.QueryRow(t.Context(), `SELECT id FROM notifier.announcement WHERE subject = 'Salad'`).Scan(&announcement); err != nil {
		t.Fatal(err)
	}
	o.settle()
	if _, err := o.pool.Exec(t.Context(), `UPDATE notifier.notification SET state = 'claimed', lease_until = now() + interval '100 years' WHERE state = 'planned' AND `+ofSalad); err != nil {
		t.Fatal(err)
	}
	if status, body, _ := o.call("DELETE", o.path+"/announcements/"+announcement, o.owner, ""); status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	tag, err := o.pool.Exec(t.Context(), `UPDATE notifier.notification SET state = 'planned', next_at = $1, lease_until = NULL WHERE state = 'claimed' AND `+ofSalad, o.clock.Now())
	if err != nil || tag.RowsAffected() == 0 {
		t.Fatalf("%v, %v", tag, err)
	}
	o.ledger.reset()
	o.n.wake()
	o.settle()
	if n := o.ledger.count(); n != 0 {
		t.Errorf("%d mails of an announcement that was cancelled", n)
	}
}

// A receiver that takes everything but one message loses that message, not all
// that come after.
func TestOnePostThatIsRefusedIsGivenUpAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	owner := newID(t)
	var mu sync.Mutex
	first := ""
	w.hear(w.organization(1, map[string]string{owner: contract.RoleOwner}))
	picky := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(io.Discard, req.Body)
		mu.Lock()
		defer mu.Unlock()
		if first == "" { // posts of an event come one after the other
			first = req.Header.Get(webhook.HeaderEvent)
		}
		if first == req.Header.Get(webhook.HeaderEvent) {
			out.WriteHeader(http.StatusBadRequest)
		}
	}))
	defer picky.Close()
	w.hook(owner, picky.URL)
	w.publish()
	heard := w.clock.Now()
	w.until(time.Hour, func() error {
		if w.clock.Since(heard) > 20*time.Hour {
			heard = w.clock.Now()
			w.hear(w.about(contract.EventEditedV1, nil))
		}
		var states string
		err := w.pool.QueryRow(t.Context(), `SELECT string_agg(DISTINCT state, ' ' ORDER BY state) FROM notifier.webhook_delivery`).Scan(&states)
		if err == nil && states != "dead sent" {
			err = errors.New(states)
		}
		return err
	})
	if _, body, _ := w.call("GET", "/v1/webhooks?organization_id="+w.event.OrganizationID, owner, ""); strings.Contains(body, hookDisabled) {
		t.Errorf("switched off: %s", body)
	}
}
