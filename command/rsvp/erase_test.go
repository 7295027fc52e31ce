package rsvp

import (
	"testing"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
)

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
	t.Run("after a restore a seat that was given back is given back again", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, 3)
		w.going(1, "a", "b", "in")
		w.must(&CheckIn{RSVPID: "in"}, member)
		w.now = w.event.EndsAt.AddDate(0, 0, 1)
		w.must(&EraseRSVP{RSVPID: "a", Withdrawn: true}, system)
		w.must(&EraseRSVP{RSVPID: "b"}, system)
		w.must(&EraseRSVP{RSVPID: "in", Withdrawn: true}, system) // was inside: stays counted
		w.status("a", cancelled)
		w.status("b", confirmed)
		w.status("in", confirmed)
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

// What a guest writes must not outlive their erasure, and the log is for good.
func TestAGuestsReasonIsNotInTheLog(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3)
	w.going(1, "a", "b", "c")
	base := w.rows["a"].RSVP.Sealed
	w.must(&CancelRSVP{RSVPID: "a", Reason: "my knee", Sealed: []byte("with reason"), Base: base}, GuestActor("a"))
	w.must(&CancelRSVP{RSVPID: "b", Sealed: []byte("with reason"), Base: []byte("older")}, GuestActor("b")) // changed meanwhile: still out
	w.must(&CancelRSVP{RSVPID: "c", Reason: "Members only"}, member)
	for i, want := range []string{"", "", "Members only"} {
		if d := w.log[len(w.log)-3+i]; d.Reason != want || d.Type != contract.RSVPCancelledV1 {
			t.Errorf("%s has the reason %q, want %q", d.Type, d.Reason, want)
		}
	}
	if a, b := w.rows["a"].RSVP.Sealed, w.rows["b"].RSVP.Sealed; string(a) != "with reason" || string(b) == "with reason" {
		t.Errorf("sealed: %q and %q", a, b)
	}
}
