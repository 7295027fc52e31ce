package notifier

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/emersion/go-smtp"
	"github.com/gin-gonic/gin"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/kafkabus"
	"github.com/turnout-events/turnout/internal/seal"
	"github.com/turnout-events/turnout/internal/testkit"
	"github.com/turnout-events/turnout/notifier/notice"
	"github.com/turnout-events/turnout/notifier/pgstore"
)

// until advances the clock in steps until check passes: back-offs, breakers and
// rests wait for the clock, the network does not. The clock stands while anything
// is under way: what was claimed half a lease ago is not tried, however short a
// time that was.
func (w *world) until(step time.Duration, check func() error) {
	w.t.Helper()
	testkit.Eventually(w.t, 20*time.Second, 10*time.Millisecond, func() error {
		busy := w.busy()
		if busy == nil {
			w.clock.Advance(step)
		}
		w.n.wake()
		w.n.hooks.poke()
		if err := check(); err != nil {
			return errors.Join(err, busy)
		}
		return nil
	})
}

// busy says what is claimed, or due and kept waiting by no breaker and no rest.
func (w *world) busy() error {
	now := w.clock.Now().UTC()
	var channels []string
	for _, d := range []*deliverer{w.n.mail, w.n.push} {
		if d != nil && !d.breaker.Open(now) {
			channels = append(channels, d.channel.Name())
		}
	}
	var notices, posts int
	err := w.pool.QueryRow(w.t.Context(), `
		SELECT (SELECT count(*) FROM notifier.notification
			WHERE state = 'claimed' OR state IN ('planned', 'failed') AND next_at <= $1 AND channel = ANY($2::text[])),
			(SELECT count(*) FROM notifier.webhook_delivery
			WHERE state = 'claimed' OR state IN ('planned', 'failed') AND next_at <= $1 AND webhook_id <> ALL($3::uuid[]))`,
		now, channels, w.n.hooks.rests.all(now)).Scan(&notices, &posts)
	if err == nil && notices+posts > 0 {
		err = fmt.Errorf("%d notices and %d posts are under way", notices, posts)
	}
	return err
}

func (w *world) has(name string, subjects ...string) func() error {
	return func() error {
		if got := w.ledger.to(name + "@example.org"); fmt.Sprintf("%q", got) != fmt.Sprintf("%q", subjects) {
			return fmt.Errorf("%s has %q", name, got)
		}
		return nil
	}
}

func TestMailWaitsWhileTheServerIsAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	w.publish()
	w.ledger.close()
	for i := range 20 {
		w.hear(w.going(fmt.Sprintf("guest%d", i)))
	}
	w.until(100*time.Millisecond, func() error {
		if got := w.states("guest0"); got["confirmation planned"]+got["confirmation claimed"] != 1 {
			return fmt.Errorf("guest0: %v", got)
		}
		if w.clock.Now().Before(saturday.Add(5 * time.Second)) {
			return errors.New("not long enough")
		}
		return nil
	})
	w.ledger.restart(t)
	for i := range 20 {
		w.until(100*time.Millisecond, w.has(fmt.Sprintf("guest%d", i), "You're going: Spring concert"))
	}
	// Being away costs no attempts: nothing was tried.
	w.settle()
	var attempts int
	if err := w.pool.QueryRow(t.Context(), `SELECT max(attempts) FROM notifier.notification`).Scan(&attempts); err != nil || attempts != 1 {
		t.Errorf("%d attempts, %v", attempts, err)
	}
}

func TestATemporaryRefusalIsTriedAgainAndAPermanentOneThreeTimes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	asked := map[string]int{}
	w.ledger.misbehave(ledgerHooks{onRcpt: func(to string) error {
		w.ledger.mu.Lock()
		defer w.ledger.mu.Unlock()
		asked[to]++
		switch {
		case strings.HasPrefix(to, "grey") && asked[to] < 3:
			return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 7, 1}, Message: "greylisted " + to}
		case strings.HasPrefix(to, "gone"):
			return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such mailbox " + to}
		default:
			return nil
		}
	}})
	w.start()
	w.publish()
	w.hear(w.going("grey"), w.going("gone"), w.going("fine"))
	w.until(time.Second, w.has("fine", "You're going: Spring concert"))
	w.until(time.Second, w.has("grey", "You're going: Spring concert"))
	w.until(5*time.Second, func() error {
		if got := w.states("gone"); got["confirmation dead"] != 1 {
			return fmt.Errorf("gone: %v", got)
		}
		return nil
	})
	w.ledger.mu.Lock()
	refused := asked["gone@example.org"]
	w.ledger.mu.Unlock()
	if refused != 3 {
		t.Errorf("the server refused for good %d times", refused)
	}
	notices, err := w.n.store.Explain(t.Context(), w.guests["gone"].ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range notices {
		if strings.Contains(n.Outcome, "@") {
			t.Errorf("the outcome quotes the address: %q", n.Outcome)
		}
		if n.Kind == notice.Confirmation && n.Outcome != "smtp 550 5.1.1" {
			t.Errorf("outcome %q", n.Outcome)
		}
	}
}

