package rsvp

import (
	"fmt"
	"testing"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/fault"
)

func births(n int) []Birth {
	b := make([]Birth, n)
	for i := range b {
		b[i] = Birth{EventID: fmt.Sprintf("e%d", i+2), Suffix: fmt.Sprintf("x%d", i)}
	}
	return b
}

// at makes an event that starts and ends at these wall clocks.
func at(t *testing.T, zoneName, from, to string) contract.Event {
	t.Helper()
	loc, err := time.LoadLocation(zoneName)
	if err != nil {
		t.Fatal(err)
	}
	e := newWorld(t, 5).event
	e.TimeZone = zoneName
	for wall, instant := range map[string]*time.Time{from: &e.StartsAt, to: &e.EndsAt} {
		if *instant, err = time.ParseInLocation("2006-01-02 15:04", wall, loc); err != nil {
			t.Fatal(err)
		}
		*instant = instant.UTC()
	}
	e.RSVPClosesAt = e.StartsAt
	return e
}

// walls gives the starts and ends of books as clocks in the zone show them,
// with their offset.
func walls(t *testing.T, books []*Book) []string {
	t.Helper()
	var s []string
	for _, b := range books {
		loc, err := time.LoadLocation(b.Event.TimeZone)
		if err != nil {
			t.Fatal(err)
		}
		s = append(s, b.Event.StartsAt.In(loc).Format("2006-01-02 15:04 -07")+" to "+b.Event.EndsAt.In(loc).Format("15:04 -07"))
	}
	return s
}

