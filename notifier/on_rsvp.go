package notifier

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/notifier/notice"
)

// onRSVP plans for a message about an RSVP. before is what is kept of the
// guest, nil for a new one. It returns what to keep from now on.
func onRSVP(c cause, ev *notice.Event, before *notice.Guest, m contract.RSVPMessage) (*notice.Guest, Plan) {
	g := guestOf(c, before, m)
	var p Plan
	if g.Erased {
		p.Void = append(p.Void, Void{EventID: ev.ID, RSVPID: g.RSVPID, Reason: VoidErased})
		return g, p
	}
	p.planTimed(c, ev, before, g)
	p.planDigest(c, ev, before, g)
	if before != nil && !gone(before) && gone(g) {
		p.Void = append(p.Void, Void{EventID: ev.ID, RSVPID: g.RSVPID, Kinds: []notice.Kind{notice.Campaign}, Reason: VoidNotGoing})
	}
	if ev.Known && ev.Body.Status == contract.EventCancelled {
		p.planAfterCancellation(c, ev, g)
		return g, p
	}
	if c.env.Type == contract.LinkRequestedV1 {
		p.Add = append(p.Add, to(g, c.notice(ev, notice.ManageLink, ReasonLinkRequested)))
		return g, p
	}
	kind, reason := news(c, before, g, m)
	if kind == "" {
		p.Skipped = reason
		return g, p
	}
	p.tell(c, ev, g, m, kind, reason)
	return g, p
}

// guestOf keeps of a message what later notices need.
func guestOf(c cause, before *notice.Guest, m contract.RSVPMessage) *notice.Guest {
	r := &m.RSVP
	g := &notice.Guest{
		RSVPID: r.ID, EventID: c.env.Subject, OrganizationID: r.OrganizationID, Version: c.env.Version,
		Status: r.Status, PartySize: r.PartySize, QueuedVersion: r.QueuedVersion, CheckedIn: r.CheckedIn,
		Epoch: r.Epoch, Locale: r.Locale, TimeZone: r.TimeZone, Updates: r.Consents.Updates, Marketing: r.Consents.Marketing,
		Reminders: r.Reminders, Erased: r.Erased || c.env.Type == contract.RSVPErasedV1, Sealed: r.Sealed,
	}
	if before != nil {
		g.QuietUntil, g.Told = before.QuietUntil, before.Told
	}
	return g
}

// news says which notice a message is, and why; no kind means that it tells
// the guest nothing.
func news(c cause, before, g *notice.Guest, m contract.RSVPMessage) (notice.Kind, string) {
	byGuest := strings.HasPrefix(c.env.Actor, "guest:")
	switch c.env.Type {
	case contract.RSVPRequestedV1:
		return pendingKind(m)
	case contract.RSVPConfirmedV1:
		return notice.Confirmation, ReasonAnswered
	case contract.RSVPWaitlistedV1:
		return notice.Waitlisted, ReasonAnswered
	case contract.RSVPPromotedV1:
		return notice.Promoted, ReasonSeatFreed
	case contract.RSVPOfferedV1:
		return notice.Offer, ReasonOfferMade
	case contract.RSVPOfferLapsedV1:
		if byGuest {
			return notice.Cancelled, ReasonWithdrawn
		}
		return notice.OfferExpired, ReasonOfferLapsed
	case contract.RSVPMaybeV1:
		return notice.Maybe, ReasonAnswered
	case contract.RSVPDeclinedV1:
		return notice.Declined, ReasonAnswered
	case contract.RSVPCancelledV1:
		if byGuest {
			return notice.Cancelled, ReasonWithdrawn
		}
		return notice.Cancelled, ReasonByOrganizer
	case contract.RSVPRejectedV1:
		return notice.Rejected, ReasonByOrganizer
	case contract.RSVPExpiredV1:
		return notice.PendingExpired, ReasonNotConfirmed
	case contract.RSVPChangedV1:
		if before != nil && digest(before) == digest(g) {
			return "", SkipNoNews // consents, reminders
		}
		return notice.Changed, ReasonAnswerChanged
	default: // at the door, feedback
		return "", SkipNoNews
	}
}

// pendingKind: the address comes first, the organizer decides about whom mail reaches.
func pendingKind(m contract.RSVPMessage) (notice.Kind, string) {
	if m.RSVP.AddressConfirmed || m.RSVP.PendingExpiresAt == nil {
		return notice.PendingApproval, ReasonNeedsApproval
	}
	return notice.PendingAddress, ReasonAddressUnknown
}

