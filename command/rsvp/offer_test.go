package rsvp

import (
	"testing"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
)

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
	t.Run("who got a seat keeps the place it was given for", func(t *testing.T) {
		t.Parallel()
		w := newOffer()
		queued := w.rows["a"].RSVP.QueuedVersion
		w.must(&AcceptOffer{"a"}, GuestActor("a"))
		if got := w.rows["a"].RSVP.QueuedVersion; queued == 0 || got != queued {
			t.Fatalf("the place was %d, and is %d", queued, got)
		}
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
	t.Run("the start moved up gives the seat to who walks in", func(t *testing.T) {
		t.Parallel()
		w := newOffer()
		starts := w.now.Add(time.Minute)
		w.must(&EditEvent{Limits: DefaultLimits(), Input: EventInput{StartsAt: Some(starts.Format(time.RFC3339))}}, member)
		w.now = starts.Add(-time.Second)
		w.must(&ExpireOffers{}, system)
		w.status("a", offered)
		w.now = starts.Add(time.Minute)
		v := w.version
		w.must(submit("walk-in", contract.Going, 2), member)
		w.status("walk-in", confirmed)
		w.status("b", waitlisted)
		w.counts(4, 1, 0)
		if m := w.log[v].Payload.(contract.RSVPMessage); !w.log[v].ValidAt.Equal(w.event.StartsAt) || !m.RSVP.OfferExpiresAt.Equal(w.event.StartsAt) {
			t.Errorf("ended at %s, told as %s; the event starts at %s", w.log[v].ValidAt, m.RSVP.OfferExpiresAt, w.event.StartsAt)
		}
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