func TestRepeat(t *testing.T) {
	t.Parallel()
	now := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name, zone, from, to, rule string
		want                       []string
	}{
		{"seven in Berlin stays seven when clocks go forward", "Europe/Berlin", "2027-03-21 19:00", "2027-03-21 22:00", "FREQ=WEEKLY;COUNT=3",
			[]string{"2027-03-28 19:00 +02 to 22:00 +02", "2027-04-04 19:00 +02 to 22:00 +02"}},
		{"and back", "Europe/Berlin", "2027-10-24 19:00", "2027-10-24 22:00", "RRULE:FREQ=WEEKLY;COUNT=3",
			[]string{"2027-10-31 19:00 +01 to 22:00 +01", "2027-11-07 19:00 +01 to 22:00 +01"}},
		{"a skipped hour is read with the offset before it", "Europe/Berlin", "2027-03-27 02:30", "2027-03-27 04:00", "FREQ=DAILY;COUNT=3",
			[]string{"2027-03-28 03:30 +02 to 04:00 +02", "2027-03-29 02:30 +02 to 04:00 +02"}},
		{"an event that lies wholly in the skipped hour keeps its length", "Europe/Berlin", "2027-03-27 02:15", "2027-03-27 02:45", "FREQ=DAILY;COUNT=2",
			[]string{"2027-03-28 03:15 +02 to 03:45 +02"}},
		{"a start in the skipped hour and an end just after it", "Europe/Berlin", "2027-03-27 02:45", "2027-03-27 03:15", "FREQ=DAILY;COUNT=2",
			[]string{"2027-03-28 03:45 +02 to 04:15 +02"}},
		{"an hour that comes twice is the first", "Europe/Berlin", "2027-10-30 02:30", "2027-10-30 04:00", "FREQ=DAILY;COUNT=3",
			[]string{"2027-10-31 02:30 +02 to 04:00 +01", "2027-11-01 02:30 +01 to 04:00 +01"}},
		{"New York", "America/New_York", "2027-03-13 02:30", "2027-03-13 05:00", "FREQ=DAILY;COUNT=2",
			[]string{"2027-03-14 03:30 -04 to 05:00 -04"}},
		{"half an hour in Lord Howe", "Australia/Lord_Howe", "2027-10-02 02:15", "2027-10-02 05:00", "FREQ=DAILY;COUNT=2",
			[]string{"2027-10-03 02:45 +11 to 05:00 +11"}},
		{"weekdays near the date line", "Pacific/Auckland", "2027-02-01 08:00", "2027-02-01 09:00", "FREQ=WEEKLY;BYDAY=MO,WE;COUNT=4",
			[]string{"2027-02-03 08:00 +13 to 09:00 +13", "2027-02-08 08:00 +13 to 09:00 +13", "2027-02-10 08:00 +13 to 09:00 +13"}},
		{"weekdays across UTC midnight", "America/Los_Angeles", "2027-02-01 19:00", "2027-02-01 21:00", "FREQ=WEEKLY;BYDAY=MO;COUNT=2",
			[]string{"2027-02-08 19:00 -08 to 21:00 -08"}},
		{"the last day of months", "Europe/Berlin", "2027-01-31 19:00", "2027-01-31 21:00", "FREQ=MONTHLY;BYMONTHDAY=-1;COUNT=3",
			[]string{"2027-02-28 19:00 +01 to 21:00 +01", "2027-03-31 19:00 +02 to 21:00 +02"}},
		{"the second Tuesday", "Europe/Berlin", "2027-01-12 19:00", "2027-01-12 21:00", "FREQ=MONTHLY;BYDAY=2TU;COUNT=2",
			[]string{"2027-02-09 19:00 +01 to 21:00 +01"}},
		{"the last working day", "Europe/Berlin", "2027-01-29 19:00", "2027-01-29 21:00", "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1;COUNT=3",
			[]string{"2027-02-26 19:00 +01 to 21:00 +01", "2027-03-31 19:00 +02 to 21:00 +02"}},
		{"the last Friday of every other month", "Europe/Berlin", "2027-01-29 19:00", "2027-01-29 21:00", "FREQ=MONTHLY;INTERVAL=2;BYDAY=-1FR;COUNT=2",
			[]string{"2027-03-26 19:00 +01 to 21:00 +01"}},
		{"the twentieth Monday of the year", "UTC", "2027-05-17 10:00", "2027-05-17 11:00", "FREQ=YEARLY;BYDAY=20MO;COUNT=2",
			[]string{"2028-05-15 10:00 +00 to 11:00 +00"}},
		{"every other Sunday, weeks from Sunday", "UTC", "2027-01-03 10:00", "2027-01-03 11:00", "FREQ=WEEKLY;INTERVAL=2;WKST=SU;BYDAY=SU;COUNT=2",
			[]string{"2027-01-17 10:00 +00 to 11:00 +00"}},
		{"until an instant", "Europe/Berlin", "2027-03-27 19:00", "2027-03-27 21:00", "FREQ=DAILY;UNTIL=20270329T170000Z",
			[]string{"2027-03-28 19:00 +02 to 21:00 +02", "2027-03-29 19:00 +02 to 21:00 +02"}},
		{"until a moment before", "Europe/Berlin", "2027-03-27 19:00", "2027-03-27 21:00", "FREQ=DAILY;UNTIL=20270329T165959Z",
			[]string{"2027-03-28 19:00 +02 to 21:00 +02"}},
		{"until a local time", "Europe/Berlin", "2027-03-27 19:00", "2027-03-27 21:00", "FREQ=DAILY;UNTIL=20270328T190000",
			[]string{"2027-03-28 19:00 +02 to 21:00 +02"}},
		{"until a date, all of it", "Europe/Berlin", "2027-03-27 19:00", "2027-03-27 21:00", "FREQ=DAILY;UNTIL=20270328",
			[]string{"2027-03-28 19:00 +02 to 21:00 +02"}},
		{"every leap day", "UTC", "2028-02-29 10:00", "2028-02-29 11:00", "FREQ=YEARLY;COUNT=2",
			[]string{"2032-02-29 10:00 +00 to 11:00 +00"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			books, err := Repeat(at(t, c.zone, c.from, c.to), c.rule, births(10), DefaultLimits(), member, now)
			if err != nil {
				t.Fatalf("%v %+v", err, fault.As(err))
			}
			got := walls(t, books)
			if fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Fatalf("got  %v\nwant %v", got, c.want)
			}
		})
	}
}

