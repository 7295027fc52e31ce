package seed

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func at(t *testing.T, s string) time.Time {
	t.Helper()
	v, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func spanOf(t *testing.T, r Row) Span {
	t.Helper()
	s, err := r.span(at(t, "2026-11-21T08:00:00Z"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// 19:00 in Berlin stays 19:00, in summer and in winter.
func TestShiftKeepsTheWallClock(t *testing.T) {
	t.Parallel()
	s := spanOf(t, Row{Start: "2024-07-03T19:00:00+02:00", End: "2024-07-03T21:30:00+02:00", TZ: "Europe/Berlin"})
	moved := s.Shift(22)
	if got := moved.Start.Format(time.RFC3339); got != "2024-12-04T19:00:00+01:00" {
		t.Error(got)
	}
	if moved.Start.Weekday() != s.Start.Weekday() || moved.End.Sub(moved.Start) != 150*time.Minute {
		t.Errorf("%v to %v", moved.Start, moved.End)
	}
}

// An event that spans the lost hour of a spring night must not end before it starts.
func TestShiftIntoTheLostHour(t *testing.T) {
	t.Parallel()
	s := spanOf(t, Row{Start: "2025-03-23T02:30:00+01:00", End: "2025-03-23T03:10:00+01:00", TZ: "Europe/Berlin"})
	moved := s.Shift(1)
	if !moved.End.After(moved.Start) {
		t.Errorf("%v to %v", moved.Start, moved.End)
	}
}

func TestRowsWithoutZoneOrEnd(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ start, zone string }{
		{"2017-07-01T16:00:00-03:00", "Etc/GMT+3"},
		{"2017-07-01T16:00:00+08:00", "Etc/GMT-8"},
		{"2017-07-01T16:00:00Z", "UTC"},
		{"2017-07-01T16:00:00+05:30", "Asia/Kolkata"},
		{"2017-07-01T16:00:00+05:45", "Asia/Kathmandu"},
	} {
		s := spanOf(t, Row{Start: c.start})
		if s.Zone != c.zone || s.Start.Hour() != 16 || !s.Start.Equal(at(t, c.start)) {
			t.Errorf("%s: %s, %v", c.start, s.Zone, s.Start)
		}
		if s.End.Sub(s.Start) != assumedLength {
			t.Errorf("end %v", s.End)
		}
	}
	s := spanOf(t, Row{Start: "2017-07-01T16:00:00Z", End: "2017-07-01T15:00:00Z"})
	if !s.End.After(s.Start) {
		t.Error("ends before it starts")
	}
}

// The default puts all ahead, and one week less would not.
func TestDefaultShiftIsTheSmallest(t *testing.T) {
	t.Parallel()
	zones := []string{"Europe/Berlin", "America/St_Johns", "Pacific/Apia", "Australia/Lord_Howe", "UTC", "Africa/Casablanca"}
	rapid.Check(t, func(t *rapid.T) {
		now := time.Unix(rapid.Int64Range(1.6e9, 1.9e9).Draw(t, "now"), 0).UTC()
		spans := make([]Span, rapid.IntRange(1, 8).Draw(t, "n"))
		for i := range spans {
			loc, err := time.LoadLocation(rapid.SampledFrom(zones).Draw(t, "zone"))
			if err != nil {
				t.Fatal(err)
			}
			start := now.Add(time.Duration(rapid.Int64Range(-20*365*86400, 40*86400).Draw(t, "start")) * time.Second).In(loc)
			spans[i] = Span{Start: start, End: start.Add(time.Hour), Zone: loc.String()}
		}
		ahead := func(weeks int) bool {
			for _, s := range spans {
				if !s.Shift(weeks).Start.After(now.Add(lead)) {
					return false
				}
			}
			return true
		}
		n := DefaultShift(spans, now)
		if !ahead(n) {
			t.Fatalf("%d weeks leave something behind", n)
		}
		if n > 0 && ahead(n-1) {
			t.Fatalf("%d weeks would do", n-1)
		}
	})
}
