package calendar

import (
	"fmt"
	"slices"
	"time"

	ics "github.com/arran4/golang-ical"
)

// around is how far before and after the events a zone's rules are written: a
// program that shows a week must find the rule that holds in it.
const around = 366 * 24 * time.Hour

// addZones writes a VTIMEZONE for each zone that is used.
func addZones(cal *ics.Calendar, entries []Entry) {
	type span struct{ from, to time.Time }
	spans := map[string]span{}
	var names []string
	for _, e := range entries {
		zone := e.Event.TimeZone
		if location(zone) == time.UTC {
			continue
		}
		s, seen := spans[zone]
		if !seen {
			names = append(names, zone)
			s = span{e.Event.StartsAt, e.Event.EndsAt}
		}
		if e.Event.StartsAt.Before(s.from) {
			s.from = e.Event.StartsAt
		}
		if e.Event.EndsAt.After(s.to) {
			s.to = e.Event.EndsAt
		}
		spans[zone] = s
	}
	slices.Sort(names)
	for _, zone := range names {
		addZone(cal, zone, spans[zone].from.Add(-around), spans[zone].to.Add(around))
	}
}

// addZone writes one observance per change of the clocks between two times:
// exact where a rule of recurrence would be a guess.
func addZone(cal *ics.Calendar, zone string, from, to time.Time) {
	loc := location(zone)
	tz := cal.AddTimezone(zone)
	at := from.In(loc)
	for first := true; first || at.Before(to); first = false {
		begin, end := at.ZoneBounds()
		name, offset := at.Zone()
		before := offset // of the time before; the first observance may have none
		if !begin.IsZero() {
			_, before = begin.Add(-time.Second).Zone()
		} else {
			begin = time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC)
		}
		// DTSTART is the wall clock as it was before the change (RFC 5545, 3.6.5).
		wall := begin.UTC().Add(time.Duration(before) * time.Second).Format("20060102T150405")
		properties := []ics.IANAProperty{
			property(ics.ComponentPropertyDtStart, wall),
			property(ics.ComponentProperty(ics.PropertyTzoffsetfrom), utcOffset(before)),
			property(ics.ComponentProperty(ics.PropertyTzoffsetto), utcOffset(offset)),
			property(ics.ComponentProperty(ics.PropertyTzname), name),
		}
		if at.IsDST() {
			tz.Components = append(tz.Components, &ics.Daylight{ComponentBase: ics.ComponentBase{Properties: properties}})
		} else {
			tz.Components = append(tz.Components, &ics.Standard{ComponentBase: ics.ComponentBase{Properties: properties}})
		}
		if end.IsZero() {
			return
		}
		at = end
	}
}

func property(name ics.ComponentProperty, value string) ics.IANAProperty {
	return ics.IANAProperty{BaseProperty: ics.BaseProperty{IANAToken: string(name), Value: value}}
}

// utcOffset is +hhmm, or +hhmmss where a zone has seconds.
func utcOffset(seconds int) string {
	sign := '+'
	if seconds < 0 {
		sign, seconds = '-', -seconds
	}
	s := fmt.Sprintf("%c%02d%02d", sign, seconds/3600, seconds/60%60)
	if rest := seconds % 60; rest != 0 {
		s += fmt.Sprintf("%02d", rest)
	}
	return s
}
