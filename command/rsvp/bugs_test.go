package rsvp

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
)

// Each test here is a bug that some other system has.

func TestLastSeatAmongAThousandClients(t *testing.T) {
	t.Parallel()
	for _, p := range []string{contract.WaitlistAuto, contract.WaitlistNone} {
		w := newWorld(t, 500, policy(p))
		w.going(1, ids("first", 499)...)
		var commands []Command
		for _, id := range ids("g", 1000) {
			commands = append(commands, submit(id, contract.Going, 1))
		}
		b := w.load(commands...)
		won, full := 0, 0
		for i, c := range commands {
			o, err := c.Decide(b, GuestActor(ids("g", 1000)[i]), w.now)
			switch {
			case errors.Is(err, ErrEventFull):
				full++
			case err != nil:
				t.Fatal(err)
			case o.RSVP.Status == confirmed:
				won++
			case o.Position != i:
				t.Fatalf("position %d of the %dth who waits", o.Position, i)
			}
		}
		w.save(b)
		if won != 1 || w.counters.Going != 500 || (p == contract.WaitlistNone) != (full == 999) {
			t.Fatalf("%s: %d won, %d were refused, %s", p, won, full, show(w.counters))
		}
	}
}

// pretix 1163: the promoted guest who cancels keeps blocking.
func TestCancelPromoteAndTheSameGuestAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.going(1, "a", "b", "c")
	w.cancel("a")
	w.status("b", confirmed)
	w.cancel("b")
	w.status("c", confirmed)
	w.must(change("a", contract.Going), GuestActor("a"))
	w.must(change("b", contract.Going), GuestActor("b"))
	w.cancel("c")
	w.status("a", confirmed) // came back first
	w.cancel("a")
	w.status("b", confirmed)
	w.counts(1, 0, 0)
}

func TestCapacityLoweredBelowGoingThenRaisedPromotesExactlyWhatFits(t *testing.T) {
	t.Parallel()
	for k := 0; k <= 9; k++ {
		w := newWorld(t, 10)
		w.going(1, ids("in", 10)...)
		w.going(2, "two", "2nd")
		w.going(1, "one", "another")
		w.setCapacity(4)
		w.counts(10, 6, 0)
		if r := w.counters.Remaining(); *r != -6 {
			t.Fatalf("remaining %d, want -6", *r)
		}
		w.cancel("in1") // nine have a seat where four fit: nobody gets in
		w.counts(9, 6, 0)
		w.refused(ErrNotEnoughSeats, resize("in2", 2), GuestActor("in2"))
		w.setCapacity(9 + k)
		// by hand: two, 2nd (2 people each), one, another (1 each), in that order
		promoted := []int{0, 1, 2, 3, 4, 5, 6, 6, 6, 6}[k]
		w.counts(9+promoted, 6-promoted, 0)
		if k == 1 {
			w.status("one", confirmed)
			w.status("two", waitlisted)
		}
		if k == 3 {
			w.status("two", confirmed)
			w.status("2nd", waitlisted)
			w.status("one", confirmed)
		}
	}
}

// pretix 974, alf.io 425.
func TestPartyOfTwoWithOneSeatFreeAndASingleBehindThem(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 4)
	w.going(1, "a", "b", "c", "d")
	w.going(2, "pair", "pair2")
	w.going(1, "single")
	w.cancel("a")
	w.status("pair", waitlisted)
	w.status("single", confirmed)
	place := w.rows["pair"].RSVP.QueuedVersion
	w.cancel("b")
	w.status("pair", waitlisted) // one seat is free, and nobody of one waits
	w.counts(3, 4, 0)
	if got := w.rows["pair"].RSVP.QueuedVersion; got != place {
		t.Fatalf("passed over, the pair moved from %d to %d", place, got)
	}
	w.cancel("c")
	w.status("pair", confirmed)
	w.status("pair2", waitlisted)
}