func TestASeries(t *testing.T) {
	t.Parallel()
	source := at(t, "Europe/Berlin", "2027-03-21 19:00", "2027-03-21 22:00")
	source.ExternalID, source.SeriesID, source.Revision, source.Sequence = "mine", "series", 7, 3
	opens := source.StartsAt.AddDate(0, 0, -14)
	source.RSVPOpensAt = &opens
	now := time.Date(2027, 3, 1, 0, 0, 0, 0, time.UTC)
	books, err := Repeat(source, "FREQ=WEEKLY;COUNT=3", births(2), DefaultLimits(), member, now)
	if err != nil {
		t.Fatal(err)
	}
	for i, b := range books {
		e := b.Event
		if e.ID != fmt.Sprintf("e%d", i+2) || e.SeriesID != "series" || e.ExternalID != "" || e.Status != contract.EventPublished ||
			e.Revision != 2 || e.Sequence != 1 || b.Version != 2 || len(b.Messages()) != 2 || !e.RSVPClosesAt.Equal(e.StartsAt) {
			t.Errorf("%+v", e)
		}
		if d := e.StartsAt.Sub(*e.RSVPOpensAt); d < 14*24*time.Hour-time.Hour || d > 14*24*time.Hour {
			t.Errorf("opens %s before", d)
		}
	}
	source.Status, source.SeriesID = contract.EventDraft, "old"
	books, err = Repeat(source, "FREQ=WEEKLY;COUNT=3", births(2), DefaultLimits(), member, now)
	if err != nil || books[0].Event.Status != contract.EventDraft || books[0].Event.SeriesID != "old" || books[0].Version != 1 {
		t.Fatalf("%v %+v", err, books)
	}
	if left := Missing(books, []time.Time{books[1].Event.StartsAt.In(time.Local), now}); len(left) != 1 || left[0] != books[0] {
		t.Errorf("without its second date: %v", left)
	}
	// Dates that are over are left out.
	books, err = Repeat(source, "FREQ=WEEKLY;COUNT=5", births(9), DefaultLimits(), member, source.StartsAt.AddDate(0, 0, 15))
	if err != nil || len(books) != 2 {
		t.Fatalf("%v %d", err, len(books))
	}
	if _, err = Repeat(source, "FREQ=WEEKLY;COUNT=5", births(3), DefaultLimits(), member, now); err == nil || fault.As(err) != nil {
		t.Fatalf("too few births: %v", err)
	}
}

func TestRulesThatAreRefused(t *testing.T) {
	t.Parallel()
	source := at(t, "Europe/Berlin", "2027-03-21 19:00", "2027-03-21 22:00")
	for _, rule := range []string{
		"", "WEEKLY", "FREQ=WEEKLY", "FREQ=WEEKLY;COUNT=0", "FREQ=WEEKLY;COUNT=-1", "FREQ=WEEKLY;COUNT=201", "FREQ=DAILY;UNTIL=20290101",
		"FREQ=HOURLY;COUNT=3", "FREQ=SECONDLY;COUNT=3", "FREQ=DAILY;BYHOUR=3,4;COUNT=3", "FREQ=DAILY;COUNT=3;BYMINUTE=1",
		"FREQ=YEARLY;COUNT=40", "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30;COUNT=3", "FREQ=WEEKLY;COUNT=1", "FREQ=WEEKLY;UNTIL=20260101",
		"FREQ=DAILY;COUNT=3\nDTSTART:20270101T000000Z", "DTSTART:20270101T000000Z", "FREQ=DAILY;COUNT=3;INTERVAL=-1", "FREQ=DAILY;COUNT=x",
		"FREQ=DAILY;INTERVAL=99999;COUNT=3", "FREQ=DAILY;UNTIL=20279999", "FREQ=DAILY;BYMONTHDAY=99;COUNT=2", "FREQ=DAILY;BYDAY=XX;COUNT=2",
		"FREQ=DAILY;INTERVAL=7;BYDAY=MO;COUNT=3", "FREQ=YEARLY;BYYEARDAY=400;COUNT=2", "FREQ=WEEKLY;BYSETPOS=2;COUNT=3",
		"FREQ=MONTHLY;BYMONTHDAY=31;BYMONTH=2;COUNT=2", "FREQ=MONTHLY;BYDAY=6MO;COUNT=2", "FREQ=MONTHLY;BYDAY=-6MO;COUNT=2", "FREQ=YEARLY;BYMONTH=12;BYDAY=8FR;COUNT=1",
		"FREQ=WEEKLY;BYDAY=2TU;COUNT=2", "FREQ=WEEKLY;WKST=3MO;COUNT=2", "FREQ=DAILY;DTSTART=20270101T000000Z;COUNT=2", "FREQ=YEARLY;BYDAY=60MO;COUNT=2", "FREQ=MONTHLY;BYDAY=MO;BYSETPOS=20;COUNT=2",
		"FREQ=MONTHLY;BYDAY=1MO;BYSETPOS=2;COUNT=2", "FREQ=MONTHLY;BYMONTHDAY=1;BYSETPOS=2;COUNT=2", "FREQ=MONTHLY;BYDAY=1MO;BYMONTHDAY=20;COUNT=2",
		"FREQ=MONTHLY;INTERVAL=12;BYMONTH=2;BYMONTHDAY=3;COUNT=2", "FREQ=YEARLY;INTERVAL=4;BYMONTH=2;BYMONTHDAY=29;COUNT=2",
	} {
		begun := time.Now()
		books, err := Repeat(source, rule, births(MaxOccurrences), DefaultLimits(), member, today)
		f := fault.As(err)
		if f == nil || f.Kind != fault.Invalid || len(f.Fields) == 0 || f.Fields[0].Pointer != "/rrule" {
			t.Errorf("%q: %v, %d events", rule, err, len(books))
		}
		if took := time.Since(begun); took > 2*time.Second {
			t.Errorf("%q took %s", rule, took)
		}
	}
}

