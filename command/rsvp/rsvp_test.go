package rsvp

import (
	"errors"
	"testing"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/fault"
)

func TestSubmit(t *testing.T) {
	t.Parallel()
	opens := start.AddDate(0, 0, -5)
	closes := start.Add(-time.Hour)
	window := func(e *contract.Event) { e.RSVPOpensAt, e.RSVPClosesAt = &opens, closes }
	status := func(s string) func(*contract.Event) { return func(e *contract.Event) { e.Status = s } }
	for _, c := range []struct {
		name     string
		edit     func(*contract.Event)
		at       time.Time
		response string
		party    int
		by       Actor
		want     string
		refused  *fault.Error
	}{
		{name: "going", want: confirmed},
		{name: "maybe", response: contract.Maybe, want: maybe},
		{name: "not going", response: contract.NotGoing, want: declined},
		{name: "as many as fit", party: 5, want: confirmed},
		{name: "more than fit", party: 6, want: waitlisted},
		{name: "more than fit, no waitlist", edit: policy(contract.WaitlistNone), party: 6, refused: ErrEventFull},
		{name: "the largest party", edit: policy(contract.WaitlistOffer), party: 10, want: waitlisted},
		{name: "too large a party", party: 11, refused: errInvalidInput},
		{name: "nobody", party: -1, refused: errInvalidInput},
		{name: "no answer", response: "yes", refused: errInvalidInput},
		{name: "before the window", edit: window, refused: ErrNotOpenYet},
		{name: "as it opens", edit: window, at: opens, want: confirmed},
		{name: "just before it closes", edit: window, at: closes.Add(-time.Microsecond), want: confirmed},
		{name: "as it closes", edit: window, at: closes, refused: ErrClosed},
		{name: "not going, when it is closed", edit: window, at: closes, response: contract.NotGoing, refused: ErrClosed},
		{name: "as the event starts", at: start, refused: ErrClosed},
		{name: "a member before the window", edit: window, by: member, want: confirmed},
		{name: "a walk-in", at: start.Add(time.Hour), by: member, want: confirmed},
		{name: "walk-ins who do not fit", at: start.Add(time.Hour), party: 6, by: member, refused: ErrEventFull},
		{name: "a walk-in as it ends", at: start.Add(3 * time.Hour), by: member, refused: ErrEventEnded},
		{name: "to a draft", edit: status(contract.EventDraft), refused: fault.ErrNotFound},
		{name: "to a draft, by a member", edit: status(contract.EventDraft), by: member, refused: ErrNotPublished},
		{name: "to a cancelled event", edit: status(contract.EventCancelled), refused: ErrEventCancelled},
		{name: "to a cancelled event, by a member", edit: status(contract.EventCancelled), by: member, refused: ErrEventCancelled},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if c.edit == nil {
				c.edit = func(*contract.Event) {}
			}
			w := newWorld(t, 5, c.edit)
			if !c.at.IsZero() {
				w.now = c.at
			}
			if c.response == "" {
				c.response = contract.Going
			}
			if c.by.ID == "" {
				c.by = GuestActor("a")
			}
			if c.refused != nil {
				w.refused(c.refused, submit("a", c.response, c.party), c.by)
				return
			}
			o := w.must(submit("a", c.response, c.party), c.by)
			r := o.RSVP
			if r.Status != c.want || r.PartySize != max(c.party, 1) || r.Response != c.response || r.EventID != "e1" ||
				!r.Consents.At.Equal(w.now) || !r.CreatedAt.Equal(w.now) || o.Version != 1 || o.Event.ID != "e1" {
				t.Fatalf("%+v", o)
			}
			if r.WalkIn != (c.by.Member && !c.at.Before(start)) {
				t.Fatalf("walk-in: %v", r.WalkIn)
			}
			if (c.want == waitlisted) != (o.Position == 1) || (c.want == waitlisted) != (r.QueuedVersion == 1) {
				t.Fatalf("position %d, queued at %d", o.Position, r.QueuedVersion)
			}
		})
	}
}