func TestOfferExpiresWhileItIsAccepted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, policy(contract.WaitlistOffer))
	w.going(1, "a", "b", "c")
	w.cancel("a")
	w.status("b", offered)
	until := *w.rows["b"].RSVP.OfferExpiresAt
	w.now = until.Add(-time.Microsecond)
	early := *w
	early.rows, early.replayed, early.log = maps.Clone(w.rows), maps.Clone(w.replayed), slices.Clone(w.log)
	early.must(&AcceptOffer{"b"}, GuestActor("b"))
	early.status("b", confirmed)

	w.now = until // the last moment is too late
	w.refused(ErrOfferLapsed, &AcceptOffer{"b"}, GuestActor("b"))
	w.must(&ExpireOffers{}, system)
	w.status("b", cancelled)
	w.status("c", offered)
	w.refused(ErrOfferLapsed, &AcceptOffer{"b"}, GuestActor("b"))
	w.counts(0, 0, 1)

	// In one batch with a newcomer, whoever comes first sees the offer gone.
	w.now = w.now.Add(2 * time.Hour)
	late, newcomer := &AcceptOffer{"c"}, submit("d", contract.Going, 1)
	b := w.load(late, newcomer)
	if _, err := late.Decide(b, GuestActor("c"), w.now); !errors.Is(err, ErrOfferLapsed) {
		t.Fatalf("late accept: %v", err)
	}
	if o, err := newcomer.Decide(b, GuestActor("d"), w.now); err != nil || o.RSVP.Status != confirmed {
		t.Fatalf("newcomer: %v %v", o.RSVP, err)
	}
	if _, err := late.Decide(b, GuestActor("c"), w.now); !errors.Is(err, ErrOfferLapsed) {
		t.Fatalf("late accept, again: %v", err)
	}
	w.save(b)
	w.counts(1, 0, 0)
}

// pretix 1031.
func TestNoPromotionAfterTheStart(t *testing.T) {
	t.Parallel()
	for _, p := range []string{contract.WaitlistAuto, contract.WaitlistOffer} {
		w := newWorld(t, 2, policy(p))
		w.going(1, "a", "b", "c")
		w.now = start
		since := w.version
		w.cancel("a")
		w.setCapacity(5)
		w.must(&ExpireOffers{}, system)
		w.status("c", waitlisted)
		if got := w.types(since); slices.Contains(got, contract.RSVPPromotedV1) || slices.Contains(got, contract.RSVPOfferedV1) {
			t.Fatalf("%s: %v", p, got)
		}
		// Moved to the future, the queue moves again.
		w.must(&EditEvent{Limits: DefaultLimits(), Input: EventInput{
			StartsAt: Some("2027-06-02T19:00:00+02:00"), EndsAt: Some("2027-06-02T22:00:00+02:00"),
		}}, member)
		if w.rows["c"].RSVP.Status == waitlisted {
			t.Fatalf("%s: the queue still stands", p)
		}
	}
}

func TestAnOfferNeverOutlivesTheStart(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, policy(contract.WaitlistOffer))
	w.going(1, "a", "b")
	w.now = start.Add(-10 * time.Minute)
	w.cancel("a")
	if got := *w.rows["b"].RSVP.OfferExpiresAt; !got.Equal(start) {
		t.Fatalf("held until %s, after the start at %s", got, start)
	}
}

// OpenMeet trusts a status that the client sends.
func TestAClientCannotSendAStatus(t *testing.T) {
	t.Parallel()
	for _, c := range []any{SubmitRSVP{}, ChangeRSVP{}} {
		for i := range reflect.TypeOf(c).NumField() {
			if name := reflect.TypeOf(c).Field(i).Name; strings.Contains(strings.ToLower(name), "status") {
				t.Errorf("%T has %s", c, name)
			}
		}
	}
	w := newWorld(t, 1)
	w.going(1, "a")
	c := submit("b", "confirmed", 1)
	w.refused(errInvalidInput, c, GuestActor("b"))
	w.refused(errInvalidInput, change("a", "confirmed"), GuestActor("a"))
}

// Attendize 1000: expired holds never return.
func TestAnUnansweredHoldGivesTheSeatBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2, policy(contract.WaitlistOffer))
	w.going(2, "a", "b")
	w.going(1, "c", "d")
	w.cancel("a")
	w.counts(0, 2, 2)
	w.now = w.now.Add(time.Hour)
	w.must(&ExpireOffers{}, system)
	w.status("b", cancelled)
	w.counts(0, 0, 2) // c and d have offers now
	w.must(&DeclineOffer{"c"}, GuestActor("c"))
	w.counts(0, 0, 1)
	w.now = w.now.Add(time.Hour)
	w.must(&ExpireOffers{}, system)
	w.counts(0, 0, 0)
	w.going(2, "e")
	w.status("e", confirmed)
}