func FuzzRule(f *testing.F) {
	for _, s := range []string{"FREQ=WEEKLY;COUNT=10", "FREQ=MONTHLY;BYDAY=-1FR;COUNT=3", "RRULE:FREQ=YEARLY;UNTIL=20300101T000000Z", "FREQ=DAILY;BYSETPOS=1;COUNT=2", ";;=", "FREQ="} {
		f.Add(s)
	}
	now := today
	loc := time.UTC
	begins := time.Date(2027, 3, 21, 19, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, rule string) {
		asked := time.Now()
		walls, err := occurrences(rule, begins, loc, now)
		if took := time.Since(asked); took > 2*time.Second {
			t.Fatalf("%q took %s", rule, took)
		}
		if err != nil && fault.As(err) == nil {
			t.Fatalf("%q: internal: %v", rule, err)
		}
		for _, w := range walls {
			if !w.After(begins) || w.Hour() != 19 {
				t.Fatalf("%q gives %s", rule, w)
			}
		}
	})
}

func TestDuplicate(t *testing.T) {
	t.Parallel()
	source := at(t, "Europe/Berlin", "2027-03-21 19:00", "2027-03-21 22:00")
	birth := Birth{EventID: "e2", Suffix: "s"}
	dup := func(in *EventInput, now time.Time) contract.Event {
		t.Helper()
		b, err := Duplicate(source, in, birth, DefaultLimits(), member, now)
		if err != nil {
			t.Fatalf("%v %+v", err, fault.As(err))
		}
		return b.Event
	}
	if e := dup(nil, today); !e.StartsAt.Equal(source.StartsAt) || !e.EndsAt.Equal(source.EndsAt) {
		t.Errorf("%s", e.StartsAt)
	}
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	// Three weeks later it has begun: the next Sunday at seven, in summer time.
	e := dup(nil, source.StartsAt.AddDate(0, 0, 10))
	if got := e.StartsAt.In(berlin).Format("2006-01-02 15:04 -07"); got != "2027-04-04 19:00 +02" {
		t.Error(got)
	}
	e = dup(&EventInput{StartsAt: Some("2027-07-01T18:00:00+02:00"), Title: Some("Summer"), ExternalID: "x"}, today)
	if got := e.EndsAt.In(berlin).Format("2006-01-02 15:04"); got != "2027-07-01 21:00" || e.Title != "Summer" || e.ExternalID != "x" || !e.RSVPClosesAt.Equal(e.StartsAt) {
		t.Errorf("%s %+v", got, e)
	}
	if _, err := Duplicate(source, &EventInput{StartsAt: Some("no")}, birth, DefaultLimits(), member, today); fault.KindOf(err) != fault.Invalid {
		t.Error(err)
	}
	old := source
	old.StartsAt, old.EndsAt = source.StartsAt.AddDate(-8, 0, 0), source.EndsAt.AddDate(-8, 0, 0)
	if _, err := Duplicate(old, nil, birth, DefaultLimits(), member, today); err != nil {
		t.Error(err)
	}
}