// What was given up goes out again when an operator says so.
func TestDeadNoticesAreSentAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	refuse := true
	w.ledger.misbehave(ledgerHooks{onRcpt: func(string) error {
		w.ledger.mu.Lock()
		defer w.ledger.mu.Unlock()
		if refuse {
			return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 7, 1}, Message: "no"}
		}
		return nil
	}})
	w.start()
	w.n.AddOps(func(*gin.Context) {})
	w.publish()
	w.hear(w.going("ana"))
	w.until(time.Minute, func() error {
		if got := w.states("ana"); got["confirmation dead"] != 1 {
			return fmt.Errorf("ana: %v", got)
		}
		return nil
	})
	ops := func(method, path string) string {
		rec := httptest.NewRecorder()
		w.n.server.Ops().ServeHTTP(rec, httptest.NewRequest(method, path, nil))
		return rec.Body.String()
	}
	if got := ops("GET", "/v1/ops/notices"); !strings.Contains(got, `"state":"dead"`) || !strings.Contains(got, "smtp 550 5.7.1") {
		t.Errorf("%s", got)
	}
	w.ledger.mu.Lock()
	refuse = false
	w.ledger.mu.Unlock()
	if got := ops("POST", "/v1/ops/notices/all/resend"); !strings.Contains(got, `"resent":1`) {
		t.Errorf("%s", got)
	}
	w.settle()
	w.expect("ana", "You're going: Spring concert")
}

// What is of no use any more is not sent again with the rest.
func TestDeadNoticesOfYesterdayStayDead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	w.publish()
	deadline := saturday.Add(hour)
	w.hear(w.going("ana"), w.guest("bo", contract.RSVPOfferedV1, contract.StatusOffered, func(g *contract.RSVP) { g.OfferExpiresAt = &deadline }))
	w.settle()
	w.ledger.reset()
	if _, err := w.pool.Exec(t.Context(), `UPDATE notifier.notification SET state = 'dead' WHERE kind <> 'thank_you'`); err != nil {
		t.Fatal(err)
	}
	resend := func(when time.Time, want int64) {
		t.Helper()
		w.clock.Advance(when.Sub(w.clock.Now()))
		if n, err := w.n.store.Revive(t.Context(), "", w.clock.Now()); err != nil || n != want {
			t.Errorf("%d to be sent again, expected %d, %v", n, want, err)
		}
		w.settle()
	}
	resend(w.event.StartsAt.Add(time.Minute), 1)
	w.expect("ana", "You're going: Spring concert")
	w.expect("bo")
	// Those that an older release has sent again once have no end of their own.
	if _, err := w.pool.Exec(t.Context(), `UPDATE notifier.notification SET useful_until = NULL WHERE state = 'dead'`); err != nil {
		t.Fatal(err)
	}
	resend(w.event.StartsAt.Add(time.Hour), 3)
	w.expect("ana")
	w.expect("bo")
	if got := w.states("ana"); got["reminder void too-late"] != 2 {
		t.Errorf("%v", got)
	}
	if got := w.states("bo"); got["offer void too-late"] != 1 {
		t.Errorf("%v", got)
	}
}

// One that hangs loses its lease. Another sends, and the first cannot record.
func TestAHangingNotifierCannotRecord(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	w.stop()
	w.publish()
	w.hear(w.going("ana"))
	ctx, now := t.Context(), w.clock.Now()
	claimed, err := w.n.store.Claim(ctx, notice.ChannelMail, "hangs", now, time.Minute, 10)
	if err != nil || len(claimed) != 1 {
		t.Fatalf("claimed %d: %v", len(claimed), err)
	}
	if again, err := w.n.store.Claim(ctx, notice.ChannelMail, "other", now, time.Minute, 10); err != nil || len(again) != 0 {
		t.Fatalf("claimed twice: %v %v", again, err)
	}
	if lost, err := w.n.store.Reclaim(ctx, now.Add(59*time.Second), nil); err != nil || lost != 0 {
		t.Fatalf("took a lease that holds: %d %v", lost, err)
	}
	if lost, err := w.n.store.Reclaim(ctx, now.Add(61*time.Second), nil); err != nil || lost != 1 {
		t.Fatalf("lost lease: %d %v", lost, err)
	}
	again, err := w.n.store.Claim(ctx, notice.ChannelMail, "other", now.Add(61*time.Second), time.Minute, 10)
	if err != nil || len(again) != 1 {
		t.Fatalf("claim after the lease: %d %v", len(again), err)
	}
	sent := func(n notice.Notice) pgstore.Result {
		return pgstore.Result{ID: n.ID, Fence: n.Fence, State: notice.Sent, Outcome: "accepted", Tried: true, Finished: now}
	}
	if n, err := w.n.store.Record(ctx, []pgstore.Result{sent(claimed[0])}); err != nil || n != 0 {
		t.Errorf("the one that hung recorded %d: %v", n, err)
	}
	if n, err := w.n.store.Record(ctx, []pgstore.Result{sent(again[0])}); err != nil || n != 1 {
		t.Errorf("the holder recorded %d: %v", n, err)
	}
}