// tell plans news about the answer. The first goes at once and opens a quiet
// time; what follows within it waits for its end, replaces what already waits,
// and is dropped if it comes back to what was told.
func (p *Plan) tell(c cause, ev *notice.Event, g *notice.Guest, m contract.RSVPMessage, kind notice.Kind, reason string) {
	state := digest(g)
	n := c.notice(ev, kind, reason)
	n.Detail = notice.Detail{Status: g.Status, PartySize: g.PartySize, Reason: c.env.Reason, By: by(c.env.Actor)}
	n.UsefulUntil = ev.Body.EndsAt
	switch kind {
	case notice.Offer:
		n.Detail.Deadline = m.RSVP.OfferExpiresAt
	case notice.PendingAddress, notice.PendingApproval:
		n.Detail.Deadline = m.RSVP.PendingExpiresAt
	}
	if n.Detail.Deadline != nil {
		n.UsefulUntil = *n.Detail.Deadline
	}
	if !c.now.Before(g.QuietUntil) || atOnce(kind, m) {
		p.Void = append(p.Void, Void{EventID: ev.ID, RSVPID: g.RSVPID, Kinds: notice.AnswerKinds, Held: true, Reason: VoidSuperseded})
		g.QuietUntil, g.Told = c.now.Add(c.quiet), state
		p.Add = append(p.Add, to(g, n))
		return
	}
	p.Void = append(p.Void, Void{EventID: ev.ID, RSVPID: g.RSVPID, Kinds: notice.AnswerKinds, Held: true, Reason: VoidMerged})
	if state == g.Told {
		p.Skipped = SkipNothingNew
		return
	}
	n.DueAt = g.QuietUntil
	p.Add = append(p.Add, to(g, n))
}

// atOnce are the news that the guest waits for and did not make: the quiet
// time is there for somebody who clicks about, not to hold back a seat.
func atOnce(kind notice.Kind, m contract.RSVPMessage) bool {
	return kind == notice.Promoted || kind == notice.Offer || m.Before.Status == contract.StatusPending
}

// digest is the state of an answer as a guest sees it.
func digest(g *notice.Guest) string {
	sum := sha256.Sum256(g.Sealed)
	return fmt.Sprintf("%s/%d/%s", g.Status, g.PartySize, hex.EncodeToString(sum[:6]))
}

func by(actor string) string {
	who, _, _ := strings.Cut(actor, ":")
	return who
}

// planTimed keeps the reminders and the thank-you in step with the answer.
func (p *Plan) planTimed(c cause, ev *notice.Event, before, g *notice.Guest) {
	if !ev.Known {
		return
	}
	hadReminders, hadThanks := false, false
	if before != nil {
		hadReminders, hadThanks = remindable(ev, before), thankable(ev, before)
	}
	wantReminders, wantThanks := remindable(ev, g), thankable(ev, g)
	reminders, thanks := c.timed(ev)
	p.keepInStep(g, ev, hadReminders, wantReminders, notice.Reminder, reminders, lostReason(g))
	var one []notice.Notice
	if thanks != nil {
		one = append(one, *thanks)
	}
	p.keepInStep(g, ev, hadThanks, wantThanks, notice.ThankYou, one, VoidNotGoing)
}

func lostReason(g *notice.Guest) string {
	if !g.Reminders {
		return VoidNoReminders
	}
	return VoidNotGoing
}

func (p *Plan) keepInStep(g *notice.Guest, ev *notice.Event, had, want bool, kind notice.Kind, due []notice.Notice, lost string) {
	switch {
	case had && !want:
		p.Void = append(p.Void, Void{EventID: ev.ID, RSVPID: g.RSVPID, Kinds: []notice.Kind{kind}, Reason: lost})
	case want && !had:
		for _, n := range due {
			p.Add = append(p.Add, to(g, n))
		}
	}
}

// gone: whoever takes the answer back after a campaign began gets none of it.
func gone(g *notice.Guest) bool {
	return g.Status == contract.StatusCancelled || g.Status == contract.StatusDeclined
}

// planAfterCancellation: whoever answered before the cancellation was seen is
// told that, and not what was true before it.
func (p *Plan) planAfterCancellation(c cause, ev *notice.Event, g *notice.Guest) {
	switch c.env.Type {
	case contract.RSVPConfirmedV1, contract.RSVPPromotedV1, contract.RSVPOfferedV1, contract.RSVPWaitlistedV1, contract.RSVPMaybeV1,
		contract.RSVPRequestedV1:
		p.Void = append(p.Void, Void{EventID: ev.ID, RSVPID: g.RSVPID, Kinds: notice.AnswerKinds, Reason: VoidCancelled})
		p.Add = append(p.Add, to(g, cancelledNotice(c, ev)))
	case contract.LinkRequestedV1:
		p.Add = append(p.Add, to(g, c.notice(ev, notice.ManageLink, ReasonLinkRequested)))
	default:
		p.Skipped = SkipNoNews
	}
}

// cancelledNotice has an occurrence of the epoch, not of the message: however
// many messages say so, a guest gets it once.
func cancelledNotice(c cause, ev *notice.Event) notice.Notice {
	n := c.notice(ev, notice.EventCancelled, ReasonEventCancelled)
	n.Occurrence = fmt.Sprintf("e%d", ev.Epoch)
	n.Detail.Reason = ev.Body.CancelReason
	n.UsefulUntil = maxTime(ev.Body.EndsAt, c.now.Add(24*time.Hour))
	return n
}

func maxTime(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
