package rsvp

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/teambition/rrule-go"
)

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
	if fault := unsupported(option); fault != "" {
		return bad("%s", fault)
	}
	horizon := wallClock(now, loc).AddDate(maxYearsAhead, 0, 0)
	if !option.Until.IsZero() {
		option.Until = until(rule, option.Until, loc)
	}
	if option.Until.IsZero() || option.Until.After(horizon) {
		option.Until = horizon
	}
	if !everMatches(option, start, horizon) {
		return bad("gives no date ahead")
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

// unsupported says what of a rule is not for events, or is more than the
// library bears: it panics on the sixth Friday of a month.
func unsupported(o *rrule.ROption) string {
	switch {
	case o.Freq > rrule.DAILY:
		return "repeats daily, weekly, monthly or yearly"
	case len(o.Byhour)+len(o.Byminute)+len(o.Bysecond)+len(o.Byeaster) > 0:
		return "keeps the time of day: leave out BYHOUR, BYMINUTE, BYSECOND, BYEASTER"
	case len(o.Byyearday)+len(o.Byweekno) > 0:
		return "is made of BYMONTH, BYMONTHDAY and BYDAY: leave out BYYEARDAY, BYWEEKNO"
	case !o.Dtstart.IsZero():
		return "begins with the event: leave out DTSTART"
	case o.Count == 0 && o.Until.IsZero():
		return "needs COUNT or UNTIL"
	case o.Count < 0 || o.Count > MaxOccurrences:
		return fmt.Sprintf("gives at most %d dates", MaxOccurrences)
	case o.Interval < 0 || o.Interval > 1000:
		return "has an INTERVAL from 1 to 1000"
	case len(o.Bysetpos) > 0 && !plainSetpos(o):
		return "has BYSETPOS from -5 to 5, only with plain weekdays in BYDAY, and monthly or yearly"
	case o.Wkst.N() != 0:
		return "has a plain weekday as WKST"
	}
	most := map[rrule.Frequency]int{rrule.MONTHLY: 5, rrule.YEARLY: 53}[o.Freq]
	if o.Freq == rrule.YEARLY && len(o.Bymonth) > 0 {
		most = 5
	}
	for _, d := range o.Byweekday {
		if d.N() > most || d.N() < -most {
			return "has no such weekday in BYDAY"
		}
	}
	return ""
}

// plainSetpos allows "the last of Monday to Friday" and its like, which every
// period or nearly every one has.
func plainSetpos(o *rrule.ROption) bool {
	if o.Freq > rrule.MONTHLY || len(o.Byweekday) == 0 || len(o.Bymonthday) > 0 {
		return false
	}
	for _, d := range o.Byweekday {
		if d.N() != 0 {
			return false
		}
	}
	for _, n := range o.Bysetpos {
		if n == 0 || n < -5 || n > 5 {
			return false
		}
	}
	return true
}

// everMatches tells whether any day up to the horizon can match the rule.
// rrule-go looks at UNTIL only when it has found a date: for one that does not
// exist (30 February, daily) it would search until the year 9999, for seconds.
func everMatches(o *rrule.ROption, start, horizon time.Time) bool {
	for n, day := 0, start; !day.After(horizon); n, day = n+1, day.AddDate(0, 0, 1) {
		if inInterval(o, start, day, n) && dayMatches(o, day) {
			return true
		}
	}
	return false
}

// inInterval tells whether the n-th day after the start lies in a period that
// INTERVAL does not leave out.
func inInterval(o *rrule.ROption, start, day time.Time, n int) bool {
	every := max(o.Interval, 1)
	switch o.Freq {
	case rrule.DAILY:
		return n%every == 0
	case rrule.WEEKLY: // which day a week begins with is left open: a day more is no harm
		return every == 1 || (monday(start)+n)/7%every == 0 || o.Wkst != rrule.MO
	case rrule.MONTHLY:
		return (12*(day.Year()-start.Year())+int(day.Month()-start.Month()))%every == 0
	}
	return (day.Year()-start.Year())%every == 0
}

// monday is the day of the week, from 0 for Monday.
func monday(t time.Time) int { return (int(t.Weekday()) + 6) % 7 }

func dayMatches(o *rrule.ROption, day time.Time) bool {
	first, length := day.Day(), day.AddDate(0, 1, -day.Day()).Day() // in its month
	if len(o.Bymonth) > 0 && !slices.Contains(o.Bymonth, int(day.Month())) {
		return false
	}
	if len(o.Bymonthday) > 0 && !slices.Contains(o.Bymonthday, first) && !slices.Contains(o.Bymonthday, first-length-1) {
		return false
	}
	if o.Freq == rrule.YEARLY && len(o.Bymonth) == 0 { // the second Tuesday is that of the year
		first, length = day.YearDay(), time.Date(day.Year(), 12, 31, 0, 0, 0, 0, time.UTC).YearDay()
	}
	return len(o.Byweekday) == 0 || slices.ContainsFunc(o.Byweekday, func(w rrule.Weekday) bool {
		return w.Day() == monday(day) && (w.N() == 0 || w.N() == (first-1)/7+1 || w.N() == -((length-first)/7+1))
	})
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
