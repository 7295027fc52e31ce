package notifier

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"golang.org/x/sync/errgroup"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/seal"
	"github.com/turnout-events/turnout/internal/testkit"
	"github.com/turnout-events/turnout/notifier/notice"
)

// staff is an organization whose members have addresses: role@staff.example.
func (w *world) staff(version int64, accounts map[string]string) *message.Message {
	w.t.Helper()
	o := contract.Organization{ID: w.event.OrganizationID, Slug: "choir", Name: "Choir of Weimar"}
	for account, role := range accounts {
		w.keys.mu.Lock()
		key, there := w.keys.keys[account]
		if !there {
			var err error
			if key, err = seal.NewKey(); err != nil {
				w.t.Fatal(err)
			}
			w.keys.keys[account] = key
		}
		w.keys.mu.Unlock()
		plain, err := json.Marshal(contract.MemberPersonal{Name: strings.ToUpper(role), Email: role + "@staff.example"})
		if err != nil {
			w.t.Fatal(err)
		}
		sealed, err := seal.Seal(key, plain, account)
		if err != nil {
			w.t.Fatal(err)
		}
		o.Members = append(o.Members, contract.Member{AccountID: account, Role: role, Sealed: sealed})
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

// staffWorld is a published event whose organization has one member of each role.
func staffWorld(t *testing.T) (*world, map[string]string) {
	t.Helper()
	w := newWorld(t)
	w.cfg.DigestHour = 8
	w.start()
	accounts := map[string]string{}
	roles := map[string]string{}
	for _, role := range []string{contract.RoleOwner, contract.RoleEditor, contract.RoleDoor, contract.RoleAnalyst} {
		accounts[role] = newID(t)
		roles[accounts[role]] = role
	}
	w.hear(w.staff(1, roles))
	w.publish()
	return w, accounts
}

func (w *world) expectStaff(role string, subjects ...string) {
	w.t.Helper()
	got := w.ledger.to(role + "@staff.example")
	if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", subjects) {
		w.t.Errorf("%s: the %s got %q, expected %q", w.clock.Now().Format(time.RFC3339), role, got, subjects)
	}
	w.ledger.forget(role + "@staff.example")
}

func TestTheDigestComesOnceADayAndOnlyWithNews(t *testing.T) {
	t.Parallel()
	w, _ := staffWorld(t)
	const subject = "New answers: Choir of Weimar"
	sunday := time.Date(2026, 5, 3, 6, 0, 0, 0, time.UTC) // 8:00 in Berlin
	w.hear(w.going("ana"), w.going("bo"), w.guest("cy", contract.RSVPMaybeV1, contract.StatusMaybe, nil))
	w.at(sunday.Add(-time.Second))
	w.expectStaff(contract.RoleOwner)
	w.at(sunday)
	w.expectStaff(contract.RoleOwner, subject)
	w.expectStaff(contract.RoleEditor, subject)
	w.expectStaff(contract.RoleDoor)
	w.expectStaff(contract.RoleAnalyst)
	w.at(sunday.Add(24 * time.Hour)) // nothing new
	w.expectStaff(contract.RoleOwner)

	// What a member did is no news; what a guest repeats is none.
	w.hear(w.envelope(contract.RSVPCancelledV1, "member:m", contract.RSVPMessage{RSVP: cancelled(w.guests["bo"]), Counters: w.counters}))
	w.hear(w.guest("ana", contract.RSVPChangedV1, contract.StatusConfirmed, func(g *contract.RSVP) { g.Reminders = false }))
	w.at(sunday.Add(48 * time.Hour))
	w.expectStaff(contract.RoleOwner)

	// Two changes of one guest are one line, as it stands in the end.
	w.hear(w.guest("cy", contract.RSVPConfirmedV1, contract.StatusConfirmed, nil), w.guest("cy", contract.RSVPDeclinedV1, contract.StatusDeclined, nil))
	news, err := w.n.store.News(t.Context(), w.event.OrganizationID, sunday.Add(72*time.Hour))
	if err != nil || len(news) != 1 || fmt.Sprint(news[0].Answers) != "map[declined:1]" {
		t.Errorf("%+v, %v", news, err)
	}
	w.at(sunday.Add(72 * time.Hour))
	w.expectStaff(contract.RoleOwner, subject)
}

func cancelled(g *contract.RSVP) contract.RSVP {
	g.Status = contract.StatusCancelled
	return *g
}

// Two batches plan the same digests at the same time, for events of their own of
// the same two organizations: whatever they are in the middle of, one waits for
// the other, and neither for both.
func TestTwoBatchesPlanTheSameDigests(t *testing.T) {
	t.Parallel()
	w, accounts := staffWorld(t)
	members := []string{accounts[contract.RoleOwner], accounts[contract.RoleEditor]}
	slices.Sort(members)
	var events [2][2]contract.Event // of a batch, of an organization
	for i := range 2 {
		if i == 1 {
			w.event.OrganizationID = newID(t)
			w.hear(w.staff(1, map[string]string{members[0]: contract.RoleOwner, members[1]: contract.RoleEditor}))
		}
		for batch := range events {
			w.event.ID = newID(t)
			w.publish()
			events[batch][i] = w.event
		}
	}
	// Somebody is writing the digest of each organization's second member, so that both stop at it.
	hold, err := w.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = hold.Rollback(context.WithoutCancel(t.Context())) }()
	due := digestAt(w.clock.Now(), w.event.TimeZone, w.cfg.DigestHour)
	for _, e := range events[0] {
		occurrence := e.OrganizationID + "/" + due.Format(time.RFC3339)
		if _, err := hold.Exec(t.Context(), `
			INSERT INTO notifier.notification (id, event_id, organization_id, account_id, kind, channel, occurrence, lane, due_at, next_at,
				epoch, state, reason, cause_type, cause_version, detail, planned_at)
			VALUES ($1, $2, $3, $4, 'digest', 'mail', $5, 3, $6, $6, 0, 'planned', 'x', 'x', 1, '{}', $6)`,
			notice.ID(members[1], notice.Digest, notice.ChannelMail, occurrence), e.ID, e.OrganizationID, members[1], occurrence, due); err != nil {
			t.Fatal(err)
		}
	}
	var both errgroup.Group
	for batch, of := range events {
		if batch == 1 {
			slices.Reverse(of[:])
		}
		var messages []*message.Message
		for _, e := range of {
			w.event = e
			messages = append(messages, w.going(newID(t)))
		}
		both.Go(func() error { return w.n.onMessages(t.Context(), messages) })
	}
	testkit.Eventually(t, time.Minute, 10*time.Millisecond, func() error {
		var waiting int
		err := w.pool.QueryRow(t.Context(), `
			SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&waiting)
		if err == nil && waiting < 2 {
			err = fmt.Errorf("%d of 2 batches wait", waiting)
		}
		return err
	})
	if err := hold.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := both.Wait(); err != nil {
		t.Fatal(err)
	}
	if got := w.memberStates(); got["digest planned"] != 4 {
		t.Errorf("%v", got)
	}
}

func TestADigestThatIsLateByADayIsNotSent(t *testing.T) {
	t.Parallel()
	w, _ := staffWorld(t)
	w.hear(w.going("ana"))
	w.stop()
	w.clock.Advance(48 * time.Hour)
	w.start()
	w.settle()
	w.expectStaff(contract.RoleOwner)
	if got := w.memberStates(); got["digest void too-late"] != 2 {
		t.Errorf("%v", got)
	}
}

func (w *world) memberStates() map[string]int {
	w.t.Helper()
	rows, err := w.pool.Query(w.t.Context(), `
		SELECT kind || ' ' || state || CASE WHEN state = 'void' THEN ' ' || outcome ELSE '' END, count(*)
		FROM notifier.notification WHERE account_id IS NOT NULL GROUP BY 1`)
	if err != nil {
		w.t.Fatal(err)
	}
	defer rows.Close()
	out := map[string]int{}
	for rows.Next() {
		var what string
		var n int
		if err := rows.Scan(&what, &n); err != nil {
			w.t.Fatal(err)
		}
		out[what] = n
	}
	return out
}

func TestMembersHearOncePerFillingThatAnEventIsFull(t *testing.T) {
	t.Parallel()
	w, _ := staffWorld(t)
	capacity := 2
	full := "Full: Spring concert"
	set := func(going, held int) { w.counters = contract.Counters{Capacity: &capacity, Going: going, Held: held} }
	w.hear(w.about(contract.CapacityChangedV1, func(e *contract.Event) { e.Capacity = &capacity }))
	set(1, 0)
	w.hear(w.going("ana"))
	w.settle()
	w.expectStaff(contract.RoleOwner)
	set(2, 0)
	filled := w.going("bo")
	w.hear(filled)
	w.hear(filled) // a repeat
	w.settle()
	w.expectStaff(contract.RoleOwner, full)
	w.expectStaff(contract.RoleEditor, full)
	w.expectStaff(contract.RoleDoor)

	set(1, 0) // a seat is given back, and taken within the hour
	w.hear(w.guest("bo", contract.RSVPDeclinedV1, contract.StatusDeclined, nil))
	w.after(59 * time.Minute)
	set(1, 1) // an offer holds the seat: full
	w.hear(w.guest("cy", contract.RSVPOfferedV1, contract.StatusOffered, nil))
	w.settle()
	w.expectStaff(contract.RoleOwner)

	set(1, 0)
	w.hear(w.guest("cy", contract.RSVPOfferLapsedV1, contract.StatusCancelled, nil))
	w.after(61 * time.Minute)
	set(2, 0)
	w.hear(w.going("bo"))
	w.settle()
	w.expectStaff(contract.RoleOwner, full)

	more := 3 // more room, later lowered again: full anew
	capacity = more
	w.hear(w.about(contract.CapacityChangedV1, func(e *contract.Event) { e.Capacity = &capacity }))
	w.after(2 * time.Hour)
	less := 2
	w.counters.Capacity = &less
	w.hear(w.about(contract.CapacityChangedV1, func(e *contract.Event) { e.Capacity = &less }))
	w.settle()
	w.expectStaff(contract.RoleOwner, full)
}

func TestAnUnlimitedEventIsNeverFull(t *testing.T) {
	t.Parallel()
	w, _ := staffWorld(t)
	w.counters = contract.Counters{Going: 100000}
	w.hear(w.going("ana"))
	w.settle()
	w.expectStaff(contract.RoleOwner)
}

func TestMailGoesToMembersAsTheyAreWhenItGoes(t *testing.T) {
	t.Parallel()
	w, accounts := staffWorld(t)
	w.hear(w.going("ana"))
	// The editor leaves, and the owner's account is erased.
	w.hear(w.staff(2, map[string]string{accounts[contract.RoleOwner]: contract.RoleOwner}))
	w.keys.destroy(accounts[contract.RoleOwner])
	w.at(time.Date(2026, 5, 3, 6, 0, 0, 0, time.UTC))
	w.expectStaff(contract.RoleOwner)
	w.expectStaff(contract.RoleEditor)
	if got := w.memberStates(); got["digest void erased"] != 1 || got["digest void "+VoidNoMember] != 1 {
		t.Errorf("%v", got)
	}
	var leaked int
	if err := w.pool.QueryRow(t.Context(), `SELECT count(*) FROM notifier.member WHERE position('staff.example'::bytea IN sealed) > 0`).Scan(&leaked); err != nil || leaked != 0 {
		t.Errorf("%d addresses in clear, %v", leaked, err)
	}
}

func TestOneDigestForAllEventsAtOneMoment(t *testing.T) {
	t.Parallel()
	w, _ := staffWorld(t)
	w.hear(w.going("ana"))
	w.event.ID, w.event.Title, w.event.Slug, w.version = newID(t), "Autumn concert", "autumn-concert", 0
	w.publish()
	w.hear(w.going("dora"))
	at := time.Date(2026, 5, 3, 6, 0, 0, 0, time.UTC)
	w.at(at)
	raw := w.ledger.raw(contract.RoleOwner + "@staff.example")
	if strings.Count(raw, "Message-ID:") != 1 || !strings.Contains(raw, "Spring concert: 1 going") || !strings.Contains(raw, "Autumn concert: 1 going") {
		t.Errorf("%s", raw)
	}
	if strings.Contains(raw, "ana") || strings.Contains(raw, "dora@") {
		t.Error("a guest's data in a digest")
	}
	if got := w.memberStates(); got["digest sent"] != 2 { // the owner's and the editor's
		t.Errorf("%v", got)
	}
}

func TestWhenADigestIsDue(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		now, zone string
		hour      int
		want      string
	}{
		{"2026-05-02T05:59:59Z", "Europe/Berlin", 8, "2026-05-02T06:00:00Z"},
		{"2026-05-02T06:00:00Z", "Europe/Berlin", 8, "2026-05-03T06:00:00Z"},
		{"2026-10-24T12:00:00Z", "Europe/Berlin", 8, "2026-10-25T07:00:00Z"}, // the clocks go back that night
		{"2026-03-28T12:00:00Z", "Europe/Berlin", 2, "2026-03-29T01:00:00Z"}, // and skip that hour: 3:00
		{"2026-05-02T12:00:00Z", "Pacific/Auckland", 8, "2026-05-02T20:00:00Z"},
		{"2026-05-02T12:00:00Z", "no/where", 0, "2026-05-03T00:00:00Z"},
	} {
		now, err := time.Parse(time.RFC3339, c.now)
		if err != nil {
			t.Fatal(err)
		}
		if got := digestAt(now, c.zone, c.hour).Format(time.RFC3339); got != c.want {
			t.Errorf("%s in %s at %d: %s, expected %s", c.now, c.zone, c.hour, got, c.want)
		}
	}
	n := notice.Notice{Occurrence: "org/2026-05-03T06:00:00Z"}
	if got := n.DigestAt().Format(time.RFC3339); got != "2026-05-03T06:00:00Z" {
		t.Error(got)
	}
}

// raw is all mail to an address since it was last forgotten, its soft line
// breaks undone.
func (l *ledger) raw(address string) string {
	var b strings.Builder
	for _, e := range l.all() {
		if e.To == address {
			b.Write(e.Raw)
		}
	}
	return strings.ReplaceAll(b.String(), "=\r\n", "")
}
