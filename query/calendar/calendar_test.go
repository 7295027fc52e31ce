package calendar_test

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	ics "github.com/arran4/golang-ical"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/query/calendar"
)

func at(t *testing.T, zone, wall string) time.Time {
	t.Helper()
	loc, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	v, err := time.ParseInLocation("2006-01-02 15:04", wall, loc)
	if err != nil {
		t.Fatal(err)
	}
	return v.UTC()
}

// Lines are at most 75 octets, end in CRLF, break no rune, and give the text
// back when they are unfolded.
func TestFolding(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("Grüße aus Zürich, Łódź; \"北京\" 🎉 \\ ", 40) + "\nnext\r\nline" + strings.Repeat("x", 300)
	e := contract.Event{ID: "0190", Title: long, Description: long, StartsAt: at(t, "Europe/Berlin", "2031-05-01 19:00"),
		EndsAt: at(t, "Europe/Berlin", "2031-05-01 21:00"), TimeZone: "Europe/Berlin", Status: contract.EventPublished,
		Venue: &contract.Venue{Name: long}}
	text := calendar.File{Entries: []calendar.Entry{{Event: e}}}.Write(time.Unix(0, 0))
	for _, line := range strings.Split(strings.TrimSuffix(text, "\r\n"), "\r\n") {
		if len(line) > 75 || strings.ContainsAny(line, "\r\n") || !utf8.ValidString(line) {
			t.Errorf("%d octets: %q", len(line), line)
		}
	}
	back, err := ics.ParseCalendar(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	got := back.Events()[0].GetProperty(ics.ComponentPropertySummary).Value
	if want := strings.Join(strings.Fields(long), " "); got != want {
		t.Errorf("summary came back as %q", got)
	}
}

// 19:00 in the zone is written as such, with rules by which a reader that knows
// no zones finds the instant again.
func TestZones(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ zone, wall string }{
		{"Europe/Berlin", "2031-03-30 19:00"}, // the clocks change in the night before
		{"Europe/Berlin", "2031-12-01 19:00"},
		{"America/New_York", "2031-11-02 01:30"},
		{"Australia/Lord_Howe", "2031-04-06 12:00"}, // half an hour
		{"Asia/Kolkata", "2031-07-01 12:00"},        // never changes
		{"Pacific/Apia", "2031-01-01 00:30"},
	} {
		start := at(t, c.zone, c.wall)
		e := contract.Event{ID: "0190", Title: "x", StartsAt: start, EndsAt: start.Add(time.Hour), TimeZone: c.zone, Status: contract.EventPublished}
		text := calendar.File{Entries: []calendar.Entry{{Event: e}}}.Write(time.Unix(0, 0))
		wall := strings.NewReplacer("-", "", " ", "T", ":", "").Replace(c.wall) + "00"
		if !strings.Contains(text, "DTSTART;TZID="+c.zone+":"+wall) {
			t.Errorf("%s %s: %s", c.zone, c.wall, text)
		}
		if got := resolve(t, text, wall); !got.Equal(start) {
			t.Errorf("%s %s is %s by the file's rules, want %s\n%s", c.zone, c.wall, got, start, text)
		}
	}
}

