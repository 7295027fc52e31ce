package httpapi

import (
	"testing"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/document"
	"github.com/turnout-events/turnout/query/reader"
)

func TestWhyAPartyWaits(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name           string
		party          int
		ahead, past    int64
		capacity       int // 0: unlimited; -1: the event is not there yet
		going, held    int
		startsAt       time.Time
		status, expect string
	}{
		{name: "first", party: 1, capacity: 10, going: 10, expect: "You are first in the queue; no seat is free."},
		{name: "one ahead", party: 1, ahead: 1, capacity: 10, going: 10, expect: "1 party is ahead of you; no seat is free."},
		{name: "several ahead", party: 1, ahead: 3, capacity: 10, going: 10, expect: "3 parties are ahead of you; no seat is free."},
		{name: "the party is larger than what is free", party: 3, capacity: 10, going: 9, expect: "You are first in the queue; 1 seat is free, but your party has 3."},
		{name: "and than several", party: 3, ahead: 1, capacity: 10, going: 8, expect: "1 party is ahead of you; 2 seats are free, but your party has 3."},
		{name: "about to be moved up", party: 2, capacity: 10, going: 8, expect: "You are first in the queue; 2 seats are free."},
		{name: "one seat is held", party: 1, capacity: 10, going: 9, held: 1, expect: "You are first in the queue; no seat is free; 1 seat is offered to others."},
		{name: "seats are held", party: 2, capacity: 10, going: 7, held: 2, expect: "You are first in the queue; 1 seat is free, but your party has 2; 2 seats are offered to others."},
		{name: "more have seats than there are", party: 1, capacity: 5, going: 8, expect: "You are first in the queue; no seat is free."},
		{name: "begun", party: 1, capacity: 10, going: 2, startsAt: now, expect: "The event has begun; nobody is moved up any more."},
		{name: "cancelled", party: 1, capacity: 10, status: contract.EventCancelled, expect: "The event was cancelled."},
		{name: "the limit was lifted just now", party: 1, going: 10, expect: "You are first in the queue; seats are not limited any more."},
		{name: "larger than the event", party: 5, ahead: 2, capacity: 4, going: 1,
			expect: "Your party of 5 is larger than the event, which has 4 seats in all: it is moved up only if there are more, or if your party gets smaller."},
		{name: "larger than one seat", party: 2, capacity: 1,
			expect: "Your party of 2 is larger than the event, which has 1 seat in all: it is moved up only if there are more, or if your party gets smaller."},
		{name: "as large as the event", party: 4, capacity: 4, going: 4, expect: "You are first in the queue; no seat is free."},
		{name: "passed over", party: 3, past: 1, capacity: 10, going: 10,
			expect: "You are first in the queue; no seat is free; 1 smaller party behind you was moved up, when fewer seats were free than your party needs."},
		{name: "passed over twice", party: 3, ahead: 1, past: 2, capacity: 10, going: 9,
			expect: "1 party is ahead of you; 1 seat is free, but your party has 3; 2 smaller parties behind you were moved up, when fewer seats were free than your party needs."},
		{name: "the event is not there yet", party: 2, ahead: 1, capacity: -1, expect: "1 party is ahead of you."},
	} {
		g := document.Guest{Status: contract.StatusWaitlisted, PartySize: c.party}
		e := reader.Event{Event: contract.Event{Status: contract.EventPublished, StartsAt: now.Add(time.Second)}}
		if c.status != "" {
			e.Status = c.status
		}
		if !c.startsAt.IsZero() {
			e.StartsAt = c.startsAt
		}
		if e.Seats.Going, e.Seats.Held = c.going, c.held; c.capacity > 0 {
			e.Seats.Capacity = &c.capacity
		}
		if c.capacity < 0 {
			e = reader.Event{}
		}
		q := &queueView{PartiesAhead: c.ahead, SeatsFree: e.Seats.Remaining(), OffersOpen: e.Seats.Held, PassedOverBy: c.past}
		if got := why(g, e, c.capacity >= 0, q, now); got != c.expect {
			t.Errorf("%s: %q, want %q", c.name, got, c.expect)
		}
	}
}

func TestWhatAStateMeans(t *testing.T) {
	t.Parallel()
	over := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	const unconfirmed, unapproved = "Confirm your address with the link in the mail.", "The organizer has not approved it yet."
	for _, c := range []struct {
		name                     string
		guest                    document.Guest
		confirmAddress, approval bool
		expect                   string
	}{
		{name: "a seat", guest: document.Guest{Status: contract.StatusConfirmed, PartySize: 1}, expect: "You have 1 seat."},
		{name: "seats", guest: document.Guest{Status: contract.StatusConfirmed, PartySize: 2}, expect: "You have 2 seats."},
		{name: "an offer of one", guest: document.Guest{Status: contract.StatusOffered, PartySize: 1, OfferExpiresAt: &over},
			expect: "1 seat is held for you until the offer ends: accept or decline."},
		{name: "an offer", guest: document.Guest{Status: contract.StatusOffered, PartySize: 2, OfferExpiresAt: &over},
			expect: "2 seats are held for you until the offer ends: accept or decline."},
		{name: "an offer lapsed", guest: document.Guest{Status: contract.StatusCancelled, OfferExpiresAt: &over}, expect: "The offer ran out before it was accepted."},
		{name: "withdrawn", guest: document.Guest{Status: contract.StatusCancelled}, expect: "It was cancelled."},

		{name: "address due", guest: document.Guest{Status: contract.StatusPending}, confirmAddress: true, expect: unconfirmed},
		{name: "both due", guest: document.Guest{Status: contract.StatusPending}, confirmAddress: true, approval: true, expect: unconfirmed},
		{name: "approved, address due", guest: document.Guest{Status: contract.StatusPending, Approved: true}, approval: true, expect: unconfirmed},
		{name: "address confirmed, approval due", guest: document.Guest{Status: contract.StatusPending, AddressConfirmed: true}, confirmAddress: true, approval: true, expect: unapproved},
		{name: "approval alone due", guest: document.Guest{Status: contract.StatusPending}, approval: true, expect: unapproved},

		{name: "address not confirmed in time", guest: document.Guest{Status: contract.StatusCancelled, PendingExpiresAt: &over}, confirmAddress: true, approval: true,
			expect: "The address was not confirmed in time."},
		{name: "confirmed, not approved in time", guest: document.Guest{Status: contract.StatusCancelled, PendingExpiresAt: &over, AddressConfirmed: true},
			confirmAddress: true, approval: true, expect: "The organizer did not approve it in time."},
		{name: "not approved in time", guest: document.Guest{Status: contract.StatusCancelled, PendingExpiresAt: &over}, approval: true,
			expect: "The organizer did not approve it in time."},
	} {
		e := reader.Event{Event: contract.Event{Status: contract.EventPublished, ConfirmAddress: c.confirmAddress, Approval: c.approval}}
		if got := why(c.guest, e, true, nil, over); got != c.expect {
			t.Errorf("%s: %q, want %q", c.name, got, c.expect)
		}
	}
}
