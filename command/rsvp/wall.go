package rsvp

import (
	"errors"
	"time"
	_ "time/tzdata" // a container without zone files knows the same zones
)

var errZone = errors.New("not a time zone")

// zone loads an IANA zone. "Local" is the machine's own and means nothing to
// anybody else.
func zone(name string) (*time.Location, error) {
	if name == "" || name == "Local" || len(name) > 64 {
		return nil, errZone
	}
	return time.LoadLocation(name)
}

// wallClock is what clocks in the zone show at t, written as if in UTC.
// Adding days to it keeps the hour, whatever the clocks do.
func wallClock(t time.Time, loc *time.Location) time.Time {
	l := t.In(loc)
	return time.Date(l.Year(), l.Month(), l.Day(), l.Hour(), l.Minute(), l.Second(), l.Nanosecond(), time.UTC)
}

// instant is when clocks in the zone show wall. As RFC 5545 (3.3.5) has it: a
// time that comes twice means the first, and one that clocks skip is read with
// the offset from before the gap (02:30 becomes 03:30). time.Date promises
// neither.
func instant(wall time.Time, loc *time.Location) time.Time {
	shift := func(around time.Time) time.Time {
		_, seconds := around.In(loc).Zone()
		return wall.Add(-time.Duration(seconds) * time.Second)
	}
	before := shift(wall.Add(-24 * time.Hour))
	if wallClock(before, loc).Equal(wall) {
		return before
	}
	if after := shift(wall.Add(24 * time.Hour)); wallClock(after, loc).Equal(wall) {
		return after
	}
	return before
}