// An hour that comes twice is the first by its wall clock (RFC 5545, 3.3.5), so that the second is written in UTC.
func TestTheHourThatComesTwice(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ zone, start, end, wantStart, wantEnd string }{
		// The clocks of Berlin go from 3:00 back to 2:00 at 1:00 UTC.
		{"Europe/Berlin", "2031-10-25T23:59:00Z", "2031-10-26T00:00:00Z", ";TZID=Europe/Berlin:20311026T015900", ";TZID=Europe/Berlin:20311026T020000"},
		{"Europe/Berlin", "2031-10-26T00:30:00Z", "2031-10-26T01:30:00Z", ";TZID=Europe/Berlin:20311026T023000", ":20311026T013000Z"},
		{"Europe/Berlin", "2031-10-26T01:00:00Z", "2031-10-26T02:00:00Z", ":20311026T010000Z", ";TZID=Europe/Berlin:20311026T030000"},
		{"Europe/Berlin", "2031-10-26T01:59:59Z", "2031-10-26T02:30:00Z", ":20311026T015959Z", ";TZID=Europe/Berlin:20311026T033000"},
		// Those that go forward pass over an hour, and show none again.
		{"Europe/Berlin", "2031-03-30T01:00:00Z", "2031-03-30T01:30:00Z", ";TZID=Europe/Berlin:20310330T030000", ";TZID=Europe/Berlin:20310330T033000"},
		// Half an hour, at 15:00 UTC.
		{"Australia/Lord_Howe", "2031-04-05T15:15:00Z", "2031-04-05T15:30:00Z", ":20310405T151500Z", ";TZID=Australia/Lord_Howe:20310406T020000"},
		{"Asia/Kolkata", "2031-10-26T01:00:00Z", "2031-10-26T02:00:00Z", ";TZID=Asia/Kolkata:20311026T063000", ";TZID=Asia/Kolkata:20311026T073000"},
	} {
		e := contract.Event{ID: "0190", Title: "x", StartsAt: instant(t, c.start), EndsAt: instant(t, c.end), TimeZone: c.zone, Status: contract.EventPublished}
		text := calendar.File{Entries: []calendar.Entry{{Event: e}}}.Write(time.Unix(0, 0))
		for _, want := range []string{"DTSTART" + c.wantStart, "DTEND" + c.wantEnd} {
			if !strings.Contains(text, "\r\n"+want+"\r\n") {
				t.Errorf("%s to %s lacks %s:\n%s", c.start, c.end, want, text)
			}
		}
	}
}

func instant(t *testing.T, s string) time.Time {
	t.Helper()
	v, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// resolve applies the last observance that begins at or before the wall clock.
func resolve(t *testing.T, text, wall string) time.Time {
	t.Helper()
	local, err := time.Parse("20060102T150405", wall)
	if err != nil {
		t.Fatal(err)
	}
	var offset, begin, best string
	inside := false
	for line := range strings.SplitSeq(text, "\r\n") {
		switch {
		case line == "BEGIN:STANDARD" || line == "BEGIN:DAYLIGHT":
			inside = true
		case line == "END:STANDARD" || line == "END:DAYLIGHT":
			inside = false
			if begin <= wall && begin >= best {
				best = begin
				d, err := time.Parse("-0700", offset)
				if err != nil {
					t.Fatal(err)
				}
				_, seconds := d.Zone()
				local = mustParse(t, wall).Add(-time.Duration(seconds) * time.Second)
			}
		case inside && strings.HasPrefix(line, "DTSTART:"):
			begin = strings.TrimPrefix(line, "DTSTART:")
		case inside && strings.HasPrefix(line, "TZOFFSETTO:"):
			offset = strings.TrimPrefix(line, "TZOFFSETTO:")
		}
	}
	return local
}

func mustParse(t *testing.T, wall string) time.Time {
	t.Helper()
	v, err := time.Parse("20060102T150405", wall)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// What is cancelled says so with its sequence; what is not, publishes.
func TestCancellation(t *testing.T) {
	t.Parallel()
	start := at(t, "UTC", "2031-05-01 19:00")
	e := contract.Event{ID: "0190", Title: "x", StartsAt: start, EndsAt: start.Add(time.Hour), TimeZone: "UTC", Sequence: 3, Status: contract.EventCancelled}
	text := calendar.File{Entries: []calendar.Entry{{Event: e}}}.Write(start)
	for _, want := range []string{"METHOD:CANCEL\r\n", "STATUS:CANCELLED\r\n", "SEQUENCE:3\r\n", "UID:0190@turnout\r\n", "DTSTART:20310501T190000Z\r\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("lacks %q: %s", want, text)
		}
	}
	e.Status = contract.EventPublished
	if text = (calendar.File{Entries: []calendar.Entry{{Event: e, Status: contract.StatusMaybe}}}).Write(start); !strings.Contains(text, "STATUS:TENTATIVE") || !strings.Contains(text, "METHOD:PUBLISH") {
		t.Errorf("maybe: %s", text)
	}
}
