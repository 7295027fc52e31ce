package notifier

import (
	"slices"
	"strings"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/notifier/notice"
)

// concerned are the answers of those who may be on their way.
var concerned = []string{
	contract.StatusConfirmed, contract.StatusMaybe, contract.StatusWaitlisted, contract.StatusOffered, contract.StatusPending,
}

// newer tells whether a message has later details of the event than are kept.
// An edit that changes the capacity too leaves two messages of one revision,
// of which that about the capacity is the later.
func newer(ev *notice.Event, env *contract.Envelope, m contract.EventMessage) bool {
	return !ev.Known || m.Event.Revision > ev.Body.Revision ||
		m.Event.Revision == ev.Body.Revision && env.Type == contract.CapacityChangedV1
}

// onEvent plans for a message about the event. It returns what to keep.
func onEvent(c cause, before *notice.Event, m contract.EventMessage) (*notice.Event, Plan) {
	ev := *before
	ev.OrganizationID, ev.Body, ev.Known = m.Event.OrganizationID, m.Event, true
	var p Plan
	switch {
	case c.env.Type == contract.EventCancelledV1:
		ev.Epoch++
		p.planCancelled(c, &ev)
	case hasMoved(c, before, &ev):
		ev.Epoch++
		p.planMoved(c, before, &ev)
	default:
		p.planEdited(c, before, &ev)
	}
	if !before.Known && before.Version > 0 {
		p.Restore = append(p.Restore, Restore{EventID: ev.ID, Reason: VoidUnknownEvent, UsefulUntil: ev.Body.EndsAt})
	}
	return &ev, p
}

// hasMoved: any message about the event says so by its sequence, should the one
// that was to say it be lost.
func hasMoved(c cause, before, ev *notice.Event) bool {
	return c.env.Type == contract.EventRescheduledV1 ||
		before.Known && before.Body.Status == contract.EventPublished && ev.Body.Sequence > before.Body.Sequence
}

func (p *Plan) planCancelled(c cause, ev *notice.Event) {
	// Also what is planned but not sent about answers: who gets "confirmed"
	// after this would set out. Not the link that somebody waits for, and could
	// not ask for again within the hour.
	p.Void = append(p.Void, Void{EventID: ev.ID, Kinds: allBut(notice.ManageLink), Reason: VoidCancelled})
	p.Fan = append(p.Fan, Fan{Like: cancelledNotice(c, ev), Statuses: concerned})
}

func allBut(kind notice.Kind) []notice.Kind {
	return slices.DeleteFunc(slices.Clone(notice.Kinds), func(k notice.Kind) bool { return k == kind })
}

func (p *Plan) planMoved(c cause, before, ev *notice.Event) {
	p.Void = append(p.Void,
		Void{EventID: ev.ID, Kinds: notice.TimedKinds, Reason: VoidMoved},
		Void{EventID: ev.ID, Kinds: []notice.Kind{notice.EventMoved}, Reason: VoidSuperseded})
	p.fanTimed(c, ev)
	if ev.Body.Status != contract.EventPublished || !before.Known {
		p.Skipped = SkipOverOrDraft
		return
	}
	n := c.notice(ev, notice.EventMoved, ReasonMoved)
	n.UsefulUntil = maxTime(ev.Body.EndsAt, before.Body.EndsAt)
	n.Detail = notice.Detail{Reason: c.env.Reason}
	if !before.Body.StartsAt.Equal(ev.Body.StartsAt) {
		was := before.Body.StartsAt
		n.Detail.WasStart = &was
	}
	if was := place(&before.Body); was != place(&ev.Body) {
		n.Detail.WasPlace = was
	}
	// An organizer who corrects the correction sends one more mail, not three.
	if quiet := before.MovedAt.Add(c.quiet); c.now.Before(quiet) {
		n.DueAt = quiet
	} else {
		ev.MovedAt = c.now
	}
	p.Fan = append(p.Fan, Fan{Like: n, Statuses: concerned})
}

func (p *Plan) planEdited(c cause, before, ev *notice.Event) {
	if ev.Body.Status != contract.EventPublished {
		p.Skipped = SkipOverOrDraft
		return
	}
	was := before.Known && before.Body.Status == contract.EventPublished
	// Who answered before the event was known to be published has no reminders.
	// Nobody can have, as long as only the draft came before.
	if was && (!sameReminders(before.Body.Reminders, ev.Body.Reminders) || before.Body.RemindMaybe != ev.Body.RemindMaybe) ||
		!was && before.Version > 1 {
		p.Void = append(p.Void, Void{EventID: ev.ID, Kinds: notice.TimedKinds, Reason: VoidReplanned})
		p.fanTimed(c, ev)
	}
	if !was || before.Body.Title == ev.Body.Title && place(&before.Body) == place(&ev.Body) {
		p.Skipped = SkipNothingToTell
		return
	}
	n := c.notice(ev, notice.EventChanged, ReasonEdited)
	n.UsefulUntil = ev.Body.EndsAt
	n.DueAt = c.now.Add(c.quiet) // an edit is often followed by the next
	n.Detail = notice.Detail{WasTitle: before.Body.Title, WasPlace: place(&before.Body)}
	p.Void = append(p.Void, Void{EventID: ev.ID, Kinds: []notice.Kind{notice.EventChanged}, Reason: VoidSuperseded})
	p.Fan = append(p.Fan, Fan{Like: n, Statuses: concerned, Updates: true})
}

// fanTimed plans reminders and thank-yous of all guests anew.
func (p *Plan) fanTimed(c cause, ev *notice.Event) {
	if ev.Body.Status != contract.EventPublished {
		return
	}
	statuses := []string{contract.StatusConfirmed}
	if ev.Body.RemindMaybe {
		statuses = append(statuses, contract.StatusMaybe)
	}
	reminders, thanks := c.timed(ev)
	for _, n := range reminders {
		p.Fan = append(p.Fan, Fan{Like: n, Statuses: statuses, Reminders: true})
	}
	if thanks != nil {
		p.Fan = append(p.Fan, Fan{Like: *thanks, Statuses: []string{contract.StatusConfirmed}})
	}
}

func sameReminders(a, b []contract.Duration) bool {
	if len(a) != len(b) || (a == nil) != (b == nil) {
		return false
	}
	for i := range a {
		if time.Duration(a[i]) != time.Duration(b[i]) {
			return false
		}
	}
	return true
}

// place is where an event takes place, in one line.
func place(e *contract.Event) string {
	var parts []string
	if v := e.Venue; v != nil {
		for _, s := range []string{v.Name, v.Address, v.City} {
			if s != "" {
				parts = append(parts, s)
			}
		}
	}
	if e.OnlineURL != "" {
		parts = append(parts, e.OnlineURL)
	}
	return strings.Join(parts, ", ")
}
