package notifier

import (
	"strings"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/notifier/notice"
)

// concerned are the answers of those who may be on their way.
var concerned = []string{
	contract.StatusConfirmed, contract.StatusMaybe, contract.StatusWaitlisted, contract.StatusOffered, contract.StatusPending,
}

// onEvent plans for a message about the event. It returns what to keep.
func onEvent(c cause, before *notice.Event, m contract.EventMessage) (*notice.Event, Plan) {
	ev := *before
	ev.OrganizationID, ev.Body, ev.Known = m.Event.OrganizationID, m.Event, true
	ev.CheckedIn = m.Counters.CheckedIn
	var p Plan
	switch c.env.Type {
	case contract.EventCancelledV1:
		ev.Epoch++
		p.planCancelled(c, &ev)
	case contract.EventRescheduledV1:
		ev.Epoch++
		p.planMoved(c, before, &ev)
	case contract.EventEditedV1, contract.EventPublishedV1:
		p.planEdited(c, before, &ev)
	default:
		p.Skipped = SkipNoNews
	}
	p.planFull(c, &ev, m.Counters)
	return &ev, p
}

func (p *Plan) planCancelled(c cause, ev *notice.Event) {
	// Also what is planned but not sent about answers: who gets "confirmed"
	// after this would set out.
	p.Void = append(p.Void, Void{EventID: ev.ID, Reason: VoidCancelled})
	p.Fan = append(p.Fan, Fan{Like: cancelledNotice(c, ev), Statuses: concerned})
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
	if !before.Known || ev.Body.Status != contract.EventPublished {
		p.Skipped = SkipOverOrDraft
		return
	}
	if !sameReminders(before.Body.Reminders, ev.Body.Reminders) || before.Body.RemindMaybe != ev.Body.RemindMaybe {
		p.Void = append(p.Void, Void{EventID: ev.ID, Kinds: notice.TimedKinds, Reason: VoidReplanned})
		p.fanTimed(c, ev)
	}
	if before.Body.Status != contract.EventPublished || before.Body.Title == ev.Body.Title && place(&before.Body) == place(&ev.Body) {
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
