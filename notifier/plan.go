package notifier

import (
	"slices"
	"strconv"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/notifier/notice"
)

// Plan is what one message changes of what is owed. The voids come first: they
// concern what was planned before. Plan is pure data, and the rules that make
// it read no clock and no store.
type Plan struct {
	Void []Void
	Add  []notice.Notice
	Fan  []Fan
	// Restore is written before the voids, which may take back what it brings.
	Restore []Restore
	// Members plans one notice for each member of the organization who wants it.
	Members []notice.Notice
	// Skipped says why nothing was added although the message could have
	// caused a notice; for the log and the tests.
	Skipped string
}

// Void takes back notices that wait: of one guest, or of all guests of the
// event when RSVPID is empty. No kinds means all kinds.
type Void struct {
	EventID string
	RSVPID  string
	Kinds   []notice.Kind
	// Held takes back only what is not due yet.
	Held   bool
	Reason string
}

// Restore has all notices of an event due again that are void for a reason.
type Restore struct {
	EventID     string
	Reason      string
	UsefulUntil time.Time // of those that had no end
}

// Fan plans one notice for each guest of an event that has one of the states.
type Fan struct {
	Like     notice.Notice // all but ID and RSVPID
	Statuses []string
	// Reminders and Updates: only guests who want them.
	Reminders bool
	Updates   bool
}

// The reasons. They are stored, shown by the API and by turnout explain.
const (
	ReasonAnswered       = "answered"
	ReasonSeatFreed      = "seat-freed"
	ReasonOfferMade      = "offer-made"
	ReasonOfferLapsed    = "offer-lapsed"
	ReasonAnswerChanged  = "answer-changed"
	ReasonWithdrawn      = "withdrawn"
	ReasonByOrganizer    = "by-organizer"
	ReasonAddressUnknown = "address-not-confirmed"
	ReasonNeedsApproval  = "needs-approval"
	ReasonNotConfirmed   = "not-confirmed-in-time"
	ReasonLinkRequested  = "link-requested"
	ReasonBeforeStart    = "before-start"
	ReasonAfterEnd       = "after-end"
	ReasonMoved          = "event-moved"
	ReasonEdited         = "event-edited"
	ReasonEventCancelled = "event-cancelled"
	ReasonAnnounced      = "announced"
	ReasonCampaign       = "campaign"

	VoidErased        = "erased"
	VoidSuperseded    = "superseded"           // a later notice tells more
	VoidMerged        = "merged"               // later news came within the quiet time
	VoidMoved         = "event-moved"          // planned for the old time
	VoidCancelled     = "event-cancelled"      //
	VoidNotGoing      = "no-longer-going"      //
	VoidNoReminders   = "reminders-off"        //
	VoidReplanned     = "reminders-changed"    // the organizer chose other times
	VoidTooLate       = "too-late"             // of no use any more
	VoidNotThere      = "was-not-there"        // did not come through the door
	VoidUnsubscribed  = "unsubscribed"         //
	VoidSuppressed    = "suppressed"           // the address bounced or complained
	VoidNoAddress     = "no-address"           //
	VoidNotMatching   = "answer-changed"       // does not match the campaign or the announcement any more
	VoidNoConsent     = "consent-withdrawn"    //
	VoidWithdrawn     = "cancelled"            // the announcement was
	VoidUnknownEvent  = "event-unknown"        // no message about the event was ever seen
	SkipNothingNew    = "nothing-new"          // equals what was told last
	SkipOverOrDraft   = "event-not-published"  //
	SkipNoNews        = "no-news"              // a message that tells guests nothing
	SkipNothingToTell = "guests-know-it-still" // an edit of words that no plan depends on
)

// defaultReminders stand in for an event from before reminders were stored.
var defaultReminders = []contract.Duration{contract.Duration(24 * time.Hour), contract.Duration(time.Hour)}

// thanksAfter is how long after the end guests are thanked and asked.
const thanksAfter = 2 * time.Hour

// thanksUseful is how long a thank-you that could not be sent stays polite.
const thanksUseful = 7 * 24 * time.Hour

// remindAt is when the reminder of an offset is due. Two days and more are
// days on the wall clock of the event's zone (a week before Sunday 10:00 is a
// Sunday, 10:00, also when the clocks change between); less is elapsed time.
func remindAt(e *contract.Event, offset time.Duration) time.Time {
	const day = 24 * time.Hour
	if offset < 2*day || offset%day != 0 {
		return e.StartsAt.Add(-offset)
	}
	zone, err := time.LoadLocation(e.TimeZone)
	if err != nil {
		return e.StartsAt.Add(-offset)
	}
	return e.StartsAt.In(zone).AddDate(0, 0, -int(offset/day)).UTC()
}

// remindable and thankable say who gets the timed notices of a published event.
func remindable(ev *notice.Event, g *notice.Guest) bool {
	if !g.Reminders || g.Erased || ev.Body.Status != contract.EventPublished {
		return false
	}
	return g.Status == contract.StatusConfirmed || g.Status == contract.StatusMaybe && ev.Body.RemindMaybe
}

