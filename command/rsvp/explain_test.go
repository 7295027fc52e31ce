package rsvp

import (
	"testing"

	"github.com/turnout-events/turnout/internal/contract"
)

func TestExplain(t *testing.T) {
	t.Parallel()
	queue := []Waiting{{"c", 30, 1}, {"a", 10, 4}, {"b", 20, 2}} // in any order
	counters := func(capacity, going, held int) contract.Counters {
		return contract.Counters{Capacity: &capacity, Going: going, Held: held}
	}
	for _, c := range []struct {
		name     string
		rsvp     string
		counters contract.Counters
		running  bool
		want     Explanation
	}{
		{"full", "b", counters(10, 10, 0), true,
			Explanation{Position: 2, PartiesAhead: 1, PeopleAhead: 4, PartySize: 2, Reason: WhyFull}},
		{"seats are held", "a", counters(10, 8, 2), true,
			Explanation{Position: 1, PartySize: 4, OffersOpen: 2, Reason: WhyHeld}},
		{"too large for what is free", "a", counters(10, 9, 0), true,
			Explanation{Position: 1, PartySize: 4, SeatsFree: 1, Reason: WhyTooLarge}},
		{"capacity was lowered", "c", counters(4, 10, 0), true,
			Explanation{Position: 3, PartiesAhead: 2, PeopleAhead: 6, PartySize: 1, Reason: WhyFull}},
		{"just before its promotion", "c", counters(10, 9, 0), true,
			Explanation{Position: 3, PartiesAhead: 2, PeopleAhead: 6, PartySize: 1, SeatsFree: 1, Reason: WhyAhead}},
		{"started", "a", counters(10, 2, 0), false,
			Explanation{Position: 1, PartySize: 4, SeatsFree: 8, Reason: WhyNotRunning}},
		{"not waiting", "z", counters(10, 2, 0), true, Explanation{SeatsFree: 8, Reason: WhyNotWaiting}},
	} {
		if got := Explain(queue, c.rsvp, c.counters, c.running); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
	for id, want := range map[string]int{"a": 1, "b": 2, "c": 3, "z": 0} {
		if got := Position(queue, id); got != want {
			t.Errorf("%s is at %d, want %d", id, got, want)
		}
	}
}
