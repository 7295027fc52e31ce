package mail

import (
	"strings"
	"time"

	ics "github.com/arran4/golang-ical"
	gomail "github.com/wneessen/go-mail"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/notifier/notice"
	"github.com/turnout-events/turnout/notifier/template"
)

// eventUID is the iCalendar UID of an event, the same as in the calendar files
// that query serves: a mail updates what a subscription showed.
func eventUID(eventID string) string { return eventID + "@turnout" }

// calendar adds the event as an iTIP message (RFC 5546): an alternative part,
// by which mail programs show it as an invitation, and a file for the others.
func (w *Writer) calendar(m *gomail.Msg, d *notice.Delivery, p contract.Personal, manage string, now time.Time) error {
	method, partstat := itip(d)
	if method == "" {
		return nil
	}
	text := w.invitation(d, p, manage, method, partstat, now)
	m.AddAlternativeString(gomail.ContentType("text/calendar; method="+string(method)), text, unbuffered)
	return m.AttachReader("invite.ics", strings.NewReader(text),
		gomail.WithFileContentType(gomail.ContentType(`application/ics; name="invite.ics"`)))
}

// itip says what the mail does to the guest's calendar.
func itip(d *notice.Delivery) (ics.Method, ics.ParticipationStatus) {
	switch d.Notice.Kind {
	case notice.EventCancelled:
		return ics.MethodCancel, ics.ParticipationStatusDeclined
	case notice.Cancelled, notice.Declined, notice.OfferExpired, notice.Rejected:
		return ics.MethodCancel, ics.ParticipationStatusDeclined
	case notice.Confirmation, notice.Promoted, notice.Changed, notice.EventMoved, notice.EventChanged:
	case notice.Maybe:
	default:
		return "", ""
	}
	switch d.Guest.Status {
	case contract.StatusConfirmed:
		return ics.MethodRequest, ics.ParticipationStatusAccepted
	case contract.StatusMaybe:
		return ics.MethodRequest, ics.ParticipationStatusTentative
	default:
		return "", "" // nobody puts into the calendar what they may not get into
	}
}

func (w *Writer) invitation(d *notice.Delivery, p contract.Personal, manage string, method ics.Method, partstat ics.ParticipationStatus, now time.Time) string {
	e := &d.Event.Body
	cal := ics.NewCalendarFor("Turnout")
	cal.SetMethod(method)
	v := cal.AddEvent(eventUID(e.ID))
	v.SetDtStampTime(now)
	v.SetSequence(int(e.Sequence))
	// In UTC: the mail's invitation is one meeting, whose zone rules need not
	// travel with it. The subscribed calendars carry VTIMEZONE.
	v.SetStartAt(e.StartsAt)
	v.SetEndAt(e.EndsAt)
	v.SetSummary(oneLine(e.Title))
	if e.Description != "" {
		v.SetDescription(e.Description)
	}
	if place := template.Place(e); place != "" {
		v.SetLocation(place)
	} else if e.OnlineURL != "" && d.Guest.Status == contract.StatusConfirmed {
		v.SetLocation(e.OnlineURL)
	}
	if e.Venue != nil && e.Venue.Lat != nil && e.Venue.Lon != nil {
		v.SetGeo(*e.Venue.Lat, *e.Venue.Lon)
	}
	v.SetURL(manage)
	status := ics.ObjectStatusConfirmed
	if method == ics.MethodCancel {
		status = ics.ObjectStatusCancelled
	}
	v.SetStatus(status)
	organizer := "Turnout"
	if d.Organization != nil && d.Organization.Body.Name != "" {
		organizer = oneLine(d.Organization.Body.Name)
	}
	// In the property's name, for the library writes a backslash before , : ; and ' in a parameter, which has no such
	// escapes (RFC 5545, 3.2): calendars showed the backslash, or refused the invitation.
	v.SetProperty(ics.ComponentProperty("ORGANIZER;CN="+quoted(organizer)), "mailto:"+w.from.Address)
	v.AddAttendee("mailto:"+onWireAddress(p.Email), partstat, ics.WithRSVP(false), ics.CalendarUserTypeIndividual, ics.ParticipationRoleReqParticipant)
	return cal.Serialize(ics.WithNewLineWindows)
}

// quoted is a parameter's value, in which there can be no quotation marks and
// no control characters.
func quoted(s string) string {
	return `"` + strings.Map(func(r rune) rune {
		switch {
		case r == '"':
			return '\''
		case r < ' ' || r == 0x7f:
			return -1
		default:
			return r
		}
	}, s) + `"`
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