func TestTenPromotersAtOnceForTwoWaiters(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 10)
	w.going(1, ids("in", 10)...)
	w.going(1, "w1", "w2")
	var commands []Command
	for _, id := range ids("in", 10) {
		commands = append(commands, &CancelRSVP{RSVPID: id})
	}
	b := w.load(commands...)
	for i, c := range commands {
		if _, err := c.Decide(b, GuestActor(ids("in", 10)[i]), w.now); err != nil {
			t.Fatal(err)
		}
	}
	since := w.version
	w.save(b)
	w.counts(2, 0, 0)
	promoted := 0
	for _, m := range w.types(since) {
		if m == contract.RSVPPromotedV1 {
			promoted++
		}
	}
	if promoted != 2 {
		t.Fatalf("%d promotions for two waiters", promoted)
	}
}

// The identity of an address is its HMAC; how spellings map to it is the
// business of package seal.
func TestTheSameAddressIsOneGuest(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 10)
	w.going(1, "a")
	again := submit("b", contract.NotGoing, 1)
	again.EmailHMAC = submit("a", "", 1).EmailHMAC
	for _, s := range []string{confirmed, declined, cancelled} {
		switch s {
		case declined:
			w.must(change("a", contract.NotGoing), GuestActor("a"))
		case cancelled:
			w.cancel("a")
		}
		f := w.refused(ErrAlreadyAnswered, again, GuestActor("b"))
		var answered *Answered
		if !errors.As(f, &answered) || answered.RSVPID != "a" {
			t.Fatalf("who answered is %v", answered)
		}
		if f.Detail != "" || len(f.Extra) > 0 || len(f.Fields) > 0 {
			t.Fatalf("the refusal says more than it may: %+v", f)
		}
		w.status("a", s)
	}
}

// Two RSVPs of one address in one batch: the second sees the first.
func TestTheSameAddressTwiceInOneBatch(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 10)
	first, second := submit("a", contract.Going, 1), submit("b", contract.Going, 1)
	second.EmailHMAC = first.EmailHMAC
	b := w.load(first, second)
	if _, err := first.Decide(b, GuestActor("a"), w.now); err != nil {
		t.Fatal(err)
	}
	if _, err := second.Decide(b, GuestActor("b"), w.now); !errors.Is(err, ErrAlreadyAnswered) {
		t.Fatalf("the second: %v", err)
	}
	w.save(b)
	w.counts(1, 0, 0)
}

// Hi.Events 674: a duplicated event starts with the numbers of the first.
func TestADuplicateStartsEmpty(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 5)
	w.going(1, "a", "b")
	b, err := Duplicate(w.event, nil, Birth{EventID: "e2", Suffix: "abc123"}, DefaultLimits(), member, w.now)
	if err != nil {
		t.Fatal(err)
	}
	e := b.Event
	if b.Version != 1 || b.Counters.Going != 0 || e.Status != contract.EventDraft || e.Revision != 1 || e.Sequence != 0 ||
		e.ID != "e2" || e.ExternalID != "" || e.PublishedAt != nil || !b.Created() || *e.Capacity != 5 {
		t.Fatalf("%+v %s", e, show(b.Counters))
	}
}

func TestWhoLeavesTheWaitlistLeavesNoTrace(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.going(1, "in", "a", "b", "c", "d")
	before := map[string]int64{}
	for _, id := range []string{"a", "c", "d"} {
		before[id] = w.rows[id].RSVP.QueuedVersion
	}
	w.cancel("b")
	for id, place := range before {
		if got := w.rows[id].RSVP.QueuedVersion; got != place {
			t.Fatalf("%s moved from %d to %d", id, place, got)
		}
	}
	for _, next := range []string{"a", "c", "d"} {
		w.must(&CancelRSVP{RSVPID: seated(w)}, member)
		w.status(next, confirmed)
	}
}

func seated(w *world) string {
	for id, r := range w.rows {
		if r.RSVP.Status == confirmed {
			return id
		}
	}
	return ""
}

func ids(prefix string, n int) []string {
	s := make([]string, n)
	for i := range s {
		s[i] = fmt.Sprintf("%s%d", prefix, i+1)
	}
	return s
}
