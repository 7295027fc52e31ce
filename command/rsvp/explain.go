package rsvp

import "github.com/turnout-events/turnout/internal/contract"

// Waiting is a party on the waitlist, as far as its place goes.
type Waiting struct {
	RSVPID        string
	QueuedVersion int64
	PartySize     int
}

// Why a party still waits.
const (
	WhyFull       = "full"        // every seat is taken
	WhyHeld       = "held"        // seats are held by open offers
	WhyTooLarge   = "too_large"   // seats are free, but fewer than the party needs
	WhyAhead      = "ahead"       // parties ahead come first
	WhyNotRunning = "not_running" // nobody is promoted any more: started, cancelled
	WhyNotWaiting = "not_waiting"
)

// Explanation is a party's place on the waitlist, and why it is not in yet.
type Explanation struct {
	Position     int    `json:"position"`      // from 1; 0: not waiting
	PartiesAhead int    `json:"parties_ahead"` // joined before
	PeopleAhead  int    `json:"people_ahead"`
	PartySize    int    `json:"party_size"`
	SeatsFree    int    `json:"seats_free"`  // never below 0
	OffersOpen   int    `json:"offers_open"` // people with an offer
	Reason       string `json:"reason"`
}

// Position is a party's place in the queue, from 1; 0 when it is not in it.
// The queue may come in any order.
func Position(queue []Waiting, rsvpID string) int {
	return Explain(queue, rsvpID, contract.Counters{}, true).Position
}

// Explain tells a waiting party where it is and why. running says that the
// event still promotes: it is published and has not started.
func Explain(queue []Waiting, rsvpID string, c contract.Counters, running bool) Explanation {
	var me *Waiting
	for i := range queue {
		if queue[i].RSVPID == rsvpID {
			me = &queue[i]
		}
	}
	x := Explanation{OffersOpen: c.Held, Reason: WhyNotWaiting}
	if free := c.Remaining(); free != nil {
		x.SeatsFree = max(*free, 0)
	}
	if me == nil {
		return x
	}
	x.PartySize = me.PartySize
	fitsAhead := false
	for _, q := range queue {
		if q.QueuedVersion < me.QueuedVersion {
			x.PartiesAhead++
			x.PeopleAhead += q.PartySize
			fitsAhead = fitsAhead || q.PartySize <= x.SeatsFree
		}
	}
	x.Position = x.PartiesAhead + 1
	switch {
	case !running:
		x.Reason = WhyNotRunning
	case x.SeatsFree >= me.PartySize || fitsAhead:
		x.Reason = WhyAhead // between a change and the promotion that follows it
	case x.SeatsFree > 0:
		x.Reason = WhyTooLarge
	case c.Held > 0:
		x.Reason = WhyHeld
	default:
		x.Reason = WhyFull
	}
	return x
}