func TestOnlyAMemberMayLeaveTheAddressOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 5)
	for _, id := range []string{"a", "b"} {
		c := submit(id, contract.Going, 1)
		c.EmailHMAC = nil
		w.refused(errInvalidInput, c, GuestActor(id))
		w.must(c, member)
	}
	w.counts(2, 0, 0)
}

func TestUnlimited(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, policy(contract.WaitlistNone))
	w.going(1, "a")
	w.refused(ErrEventFull, submit("b", contract.Going, 1), GuestActor("b"))
	w.must(&EditEvent{Limits: DefaultLimits(), Input: EventInput{WaitlistPolicy: Some("auto")}}, member)
	w.going(5, "b", "c")
	w.must(&SetCapacity{Limits: DefaultLimits()}, member)
	w.counts(11, 0, 0)
	w.going(10, "d")
	if w.counters.Remaining() != nil {
		t.Fatal("an unlimited event has no remaining seats to tell")
	}
}

func TestChangingTheParty(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 6)
	w.going(2, "a", "b")
	w.must(resize("a", 4), GuestActor("a"))
	w.counts(6, 0, 0)
	f := w.refused(ErrNotEnoughSeats, resize("a", 5), GuestActor("a"))
	if f.Extra["remaining"] != 0 || w.rows["a"].RSVP.PartySize != 4 {
		t.Fatalf("%+v", f)
	}
	w.refused(errInvalidInput, resize("a", 11), GuestActor("a"))
	w.refused(errInvalidInput, resize("a", 0), GuestActor("a"))
	w.going(3, "trio")
	w.going(1, "one")

	w.must(resize("a", 3), GuestActor("a")) // frees one seat: not for the three, but for the one
	w.status("one", confirmed)
	w.status("trio", waitlisted)
	w.must(resize("b", 1), GuestActor("b"))
	w.must(resize("trio", 1), GuestActor("trio")) // now it fits where one seat is free
	w.status("trio", confirmed)
	w.counts(6, 0, 0)

	// Who waits and shrinks without fitting keeps the place, who grows joins anew.
	w.going(3, "x", "y")
	place := w.rows["x"].RSVP.QueuedVersion
	w.must(resize("x", 2), GuestActor("x"))
	if got := w.rows["x"].RSVP.QueuedVersion; got != place {
		t.Fatalf("shrinking moved it from %d to %d", place, got)
	}
	o := w.must(resize("x", 3), GuestActor("x"))
	if got := w.rows["x"].RSVP.QueuedVersion; got != w.version || o.Position != 2 {
		t.Fatalf("growing left it at %d, position %d", got, o.Position)
	}
}

func TestLeavingIsPossibleWhenAnswersAreClosed(t *testing.T) {
	t.Parallel()
	closes := start.Add(-24 * time.Hour)
	make := func() *world {
		w := newWorld(t, 4, func(e *contract.Event) { e.RSVPClosesAt = closes })
		w.going(2, "a", "b")
		w.going(1, "c")
		w.now = closes.Add(time.Hour)
		return w
	}
	for _, leave := range []Command{&CancelRSVP{RSVPID: "a"}, change("a", contract.NotGoing), change("a", contract.Maybe), resize("a", 1)} {
		w := make()
		w.must(leave, GuestActor("a"))
		w.status("c", confirmed) // promotion goes on until the start
	}
	w := make()
	w.must(change("a", contract.Maybe), GuestActor("a"))
	w.refused(ErrClosed, change("a", contract.Going), GuestActor("a"))
	w.refused(ErrClosed, resize("b", 3), GuestActor("b"))
	w.must(&ChangeRSVP{RSVPID: "a", Reminders: ptr(false)}, GuestActor("a"))
	w.must(resize("b", 3), member)
	w.now = w.event.EndsAt
	w.refused(ErrEventEnded, &CancelRSVP{RSVPID: "b"}, GuestActor("b"))
	w.refused(ErrEventEnded, change("b", contract.NotGoing), member)
}

func TestMaybeToGoingQueuesAnew(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.must(submit("early", contract.Maybe, 1), GuestActor("early"))
	w.going(1, "a", "b")
	w.must(change("early", contract.Going), GuestActor("early"))
	w.cancel("a")
	w.status("b", confirmed)
	w.status("early", waitlisted)
	if w.counters.Maybe != 0 {
		t.Fatal(show(w.counters))
	}
}

func TestAnUnchangedAnswerTellsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3)
	w.going(1, "a")
	v := w.version
	w.must(change("a", contract.Going), GuestActor("a"))
	w.must(&ChangeRSVP{RSVPID: "a"}, GuestActor("a"))
	w.must(&ChangeRSVP{RSVPID: "a", PartySize: ptr(1), Locale: ptr("en"), Reminders: ptr(true)}, GuestActor("a"))
	if w.version != v {
		t.Fatalf("%v", w.types(v))
	}
}

func TestTwoChangesOfTheSameSealDoNotOverwriteEachOther(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3)
	w.going(1, "a")
	base := w.rows["a"].RSVP.Sealed
	w.must(&ChangeRSVP{RSVPID: "a", Sealed: []byte("one"), Base: base}, GuestActor("a"))
	w.refused(ErrStale, &ChangeRSVP{RSVPID: "a", Sealed: []byte("two"), Base: base}, GuestActor("a"))
	w.now = start
	w.refused(ErrStale, &GiveFeedback{RSVPID: "a", Rating: 5, Sealed: []byte("two"), Base: base}, GuestActor("a"))
	if string(w.rows["a"].RSVP.Sealed) != "one" {
		t.Fatal("overwritten")
	}
}

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

func TestOffers(t *testing.T) {
	t.Parallel()
	newOffer := func() *world {
		w := newWorld(t, 4, policy(contract.WaitlistOffer))
		w.going(2, "in", "in2")
		w.going(2, "a")
		w.going(1, "b")
		w.cancel("in")
		w.status("a", offered)
		w.status("b", waitlisted)
		w.counts(2, 1, 2)
		return w
	}
	t.Run("nobody takes a held seat", func(t *testing.T) {
		t.Parallel()
		w := newOffer()
		w.going(1, "late")
		w.status("late", waitlisted)
		w.refused(ErrNotEnoughSeats, resize("in2", 3), GuestActor("in2"))
		w.refused(ErrNotEnoughSeats, resize("a", 3), GuestActor("a"))
	})
	t.Run("an answer going is no acceptance", func(t *testing.T) {
		t.Parallel()
		w := newOffer()
		w.must(change("a", contract.Going), GuestActor("a"))
		w.status("a", offered)
	})
	t.Run("a smaller party gives on what it does not need", func(t *testing.T) {
		t.Parallel()
		w := newOffer()
		w.must(resize("a", 1), GuestActor("a"))
		w.status("b", offered)
		w.must(&AcceptOffer{"a"}, GuestActor("a"))
		w.counts(3, 0, 1)
	})
	t.Run("whoever lets it go lets the next in", func(t *testing.T) {
		t.Parallel()
		for _, c := range []Command{
			&DeclineOffer{"a"}, &CancelRSVP{RSVPID: "a"}, change("a", contract.Maybe), change("a", contract.NotGoing), &EraseRSVP{RSVPID: "a"},
		} {
			w := newOffer()
			w.must(c, GuestActor("a"))
			w.status("b", offered)
			if w.rows["a"].RSVP.OfferExpiresAt != nil {
				t.Fatalf("%T leaves the offer's time", c)
			}
		}
	})
	t.Run("who declined may come back at the end", func(t *testing.T) {
		t.Parallel()
		w := newOffer()
		w.must(&DeclineOffer{"a"}, GuestActor("a"))
		w.must(change("a", contract.Going), GuestActor("a"))
		w.status("a", waitlisted)
	})
	t.Run("the start moved up ends it", func(t *testing.T) {
		t.Parallel()
		w := newOffer()
		w.must(&EditEvent{Limits: DefaultLimits(), Input: EventInput{StartsAt: Some(w.now.Add(time.Minute).Format(time.RFC3339))}}, member)
		w.now = w.now.Add(2 * time.Minute)
		w.refused(ErrOfferLapsed, &AcceptOffer{"a"}, GuestActor("a"))
	})
	t.Run("a cancelled event leaves offers alone", func(t *testing.T) {
		t.Parallel()
		w := newOffer()
		w.must(&CancelEvent{Reason: "rain"}, member)
		w.now = w.now.Add(2 * time.Hour)
		w.must(&ExpireOffers{}, system)
		w.status("a", offered)
		w.refused(ErrEventCancelled, &AcceptOffer{"a"}, GuestActor("a"))
	})
	t.Run("lapses in the order in which they ran out", func(t *testing.T) {
		t.Parallel()
		w := newOffer()
		w.now = w.now.Add(10 * time.Minute)
		w.cancel("in2")
		w.now = w.now.Add(3 * time.Hour)
		v := w.version
		w.must(&ExpireOffers{}, system)
		first := w.log[v].Payload.(contract.RSVPMessage)
		if first.RSVP.ID != "a" || w.log[v].Reason != ReasonOutOfTime || !w.log[v].ValidAt.Equal(*first.RSVP.OfferExpiresAt) {
			t.Fatalf("%+v", w.log[v])
		}
	})
}