// What ends a notice is told once by the statement that records it, and by
// the trigger what others do to it; what ends nothing is not told.
func TestWhatIsRecordedIsToldOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	w.stop()
	w.publish()
	states := []notice.State{notice.Sent, notice.Failed, notice.Dead, notice.Void, notice.Planned, notice.Sent}
	for i := range states {
		w.hear(w.going(fmt.Sprintf("guest%d", i)))
	}
	ctx, now := t.Context(), w.clock.Now()
	claimed, err := w.n.store.Claim(ctx, notice.ChannelMail, "x", now, time.Minute, 10)
	if err != nil || len(claimed) != len(states) {
		t.Fatalf("claimed %d: %v", len(claimed), err)
	}
	var results []pgstore.Result
	for i, state := range states {
		r := pgstore.Result{ID: claimed[i].ID, Fence: claimed[i].Fence, State: state, Outcome: fmt.Sprint("outcome ", i), Tried: true}
		switch state {
		case notice.Planned, notice.Failed:
			r.NextAt = now.Add(time.Hour)
		default:
			r.Finished = now
		}
		results = append(results, r)
	}
	results[5].Fence-- // another has it
	if n, err := w.n.store.Record(ctx, results); err != nil || n != 5 {
		t.Fatalf("recorded %d: %v", n, err)
	}
	if _, err := w.pool.Exec(ctx, `UPDATE notifier.notification SET state = 'delivered' WHERE id = $1`, claimed[0].ID); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"1 sent outcome 0 1, 2 delivered outcome 0 1", "", "1 dead outcome 2 1", "1 void outcome 3 1", "", ""} {
		var told string
		err := w.pool.QueryRow(ctx, `SELECT coalesce(string_agg(format('%s %s %s %s', version, state, outcome, attempts), ', ' ORDER BY id), '')
			FROM notifier.outbox WHERE notification_id = $1 AND due_at = $2`, claimed[i].ID, claimed[i].DueAt).Scan(&told)
		if err != nil || told != want {
			t.Errorf("%d told %q, expected %q (%v)", i, told, want, err)
		}
	}
}

func TestKeysThatAreAwayAreWaitedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.keys.err = seal.ErrKeysAway
	w.start()
	w.publish()
	w.hear(w.going("ana"))
	w.until(100*time.Millisecond, func() error {
		if w.clock.Now().Before(saturday.Add(3 * time.Second)) {
			return errors.New("not long enough")
		}
		return nil
	})
	w.keys.mu.Lock()
	w.keys.err = nil
	w.keys.mu.Unlock()
	w.until(100*time.Millisecond, w.has("ana", "You're going: Spring concert"))
}

// What is urgent goes before what was due long ago.
func TestTheUrgentLaneOvertakes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	w.stop()
	w.publish()
	for i := range 30 {
		w.hear(w.going(fmt.Sprintf("guest%d", i)))
	}
	w.clock.Advance(time.Minute)
	w.hear(w.about(contract.EventRescheduledV1, func(e *contract.Event) { e.StartsAt, e.Sequence = e.StartsAt.Add(time.Hour), 1 }))
	claimed, err := w.n.store.Claim(t.Context(), notice.ChannelMail, "x", w.clock.Now(), time.Minute, 40)
	if err != nil {
		t.Fatal(err)
	}
	for i, n := range claimed {
		if urgent := n.Kind == notice.EventMoved; urgent != (i < 30) {
			t.Fatalf("claim %d is %s", i, n.Kind)
		}
	}
}

// A message that cannot be read is rejected alone, and its neighbours plan.
func TestAnUnreadableMessageIsRejectedAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	w.publish()
	bad := w.going("bad")
	bad.Payload = []byte(`{"rsvp": 7}`)
	err := w.n.onMessages(t.Context(), append([]*message.Message{w.going("ana")}, bad, w.going("bo")))
	var rejected *kafkabus.Rejected
	if !errors.As(err, &rejected) || len(rejected.Reasons) != 1 || rejected.Reasons[1] == nil {
		t.Fatalf("%v", err)
	}
	w.settle()
	w.expect("ana", "You're going: Spring concert")
	w.expect("bo", "You're going: Spring concert")
}

// A dead letter that is redriven plans what it would have planned, once.
func TestARedrivenMessageIsNotTakenForARepeat(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	w.publish()
	lost, old := w.going("ana"), w.going("bo")
	w.hear(w.guest("bo", contract.RSVPCancelledV1, contract.StatusCancelled, nil), w.going("cy"))
	w.settle()
	w.expect("ana")
	if err := w.n.Redrive(t.Context(), kafkabus.DeadLetter{Group: "listing", Message: lost}); err == nil {
		t.Error("another group's letter was taken")
	}
	for _, m := range []*message.Message{lost, old, lost, old} {
		if err := w.n.Redrive(t.Context(), kafkabus.DeadLetter{Group: contract.GroupNotifier, Message: m}); err != nil {
			t.Fatal(err)
		}
	}
	w.settle()
	w.expect("ana", "You're going: Spring concert")
	w.expect("bo", "Your answer was withdrawn: Spring concert")
}
