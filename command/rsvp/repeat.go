package rsvp

import (
	"errors"
	"strings"
	"time"

	"github.com/teambition/rrule-go"

	"github.com/turnout-events/turnout/internal/contract"
)

// MaxOccurrences bounds a series, its first event included.
const MaxOccurrences = 200

// Repeat makes the occurrences of source that an RFC 5545 recurrence rule
// (DAILY, WEEKLY, MONTHLY or YEARLY, with COUNT or UNTIL) gives after its own
// start, COUNT including it, at the same wall-clock time; those that lie in the
// past are left out. A published source gives published events, at version 2.
// births has one for each, or more; MaxOccurrences are enough. Call SetSeries
// on the source as well.
func Repeat(source contract.Event, rule string, births []Birth, limits Limits, by Actor, now time.Time) ([]*Book, error) {
	now = contract.Time(now)
	if source.Status == contract.EventCancelled {
		return nil, ErrEventCancelled
	}
	loc, err := zone(source.TimeZone)
	if err != nil {
		return nil, err
	}
	start := wallClock(source.StartsAt, loc)
	walls, err := occurrences(rule, start, loc, now)
	if err != nil {
		return nil, err
	}
	var books []*Book
	for _, wall := range walls {
		e := source
		e.ExternalID = ""
		shift(&e, source, wall.Sub(start), loc)
		if !e.StartsAt.After(now) {
			continue
		}
		if len(books) == len(births) {
			return nil, errors.New("repeat: too few births")
		}
		birth := births[len(books)]
		if e.SeriesID == "" {
			e.SeriesID = birth.SeriesID
		}
		if err := check(&e, nil, nil, limits, now); err != nil {
			return nil, err
		}
		b := born(e, birth, by, now)
		if source.Status == contract.EventPublished {
			if err := b.publish(by, now); err != nil {
				return nil, err
			}
		}
		books = append(books, b)
	}
	if len(books) == 0 {
		return nil, invalid("/rrule", "gives no date ahead")
	}
	return books, nil
}

// occurrences gives the wall-clock starts after the first one. The rule runs
// over wall clocks written as UTC, so that it never meets a change of the
// clocks (rrule-go issue 63 and others are about those).
func occurrences(rule string, start time.Time, loc *time.Location, now time.Time) ([]time.Time, error) {
	bad := func(format string, args ...any) ([]time.Time, error) { return nil, invalid("/rrule", format, args...) }
	rule = strings.TrimPrefix(strings.TrimSpace(rule), "RRULE:")
	if len(rule) > 500 || strings.ContainsAny(rule, "\r\n:") {
		return bad("is a single recurrence rule, like FREQ=WEEKLY;COUNT=10")
	}
	option, err := rrule.StrToROption(rule)
	if err != nil {
		return bad("is not a recurrence rule of RFC 5545: %v", err)
	}
	switch {
	case option.Freq > rrule.DAILY:
		return bad("repeats daily, weekly, monthly or yearly")
	case len(option.Byhour)+len(option.Byminute)+len(option.Bysecond)+len(option.Byeaster) > 0:
		return bad("keeps the time of day: leave out BYHOUR, BYMINUTE, BYSECOND, BYEASTER")
	case option.Count == 0 && option.Until.IsZero():
		return bad("needs COUNT or UNTIL")
	case option.Count < 0 || option.Count > MaxOccurrences:
		return bad("gives at most %d dates", MaxOccurrences)
	case option.Interval < 0 || option.Interval > 1000:
		return bad("has an INTERVAL from 1 to 1000")
	}
	horizon := wallClock(now, loc).AddDate(maxYearsAhead, 0, 0)
	if !option.Until.IsZero() {
		option.Until = until(rule, option.Until, loc)
	}
	if option.Until.IsZero() || option.Until.After(horizon) {
		option.Until = horizon // a rule that never matches must come to an end
	}
	option.Dtstart = start
	r, err := rrule.NewRRule(*option)
	if err != nil {
		return bad("is not a recurrence rule of RFC 5545: %v", err)
	}
	var walls []time.Time
	n := 0
	for next := r.Iterator(); ; n++ {
		wall, more := next()
		if !more {
			break
		}
		if n == MaxOccurrences {
			return bad("gives at most %d dates", MaxOccurrences)
		}
		if wall.After(start) {
			walls = append(walls, wall)
		}
	}
	if option.Count > 0 && n < option.Count && option.Until.Equal(horizon) {
		return bad("reaches more than %d years ahead", maxYearsAhead)
	}
	return walls, nil
}

// until reads UNTIL as a wall clock: an instant (…Z) is converted, a local time
// is one already, and a date means all of that day.
func until(rule string, parsed time.Time, loc *time.Location) time.Time {
	_, text, _ := strings.Cut(strings.ToUpper(rule), "UNTIL=")
	text, _, _ = strings.Cut(text, ";")
	switch {
	case strings.HasSuffix(text, "Z"):
		return wallClock(parsed, loc)
	case !strings.Contains(text, "T"):
		return parsed.AddDate(0, 0, 1).Add(-time.Second)
	}
	return parsed
}