func TestAPolicyChangedToNoneKeepsItsPromise(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	w.going(1, "a", "b", "c")
	w.must(&EditEvent{Limits: DefaultLimits(), Input: EventInput{WaitlistPolicy: Some("none")}}, member)
	w.refused(ErrEventFull, submit("d", contract.Going, 1), GuestActor("d"))
	w.cancel("a")
	w.status("c", confirmed)
}

func TestAtTheDoorAMemberSeatsWhoWaits(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	w.going(1, "a", "b", "c")
	w.now = start.Add(time.Minute)
	w.refused(ErrEventFull, change("c", contract.Going), member)
	w.cancel("a")
	w.status("c", waitlisted)
	w.must(change("c", contract.Going), GuestActor("c")) // says nothing new
	w.status("c", waitlisted)
	w.must(change("c", contract.Going), member)
	w.status("c", confirmed)
}

func TestErasing(t *testing.T) {
	t.Parallel()
	t.Run("before the start the seat goes on", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, 1)
		w.going(1, "a", "b")
		v := w.version
		b := w.load(&EraseRSVP{RSVPID: "a"})
		o, err := (&EraseRSVP{RSVPID: "a", Reason: "asked"}).Decide(b, GuestActor("a"), w.now)
		if err != nil {
			t.Fatal(err)
		}
		r := b.Row("a")
		if !r.DestroyKey || r.EmailHMAC != nil || len(r.RSVP.Sealed) != 0 || r.RSVP.Sealed == nil || !o.RSVP.Erased || o.RSVP.Epoch != 1 {
			t.Fatalf("%+v", r)
		}
		w.save(b)
		w.status("b", confirmed)
		if got := w.types(v); got[0] != contract.RSVPCancelledV1 || got[1] != contract.RSVPErasedV1 {
			t.Fatalf("%v", got)
		}
		v = w.version
		w.must(&EraseRSVP{RSVPID: "a"}, GuestActor("a"))
		if w.version != v {
			t.Fatal("erasing twice told something")
		}
		for _, c := range []Command{change("a", contract.Going), &CancelRSVP{RSVPID: "a"}, &RequestLink{"a"}, &GiveFeedback{RSVPID: "a", Rating: 1}} {
			w.refused(ErrErased, c, GuestActor("a"))
		}
		again := submit("a2", contract.Going, 1)
		again.EmailHMAC = submit("a", "", 1).EmailHMAC
		w.must(again, GuestActor("a2")) // a stranger again
	})
	t.Run("afterwards it stays counted", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, 3)
		w.going(1, "a", "b")
		w.must(&CheckIn{RSVPID: "a"}, member)
		w.must(&EraseRSVP{RSVPID: "a"}, system) // inside, though early
		w.status("a", confirmed)
		w.now = w.event.EndsAt.AddDate(1, 0, 0)
		w.must(&EraseRSVP{RSVPID: "b"}, system)
		w.status("b", confirmed)
		if w.counters.Going != 2 || w.counters.CheckedIn != 1 {
			t.Fatal(show(w.counters))
		}
	})
	t.Run("in the batch in which it was made no key is left", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, 3)
		s, e := submit("a", contract.Going, 1), &EraseRSVP{RSVPID: "a"}
		b := w.load(s, e)
		for _, c := range []Command{s, e} {
			if _, err := c.Decide(b, GuestActor("a"), w.now); err != nil {
				t.Fatal(err)
			}
		}
		if r := b.Changed()[0]; len(b.Changed()) != 1 || !r.New || r.WrappedKey != nil || !r.DestroyKey {
			t.Fatalf("%+v", r)
		}
	})
}

