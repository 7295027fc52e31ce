package seed

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// Everything a row may lack, and everything a line may get wrong, ends in the
// rows or in the report: nothing disappears.
func TestEveryLineIsARowOrIsReported(t *testing.T) {
	t.Parallel()
	file := strings.Join([]string{
		`{"id":"a","title":"Bare","start":"2024-01-05T19:00:00+01:00"}`,
		`not json`,
		``,
		`{"id":"b","title":"  ","start":"2024-01-05T19:00:00+01:00"}`,
		`{"title":"No id","start":"2024-01-05T19:00:00+01:00"}`,
		`{"id":"a","title":"Twice","start":"2024-01-05T19:00:00+01:00"}`,
		`{"id":"c","title":"No date"}`,
		`{"id":"d","title":"Half a place","start":"2024-01-05T19:00:00Z","lat":1}`,
		`{"id":"e","title":"Mars","start":"2024-01-05T19:00:00Z","tz":"Mars/Olympus"}`,
		`{"id":"f","title":"Prices","start":"2024-01-05T19:00:00Z","price":"15.50","currency":"CAD"}`,
		`{"id":"g","title":"No price","start":"2024-01-05T19:00:00Z","price":null}`,
		`{"id":"h","title":"🎪 ערב طويل","start":"2024-01-05T19:00:00Z","unknown":{"x":1}}`,
	}, "\n")
	rows, bad, err := ReadRows(strings.NewReader(file), 0)
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != 4 || len(bad) != 7 {
		t.Fatalf("%d rows and %d bad lines, want 4 and 7: %+v", len(rows), len(bad), bad)
	}
	if p := rows[1].price(); p == nil || p.Min != 15.5 || p.Currency != "CAD" {
		t.Errorf("price %+v", p)
	}
	if rows[2].price() != nil {
		t.Error("a null price became one")
	}
}

func TestLimitKeepsTheFirst(t *testing.T) {
	t.Parallel()
	in, err := Demo(5)
	if err != nil || len(in.Rows) != 5 || in.Rows[0].ID != "harbour-stage-01" {
		t.Fatalf("%d rows, %v", len(in.Rows), err)
	}
}

// The demo set is what a newcomer sees first: all of it loads, all of it ahead.
func TestDemoSetIsSound(t *testing.T) {
	t.Parallel()
	in, err := Demo(0)
	if err != nil || len(in.Bad) > 0 {
		t.Fatal(err, in.Bad)
	}
	if n := len(in.Rows); n < 100 || n > 300 {
		t.Errorf("%d rows", n)
	}
	now := time.Now()
	policies, titles := map[string]int{}, map[string]bool{}
	for i := range in.Rows {
		r := &in.Rows[i]
		s, err := r.span(now)
		if err != nil {
			t.Fatal(r.ID, err)
		}
		if !s.Start.After(now.Add(lead)) || !s.End.After(s.Start) {
			t.Errorf("%s: %v to %v", r.ID, s.Start, s.End)
		}
		if r.Online == (r.Lat != nil) || r.Online == (r.Country != "") {
			t.Errorf("%s: neither in a place nor online", r.ID)
		}
		if w := count(r.RSVPWaitlist); w > 0 && (r.Capacity == nil || *r.Capacity != count(r.RSVPYes)) {
			t.Errorf("%s: people queue though there is room", r.ID)
		}
		if titles[r.Title] {
			t.Errorf("%q twice", r.Title)
		}
		titles[r.Title] = true
		policies[r.Waitlist]++
	}
	for _, p := range []string{"auto", "offer", "none"} {
		if policies[p] == 0 {
			t.Errorf("no event with policy %s", p)
		}
	}
}

func TestMappingKeepsWhatSearchesAsk(t *testing.T) {
	t.Parallel()
	lat, lon := 52.52, 13.405
	r := Row{
		ID: "x-1", Title: "Online, yet somewhere", Start: "2024-03-01T18:00:00+01:00", TZ: "Europe/Berlin",
		Online: true, URL: "example.org/room", Lat: &lat, Lon: &lon, Country: "de", Tags: []string{"Arts/Exhibits"},
	}
	s, err := r.span(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	d := r.draft("org", s)
	switch {
	case d.ExternalID != "x-1" || d.Title != r.Title || d.StartsAt != "2024-03-01T18:00:00+01:00" || d.TimeZone != "Europe/Berlin":
		t.Errorf("%+v", d)
	case d.Venue == nil || d.Venue.Lat != &lat || d.Venue.Country != "DE":
		t.Errorf("venue %+v", d.Venue)
	case d.OnlineURL != "https://example.org/room" || d.Tags[0] != "Arts/Exhibits":
		t.Errorf("%+v", d)
	}
	r.Online, r.Lat, r.Lon, r.Country = false, nil, nil, ""
	if d = r.draft("org", s); d.Venue != nil || d.OnlineURL != "" || d.Description != "https://example.org/room" {
		t.Errorf("without a place: %+v", d)
	}
	r.URL = ""
	r.Online = true
	if d = r.draft("org", s); d.OnlineURL == "" {
		t.Error("an online event without a link is not online")
	}
}

func TestSchemes(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                        "",
		"https://example.org/a":   "https://example.org/a",
		"HTTP://example.org":      "HTTP://example.org",
		"http:example.org/b":      "http://example.org/b",
		"www.example.org":         "https://www.example.org",
		" example.org ":           "https://example.org",
		"ftp://example.org":       "",
		"//example.org/protocol":  "https://example.org/protocol",
		"https:/example.org/typo": "https://example.org/typo",
	} {
		if got := withScheme(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// Whatever stands in a file, reading it ends with rows that can be sent.
func FuzzRows(f *testing.F) {
	f.Add(`{"id":"a","title":"T","start":"2024-01-05T19:00:00+01:00","price":"NaN","currency":"EUR"}`)
	f.Add(`{"id":"a","title":"T","start_in":3,"at":"25:00","tz":"UTC"}`)
	f.Add(`{"id":"a","title":"T","start":"0001-01-01T00:00:00Z","lat":1e400}`)
	f.Fuzz(func(t *testing.T, line string) {
		rows, _, err := ReadRows(strings.NewReader(line), 0)
		if err != nil {
			return
		}
		for i := range rows {
			s, err := rows[i].span(time.Unix(1.8e9, 0))
			if err != nil {
				t.Fatalf("%q was taken: %v", line, err)
			}
			if _, err := json.Marshal(rows[i].draft("org", s)); err != nil {
				t.Fatalf("%q can't be sent: %v", line, err)
			}
		}
	})
}

func FuzzTrace(f *testing.F) {
	f.Add(someTrace)
	f.Add("\x1f\x8b")
	f.Fuzz(func(t *testing.T, lines string) {
		answers, _, err := ReadTrace(strings.NewReader(lines), 0)
		if err != nil {
			return
		}
		if p := planTrace(answers, nil, .5); len(p.Steps) > len(answers) {
			t.Fatalf("%d steps of %d answers", len(p.Steps), len(answers))
		}
	})
}
