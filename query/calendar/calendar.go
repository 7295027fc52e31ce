// Package calendar writes iCalendar files (RFC 5545) of events. A file names
// the event by a UID that never changes and its state by SEQUENCE, so that a
// program that has it replaces it.
package calendar

import (
	"strconv"
	"strings"
	"time"

	ics "github.com/arran4/golang-ical"

	"github.com/turnout-events/turnout/internal/contract"
)

// Entry is an event as one calendar shows it.
type Entry struct {
	Event  contract.Event
	Status string // contract.Status… of the guest's RSVP; "" in a public calendar
	URL    string
}

// File is a calendar; Name is shown by programs that subscribe.
type File struct {
	Name    string
	Entries []Entry
}

// UID is the same in every calendar file and mail about the event.
func UID(eventID string) string { return eventID + "@turnout" }

// Write gives the file. now is its DTSTAMP.
func (f File) Write(now time.Time) string {
	cal := ics.NewCalendarFor("Turnout")
	cal.SetMethod(f.method())
	if f.Name != "" {
		cal.SetXWRCalName(oneLine(f.Name))
	}
	addZones(cal, f.Entries)
	for _, e := range f.Entries {
		e.add(cal, now)
	}
	return cal.Serialize(ics.WithNewLineWindows)
}

// method is CANCEL only for a file that holds nothing but cancellations: a
// subscribed calendar publishes, and says CANCELLED where it is.
func (f File) method() ics.Method {
	for _, e := range f.Entries {
		if !e.cancelled() {
			return ics.MethodPublish
		}
	}
	if len(f.Entries) == 0 {
		return ics.MethodPublish
	}
	return ics.MethodCancel
}

func (e Entry) cancelled() bool {
	return e.Event.Status == contract.EventCancelled || e.Status == contract.StatusCancelled || e.Status == contract.StatusDeclined
}

func (e Entry) status() ics.ObjectStatus {
	switch {
	case e.cancelled():
		return ics.ObjectStatusCancelled
	case e.Status == "" || e.Status == contract.StatusConfirmed:
		return ics.ObjectStatusConfirmed
	default:
		return ics.ObjectStatusTentative // waits, is held, or said maybe
	}
}

func (e Entry) add(cal *ics.Calendar, now time.Time) {
	v := cal.AddEvent(UID(e.Event.ID))
	v.SetDtStampTime(now.UTC())
	v.SetProperty(ics.ComponentPropertySequence, strconv.FormatInt(e.Event.Sequence, 10))
	v.SetCreatedTime(e.Event.CreatedAt)
	v.SetModifiedAt(e.Event.UpdatedAt)
	setTime(v, ics.ComponentPropertyDtStart, e.Event.StartsAt, e.Event.TimeZone)
	setTime(v, ics.ComponentPropertyDtEnd, e.Event.EndsAt, e.Event.TimeZone)
	v.SetSummary(oneLine(e.Event.Title))
	if d := e.Event.Description; d != "" {
		v.SetDescription(clean(d))
	}
	if where := place(e.Event); where != "" {
		v.SetLocation(where)
	}
	if p := e.Event.Venue; p != nil && p.Lat != nil && p.Lon != nil {
		v.SetGeo(*p.Lat, *p.Lon)
	}
	if len(e.Event.Tags) > 0 {
		for _, t := range e.Event.Tags {
			v.AddCategory(oneLine(t))
		}
	}
	if e.URL != "" {
		v.SetURL(e.URL)
	}
	v.SetStatus(e.status())
}

// setTime writes the wall clock of the event's zone, so that a change of the
// zone's rules moves the event with it; a zone that this machine does not know
// is written as UTC. So is an hour that comes again because clocks were set
// back: its wall clock would be that of the first (RFC 5545, 3.3.5).
func setTime(v *ics.VEvent, property ics.ComponentProperty, t time.Time, zone string) {
	loc := location(zone)
	if loc == time.UTC || again(t.In(loc)) {
		v.SetProperty(property, t.UTC().Format("20060102T150405Z"))
		return
	}
	v.SetProperty(property, t.In(loc).Format("20060102T150405"), ics.WithTZID(zone))
}

// again tells whether the wall clock has shown this time before, ahead of the
// change of clocks that it follows.
func again(t time.Time) bool {
	change, _ := t.ZoneBounds()
	if change.IsZero() {
		return false
	}
	_, before := change.Add(-time.Second).Zone()
	_, now := t.Zone()
	return t.Sub(change) < time.Duration(before-now)*time.Second
}

func location(zone string) *time.Location {
	if zone == "" || zone == "UTC" || zone == "Etc/UTC" || zone == "Local" {
		return time.UTC
	}
	loc, err := time.LoadLocation(zone)
	if err != nil {
		return time.UTC
	}
	return loc
}

func place(e contract.Event) string {
	var parts []string
	if v := e.Venue; v != nil {
		for _, p := range []string{v.Name, v.Address, v.City, v.Country} {
			if p = oneLine(p); p != "" {
				parts = append(parts, p)
			}
		}
	}
	if len(parts) == 0 && e.OnlineURL != "" {
		return e.OnlineURL
	}
	return strings.Join(parts, ", ")
}

func oneLine(s string) string { return strings.Join(strings.Fields(clean(s)), " ") }

// clean drops control characters, which no property may hold (RFC 5545, 3.1).
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r == 0x7f {
			return -1
		}
		return r
	}, s)
}
