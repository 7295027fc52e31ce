package rsvp

import (
	"reflect"
	"testing"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
)

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

func TestEachConsentHasItsTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3)
	w.going(1, "a")
	first := w.rows["a"].RSVP.Consents
	if !first.At.Equal(w.now) || first.UpdatesAt != nil || first.MarketingAt != nil {
		t.Fatalf("at the first answer: %+v", first)
	}
	w.now = w.now.Add(time.Hour)
	want := first
	want.Marketing, want.MarketingAt = !first.Marketing, ptr(w.now)
	w.must(&ChangeRSVP{RSVPID: "a", Marketing: ptr(want.Marketing), Updates: ptr(first.Updates)}, GuestActor("a"))
	if got := w.rows["a"].RSVP.Consents; !reflect.DeepEqual(got, want) {
		t.Fatalf("%+v, want %+v: only what changed has a new time", got, want)
	}
	w.now = w.now.Add(time.Hour)
	want.Updates, want.UpdatesAt = !first.Updates, ptr(w.now)
	w.must(&ChangeRSVP{RSVPID: "a", Updates: ptr(want.Updates)}, GuestActor("a"))
	if got := w.rows["a"].RSVP.Consents; !reflect.DeepEqual(got, want) {
		t.Fatalf("%+v, want %+v: what is not named stays", got, want)
	}
	v := w.version
	w.must(&ChangeRSVP{RSVPID: "a", Updates: ptr(want.Updates), Marketing: ptr(want.Marketing)}, GuestActor("a"))
	if w.version != v {
		t.Fatal("the same again is a message")
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
