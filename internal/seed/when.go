package seed

import (
	"fmt"
	"time"
)

// week is what dates move by: weekdays stay what they were.
const week = 7

// assumedLength is given to a row whose end is missing or not after its start.
const assumedLength = 2 * time.Hour

// lead is how far ahead of now the first event of a file is put at least, so
// that nothing begins while the file is still being loaded.
const lead = time.Hour

// Span is when an event takes place. Both times carry the event's zone.
type Span struct {
	Start, End time.Time
	Zone       string // IANA
}

// span reads the row's times, before any shift.
func (r *Row) span(now time.Time) (Span, error) {
	if r.StartIn != nil {
		return r.relative(now)
	}
	start, err := time.Parse(time.RFC3339, r.Start)
	if err != nil {
		return Span{}, fmt.Errorf("start %q is not RFC 3339", r.Start)
	}
	zone, loc, err := r.zone(start)
	if err != nil {
		return Span{}, err
	}
	s := Span{Start: start.In(loc), Zone: zone}
	s.End = s.Start.Add(assumedLength)
	if r.End == "" {
		return s, nil
	}
	end, err := time.Parse(time.RFC3339, r.End)
	if err != nil {
		return Span{}, fmt.Errorf("end %q is not RFC 3339", r.End)
	}
	if end.After(start) {
		s.End = end.In(loc)
	}
	return s, nil
}

func (r *Row) relative(now time.Time) (Span, error) {
	loc, err := time.LoadLocation(r.TZ)
	if err != nil || r.TZ == "" {
		return Span{}, fmt.Errorf("start_in needs tz, an IANA zone; %q is none", r.TZ)
	}
	at, err := time.Parse("15:04", r.At)
	if err != nil {
		return Span{}, fmt.Errorf("at %q is not a time like 19:30", r.At)
	}
	length := assumedLength
	if r.Lasts != "" {
		if length, err = time.ParseDuration(r.Lasts); err != nil || length <= 0 {
			return Span{}, fmt.Errorf("lasts %q is not a length like 2h30m", r.Lasts)
		}
	}
	y, m, d := now.In(loc).Date()
	start := time.Date(y, m, d+*r.StartIn, at.Hour(), at.Minute(), 0, 0, loc)
	return Span{Start: start, End: start.Add(length), Zone: r.TZ}, nil
}

// zone gives the row's zone. A row without one gets the fixed zone of its
// start's offset: wall clock and instant are then as the file has them.
func (r *Row) zone(start time.Time) (string, *time.Location, error) {
	name := r.TZ
	if name == "" {
		name = fixedZone(start)
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		return "", nil, fmt.Errorf("tz %q is not an IANA zone", name)
	}
	return name, loc, nil
}

// fixedZone names an offset in the IANA data base. Its Etc zones exist for
// whole hours only and have the sign of POSIX: Etc/GMT+3 is three hours behind
// UTC. For the offsets between, a zone that keeps it all year stands in.
func fixedZone(t time.Time) string {
	_, offset := t.Zone()
	if offset == 0 {
		return "UTC"
	}
	if offset%3600 == 0 {
		return fmt.Sprintf("Etc/GMT%+d", -offset/3600)
	}
	switch offset {
	case 5*3600 + 1800:
		return "Asia/Kolkata"
	case 3*3600 + 1800:
		return "Asia/Tehran"
	case 4*3600 + 1800:
		return "Asia/Kabul"
	case 5*3600 + 2700:
		return "Asia/Kathmandu"
	case 6*3600 + 1800:
		return "Asia/Yangon"
	case 9*3600 + 1800:
		return "Australia/Darwin"
	}
	return "UTC"
}

// Shift moves a span by whole weeks in its zone: the wall clock stays, so the
// instant moves by an hour more or less where the clocks changed between.
func (s Span) Shift(weeks int) Span {
	if weeks == 0 {
		return s
	}
	moved := Span{Start: s.Start.AddDate(0, 0, week*weeks), End: s.End.AddDate(0, 0, week*weeks), Zone: s.Zone}
	if !moved.End.After(moved.Start) {
		moved.End = moved.Start.Add(s.End.Sub(s.Start))
	}
	return moved
}

// DefaultShift is the smallest number of weeks that puts every span ahead of
// now, by lead at least. One number serves the whole file: the order of its
// events, and what a search finds between two of them, stays.
func DefaultShift(spans []Span, now time.Time) int {
	weeks := 0
	for _, s := range spans {
		for !s.Shift(weeks).Start.After(now.Add(lead)) {
			behind := now.Add(lead).Sub(s.Shift(weeks).Start)
			// Two hours less: the clocks may have changed for us.
			weeks += max(1, int((behind-2*time.Hour)/(week*24*time.Hour)))
		}
	}
	return weeks
}
