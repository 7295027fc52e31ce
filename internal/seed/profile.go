package seed

import (
	"cmp"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"
)

// How people answer: aggregates over 62,000 answers to 4,500 real gatherings.
// A curve lists points (share of cases, value); between two it is straight.
type curve [][2]float64

var (
	// answersPerEvent has a median of 10 and a long tail.
	answersPerEvent = curve{{0, 1}, {.10, 1}, {.25, 3}, {.50, 10}, {.75, 30}, {.90, 67}, {.95, 104}, {.99, 174}, {1, 428}}
	// waitlistLength is drawn for the events that have one.
	waitlistLength = curve{{0, 1}, {.10, 1}, {.25, 2}, {.50, 4}, {.75, 13}, {.90, 35}, {.95, 53}, {.99, 93}, {1, 131}}
	// Hours between an answer and the start.
	leadYes = curve{{0, .2}, {.05, 2.3}, {.10, 6.9}, {.25, 45}, {.50, 140}, {.75, 311}, {.90, 930}, {.95, 1415}, {.99, 7554}, {1, 10075}}
	leadNo  = curve{{0, .1}, {.05, .9}, {.10, 1.4}, {.25, 4.9}, {.50, 37}, {.75, 140}, {.90, 291}, {.95, 538}, {.99, 2327}, {1, 4692}}
	// Hours between an answer and its change.
	changeAfter = curve{{0, .02}, {.05, .13}, {.10, 6.9}, {.25, 80}, {.50, 289}, {.75, 669}, {.90, 1096}, {.95, 1575}, {.99, 3287}, {1, 20336}}
)

const (
	// waitlistShare of events fill up: 133 of 2,274.
	waitlistShare = .0585
	// firstYes say yes at first. With cancelShare of them withdrawing, 80 % of
	// all answers end as a yes (or a place in the queue), 20 % as a no.
	firstYes    = .932
	cancelShare = .136
	// resizeShare of those who stay change whom they bring; thinkAgain of those
	// who said no come after all. With the withdrawals, 18 % of answers change.
	resizeShare = .045
	thinkAgain  = .15
	// largestParty is the guest and the five companions of the largest seen.
	largestParty = 6
)

// companions counts the yes answers by how many came along.
var companions = [...]int{41230, 2451, 625, 13, 1, 1}

// at gives the value at a share between 0 and 1.
func (c curve) at(share float64) float64 {
	for i := 1; i < len(c); i++ {
		if a, b := c[i-1], c[i]; share <= b[0] {
			return a[1] + (b[1]-a[1])*(share-a[0])/(b[0]-a[0])
		}
	}
	return c[len(c)-1][1]
}

// arrival is a step with the instant at which it would come.
type arrival struct {
	at   time.Time
	step Step
}

// planProfile draws answers for each row: how many, who brings whom, who
// changes their mind and when. The steps of all events stand in the order in
// which they would arrive. The same file gives the same plan.
func planProfile(rows []Row, spans []Span) Plan {
	var all []arrival
	for i := range rows {
		r := &rows[i]
		h := sum("profile", r.ID)
		rng := rand.New(rand.NewPCG(binary.BigEndian.Uint64(h[:8]), binary.BigEndian.Uint64(h[8:16])))
		if r.MaxParty == 0 {
			r.MaxParty = largestParty
		}
		n := int(answersPerEvent.at(rng.Float64()))
		seats := 0
		for guest := range n {
			steps := drawGuest(rng, r, guest, spans[i].Start)
			if last := steps[len(steps)-1].step; last.Response == going {
				seats += last.Party
			}
			all = append(all, steps...)
		}
		if rng.Float64() < waitlistShare && r.Capacity == nil && seats > 1 {
			capacity := max(1, seats-int(waitlistLength.at(rng.Float64())))
			r.Capacity = &capacity
		}
	}
	slices.SortStableFunc(all, func(a, b arrival) int {
		return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.step.Event, b.step.Event))
	})
	p := Plan{Steps: make([]Step, len(all))}
	for i := range all {
		p.Steps[i] = all[i].step
	}
	return p
}

// drawGuest gives the first answer of a guest and at most one change of it.
func drawGuest(rng *rand.Rand, r *Row, n int, start time.Time) []arrival {
	s := Step{Event: r.ID, Seat: strconv.Itoa(n), Who: guestAt(r.ID, n), Kind: kindAnswer, Response: notGoing, Party: 1}
	lead := leadNo
	if rng.Float64() < firstYes {
		s.Response, s.Party, lead = going, min(drawParty(rng), r.MaxParty), leadYes
	}
	first := arrival{at: before(start, lead.at(rng.Float64())), step: s}

	s.Number, s.Kind = 1, kindChange
	switch p := rng.Float64(); {
	case s.Response == notGoing && p < thinkAgain:
		s.Response = going
	case s.Response == notGoing:
		return []arrival{first}
	case p < cancelShare/2:
		// Half of those who withdraw press "cancel", half answer "not going".
		s.Kind, s.Response = kindCancel, ""
	case p < cancelShare:
		s.Response, s.Party = notGoing, 1
	case p < cancelShare+resizeShare && r.MaxParty > 1:
		s.Party = 1 + s.Party%min(2, r.MaxParty)
	default:
		return []arrival{first}
	}
	// A change comes after the answer and before the start, however long it took.
	after := min(changeAfter.at(rng.Float64()), start.Sub(first.at).Hours()*.98)
	return []arrival{first, {at: first.at.Add(hours(after)), step: s}}
}

func drawParty(rng *rand.Rand) int {
	all := 0
	for _, n := range companions {
		all += n
	}
	k := rng.IntN(all)
	for with, n := range companions {
		if k < n {
			return 1 + with
		}
		k -= n
	}
	return 1
}

func before(start time.Time, h float64) time.Time { return start.Add(-hours(h)) }

func hours(h float64) time.Duration { return time.Duration(h * float64(time.Hour)) }