func thankable(ev *notice.Event, g *notice.Guest) bool {
	return g.Status == contract.StatusConfirmed && !g.Erased && ev.Body.Status == contract.EventPublished
}

// cause is the message being planned.
type cause struct {
	env   *contract.Envelope
	now   time.Time
	quiet time.Duration
	// digestHour is when members get their digests, on the event's clock.
	digestHour int
}

func (c cause) occurrence() string { return "v" + strconv.FormatInt(c.env.Version, 10) }

// notice starts a notice that this message causes, due now.
func (c cause) notice(ev *notice.Event, kind notice.Kind, reason string) notice.Notice {
	return notice.Notice{
		EventID: ev.ID, OrganizationID: ev.OrganizationID, Kind: kind, Channel: notice.ChannelMail,
		Occurrence: c.occurrence(), DueAt: c.now, Epoch: ev.Epoch, State: notice.Planned, Reason: reason,
		CauseType: c.env.Type, CauseVersion: c.env.Version, PlannedAt: c.now,
	}
}

// timed are the reminders and the thank-you of an event that are still ahead.
func (c cause) timed(ev *notice.Event) (reminders []notice.Notice, thanks *notice.Notice) {
	offsets := ev.Body.Reminders
	if offsets == nil {
		offsets = defaultReminders
	}
	for _, offset := range offsets {
		due := remindAt(&ev.Body, time.Duration(offset))
		if !due.After(c.now) {
			continue // a late answer gets only those still ahead
		}
		n := c.notice(ev, notice.Reminder, ReasonBeforeStart)
		n.Occurrence += "/" + offset.String()
		n.DueAt, n.UsefulUntil = due, ev.Body.StartsAt
		n.Detail.Offset = offset.String()
		reminders = append(reminders, n)
	}
	due := ev.Body.EndsAt.Add(thanksAfter)
	if due.After(c.now) {
		n := c.notice(ev, notice.ThankYou, ReasonAfterEnd)
		n.DueAt, n.UsefulUntil = due, due.Add(thanksUseful)
		thanks = &n
	}
	return reminders, thanks
}

// to addresses a notice to one guest.
func to(g *notice.Guest, n notice.Notice) notice.Notice {
	n.RSVPID = g.RSVPID
	n.ID = notice.ID(g.RSVPID, n.Kind, n.Channel, n.Occurrence)
	return n
}

// StillUseful is asked once more before a notice is written: between planning
// and sending the world may have moved on. The reason is set when it is not.
func StillUseful(d *notice.Delivery, now time.Time) (reason string, ok bool) {
	n, ev, g := &d.Notice, d.Event, d.Guest
	if n.AccountID != "" {
		return memberUseful(d, now)
	}
	switch {
	case g == nil || g.Erased:
		return VoidErased, false
	case ev == nil || !ev.Known:
		return VoidUnknownEvent, false
	case d.Suppressed != "" && n.Channel == notice.ChannelMail:
		return VoidSuppressed, false
	case d.Unsubscribed && n.Kind.Optional():
		return VoidUnsubscribed, false
	case !n.UsefulUntil.IsZero() && now.After(n.UsefulUntil), n.Detail.Deadline != nil && now.After(*n.Detail.Deadline):
		return VoidTooLate, false
	case d.Superseded:
		return VoidSuperseded, false
	case ev.Body.Status == contract.EventCancelled && n.Kind != notice.EventCancelled && n.Kind != notice.ManageLink &&
		n.Kind != notice.Announcement:
		return VoidCancelled, false
	}
	if n.Channel == notice.ChannelPush {
		if reason, ok := pushUseful(d); !ok {
			return reason, false
		}
	}
	switch n.Kind {
	case notice.Campaign:
		switch {
		case !slices.Contains(n.Detail.Statuses, g.Status):
			return VoidNotMatching, false
		case n.Detail.Marketing && !g.Marketing, !n.Detail.Marketing && !g.Updates:
			return VoidNoConsent, false
		}
		return "", true
	case notice.Announcement: // what is beyond the hourly limit may have waited for hours
		switch {
		case n.Detail.Withdrawn:
			return VoidWithdrawn, false
		case len(n.Detail.Statuses) > 0 && !slices.Contains(n.Detail.Statuses, g.Status):
			return VoidNotMatching, false
		}
		return VoidNoConsent, g.Updates
	case notice.EventChanged:
		return VoidNoConsent, g.Updates
	case notice.Reminder:
		if now.After(ev.Body.StartsAt) {
			return VoidTooLate, false
		}
		return timedUseful(n, ev, remindable(ev, g))
	case notice.ThankYou:
		if ev.CheckedIn > 0 && g.CheckedIn == 0 {
			return VoidNotThere, false // the door was used, and not by them
		}
		return timedUseful(n, ev, thankable(ev, g))
	default:
		return "", true
	}
}

func timedUseful(n *notice.Notice, ev *notice.Event, wanted bool) (string, bool) {
	if n.Epoch != ev.Epoch {
		return VoidMoved, false
	}
	if !wanted {
		return VoidNotGoing, false
	}
	return "", true
}