func TestALinkAtMostOnceAnHour(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3)
	w.going(1, "a")
	w.must(&RequestLink{"a"}, SystemActor("form"))
	w.now = w.now.Add(20 * time.Minute)
	if f := w.refused(ErrLinkSent, &RequestLink{"a"}, SystemActor("form")); f.RetryAfter != 40*time.Minute {
		t.Fatal(f.RetryAfter)
	}
	w.now = w.now.Add(40 * time.Minute)
	w.must(&RequestLink{"a"}, SystemActor("form"))
	w.status("a", confirmed)
}

func TestFeedback(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3)
	w.going(1, "a")
	w.refused(ErrNotStarted, &GiveFeedback{RSVPID: "a", Rating: 5}, GuestActor("a"))
	w.now = w.event.EndsAt.AddDate(0, 0, 3)
	for _, rating := range []int{0, 6, -1} {
		w.refused(errInvalidInput, &GiveFeedback{RSVPID: "a", Rating: rating}, GuestActor("a"))
	}
	w.must(&GiveFeedback{RSVPID: "a", Rating: 2}, GuestActor("a"))
	w.must(&GiveFeedback{RSVPID: "a", Rating: 5, Sealed: []byte("more")}, GuestActor("a"))
	if r := w.rows["a"].RSVP; r.Rating != 5 || string(r.Sealed) != "more" {
		t.Fatalf("%+v", r)
	}
}

// The messages of one decision each carry the counters after it, not those at
// the end.
func TestEveryMessageCarriesTheCountersAfterIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	w.going(1, "a", "b", "c", "d")
	v := w.version
	w.setCapacity(4)
	var got [][2]int
	for _, d := range w.log[v:] {
		switch m := d.Payload.(type) {
		case contract.EventMessage:
			got = append(got, [2]int{m.Counters.Going, m.Counters.Waitlisted})
		case contract.RSVPMessage:
			got = append(got, [2]int{m.Counters.Going, m.Counters.Waitlisted})
		}
	}
	want := [][2]int{{2, 2}, {3, 1}, {4, 0}}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("got %v, want %v", got, want)
		}
	}
}

// What a message carried does not change when the book goes on.
func TestAMessageStaysAsItWas(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 5)
	s, c := submit("a", contract.Going, 1), &CheckIn{RSVPID: "a", EntryID: "1"}
	u, e := &UndoCheckIn{RSVPID: "a", EntryID: "2"}, &EditEvent{Limits: DefaultLimits(), Input: EventInput{Title: Some("New")}}
	b := w.load(s, c, u, e)
	for _, step := range []struct {
		c  Command
		by Actor
	}{{s, GuestActor("a")}, {c, member}, {u, member}, {e, member}} {
		if _, err := step.c.Decide(b, step.by, w.now); err != nil {
			t.Fatal(err)
		}
	}
	m := b.Messages()
	if r := m[0].Payload.(contract.RSVPMessage).RSVP; r.Door != nil || r.CheckedIn != 0 {
		t.Fatalf("%+v", r)
	}
	if r := m[1].Payload.(contract.RSVPMessage).RSVP; len(r.Door) != 1 || r.CheckedIn != 1 {
		t.Fatalf("%+v", r)
	}
	if e := m[3].Payload.(contract.EventMessage).Event; e.Title != "New" || w.event.Title != "Evening" {
		t.Fatalf("%+v", e)
	}
	if !errors.Is(ErrEventFull.Detailf("x"), ErrEventFull) {
		t.Fatal("a fault with a detail is still its declaration")
	}
}
