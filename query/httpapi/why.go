package httpapi

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/document"
	"github.com/turnout-events/turnout/query/reader"
)

// why says in words what a state means for its guest. known is false while the
// event is not there yet; q is for who waits.
func why(g document.Guest, e reader.Event, known bool, q *queueView, now time.Time) string {
	if known && e.Status == contract.EventCancelled {
		return "The event was cancelled."
	}
	// Who is asked to confirm the address is asked for that first; the organizer's turn comes after it.
	addressDue := !g.AddressConfirmed && (e.ConfirmAddress || g.Approved || !e.Approval)
	switch g.Status {
	case contract.StatusConfirmed:
		return "You have " + count(g.PartySize, "seat", "seats") + "."
	case contract.StatusWaitlisted:
		return whyWaiting(g, e, known, q, now)
	case contract.StatusOffered:
		return count(g.PartySize, "seat is", "seats are") + " held for you until the offer ends: accept or decline."
	case contract.StatusMaybe:
		return "You said maybe: no seat is held."
	case contract.StatusDeclined:
		return "You said that you are not coming."
	case contract.StatusPending:
		if addressDue {
			return "Confirm your address with the link in the mail."
		}
		return "The organizer has not approved it yet."
	}
	switch { // a time that is kept is one that ran out
	case g.OfferExpiresAt != nil:
		return "The offer ran out before it was accepted."
	case g.PendingExpiresAt != nil && addressDue:
		return "The address was not confirmed in time."
	case g.PendingExpiresAt != nil:
		return "The organizer did not approve it in time."
	}
	return "It was cancelled."
}

// whyWaiting tells a party where it stands, and what keeps it from a seat.
func whyWaiting(g document.Guest, e reader.Event, known bool, q *queueView, now time.Time) string {
	seats := e.Seats
	switch {
	case known && !e.StartsAt.After(now):
		return "The event has begun; nobody is moved up any more."
	case seats.Capacity != nil && g.PartySize > *seats.Capacity:
		return fmt.Sprintf("Your party of %d is larger than the event, which has %s in all: it is moved up only if there are more, or if your party gets smaller.",
			g.PartySize, count(*seats.Capacity, "seat", "seats"))
	}
	said := []string{"You are first in the queue"}
	if q.PartiesAhead > 0 {
		said[0] = count(q.PartiesAhead, "party is", "parties are") + " ahead of you"
	}
	switch {
	case !known:
	case q.SeatsFree == nil: // on the way: what lifted the limit moves everybody up
		said = append(said, "seats are not limited any more")
	default:
		text := "no seat is free"
		if free := *q.SeatsFree; free > 0 {
			text = count(free, "seat is", "seats are") + " free"
			if free < g.PartySize {
				text += ", but your party has " + strconv.Itoa(g.PartySize)
			}
		}
		said = append(said, text)
	}
	if q.OffersOpen > 0 {
		said = append(said, count(q.OffersOpen, "seat is", "seats are")+" offered to others")
	}
	if q.PassedOverBy > 0 {
		said = append(said, count(q.PassedOverBy, "smaller party behind you was", "smaller parties behind you were")+
			" moved up, when fewer seats were free than your party needs")
	}
	return strings.Join(said, "; ") + "."
}

func count[N int | int64](n N, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.FormatInt(int64(n), 10) + " " + more
}
