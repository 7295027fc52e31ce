package rsvp

import (
	"testing"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
)

func TestPending(t *testing.T) {
	t.Parallel()
	both := func(e *contract.Event) { e.ConfirmAddress, e.Approval = true, true }
	t.Run("holds no seat, and queues from the confirmation on", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, 1, func(e *contract.Event) { e.ConfirmAddress = true })
		w.going(1, "a", "b", "c")
		w.counts(0, 0, 0)
		w.must(&ConfirmAddress{"c"}, GuestActor("c"))
		w.must(&ConfirmAddress{"b"}, GuestActor("b"))
		o := w.must(&ConfirmAddress{"a"}, GuestActor("a"))
		w.status("c", confirmed)
		if o.Position != 2 {
			t.Fatalf("a is at %d", o.Position)
		}
		v := w.version
		w.must(&ConfirmAddress{"c"}, GuestActor("c"))
		if w.version != v {
			t.Fatal("confirming twice told something")
		}
	})
	t.Run("both gates, in both orders", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, 5, both)
		w.going(1, "a", "b")
		w.must(&ConfirmAddress{"a"}, GuestActor("a"))
		w.status("a", pending)
		w.must(&Approve{"a"}, member)
		w.status("a", confirmed)
		w.must(&Approve{"b"}, member)
		w.status("b", pending)
		w.must(&ConfirmAddress{"b"}, GuestActor("b"))
		w.status("b", confirmed)
	})
	t.Run("the organizer has a day from the confirmation", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, 5, both)
		w.going(1, "a")
		w.now = w.now.Add(23 * time.Hour)
		w.must(&ConfirmAddress{"a"}, GuestActor("a"))
		w.now = w.now.Add(23 * time.Hour)
		w.must(&Approve{"a"}, member)
		w.status("a", confirmed)
	})
	t.Run("a day is over at its end", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, 5, both)
		w.going(1, "a", "b")
		w.now = w.now.Add(PendingTTL)
		w.refused(ErrPendingExpired, &ConfirmAddress{"a"}, GuestActor("a"))
		w.refused(ErrPendingExpired, &Approve{"a"}, member)
		w.must(&ExpirePending{[]string{"a", "nobody", "b"}}, system)
		w.status("a", cancelled)
		w.refused(ErrPendingExpired, &ConfirmAddress{"a"}, GuestActor("a"))
	})
	t.Run("not going needs no proof, maybe needs the address only", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, 5, both)
		w.must(submit("a", contract.NotGoing, 1), GuestActor("a"))
		w.status("a", declined)
		w.must(submit("b", contract.Maybe, 1), GuestActor("b"))
		w.status("b", pending)
		w.must(&ConfirmAddress{"b"}, GuestActor("b"))
		w.status("b", maybe)
		w.must(change("b", contract.Going), GuestActor("b"))
		w.status("b", pending)
		w.must(&Approve{"b"}, member)
		w.status("b", confirmed)
		w.must(change("a", contract.Going), GuestActor("a"))
		w.status("a", pending)
	})
	t.Run("whom a member adds or answers for needs neither", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, 5, both)
		w.must(submit("a", contract.Going, 1), member)
		w.status("a", confirmed)
		w.going(1, "b")
		w.must(change("b", contract.Going), member)
		w.status("b", confirmed)
		w.going(1, "c")
		w.must(resize("c", 2), member) // that is no approval
		w.status("c", pending)
	})
	t.Run("full by then, without a waitlist", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, 1, both, policy(contract.WaitlistNone))
		w.going(1, "a", "b")
		for _, id := range []string{"a", "b"} {
			w.must(&ConfirmAddress{id}, GuestActor(id))
		}
		w.must(&Approve{"a"}, member)
		w.refused(ErrEventFull, &Approve{"b"}, member)
		w.status("b", pending)
	})
	t.Run("rejected, and asking again", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, 5, func(e *contract.Event) { e.Approval = true })
		w.going(1, "a")
		w.must(&Reject{RSVPID: "a", Reason: "members only"}, member)
		w.status("a", cancelled)
		w.refused(ErrWrongState, &Approve{"a"}, member)
		w.must(change("a", contract.Going), GuestActor("a"))
		w.status("a", pending)
	})
}

// Whom the organizer removed does not let themself in again; who withdrew may, and whom the organizer seats is seated.
func TestWhoWasRemovedNeedsApprovalAnew(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 5, func(e *contract.Event) { e.Approval = true })
	w.going(1, "a", "b")
	for _, id := range []string{"a", "b"} {
		w.must(&Approve{id}, member)
	}
	w.must(&CancelRSVP{RSVPID: "a", Reason: "house ban"}, member)
	w.must(&CancelRSVP{RSVPID: "b"}, GuestActor("b"))
	for _, id := range []string{"a", "b"} {
		w.must(change(id, contract.Going), GuestActor(id))
	}
	w.status("a", pending)
	w.status("b", confirmed)
	w.must(change("a", contract.Going), member)
	w.status("a", confirmed)
}

func TestAnAnswerThatRanOutMakesRoomForANewOne(t *testing.T) {
	t.Parallel()
	for _, swept := range []bool{true, false} {
		w := newWorld(t, 5, func(e *contract.Event) { e.ConfirmAddress = true })
		w.going(1, "a")
		again := submit("b", contract.Going, 2)
		again.EmailHMAC = submit("a", "", 1).EmailHMAC
		w.refused(ErrAlreadyAnswered, again, GuestActor("b"))
		w.now = w.now.Add(PendingTTL)
		if swept {
			w.must(&ExpirePending{[]string{"a"}}, system)
		}
		b := w.load(again)
		if _, err := again.Decide(b, GuestActor("b"), w.now); err != nil {
			t.Fatal(err)
		}
		old := b.Row("a")
		if !old.DestroyKey || old.EmailHMAC != nil || !old.RSVP.Erased || len(old.RSVP.Sealed) != 0 || b.Changed()[0] != old {
			t.Fatalf("the old answer is %+v", old)
		}
		w.save(b)
		w.status("a", cancelled)
		w.status("b", pending)
	}
}
