package seed

import (
	"bytes"
	"compress/gzip"
	"net/mail"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestGuestsOfAnEventAreDifferentAndTheSameEachTime(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for i := range 2_000 {
		g := guestAt("some-event", i)
		if seen[g.Email] {
			t.Fatalf("%s twice", g.Email)
		}
		seen[g.Email] = true
		if a, err := mail.ParseAddress(g.Email); err != nil || a.Address != g.Email {
			t.Fatalf("%q: %v", g.Email, err)
		}
		if g != guestAt("some-event", i) {
			t.Fatal("a guest changed")
		}
	}
}

func TestCountsPlanMakesExactlyTheCounts(t *testing.T) {
	t.Parallel()
	n := func(v int) *int { return &v }
	rows := []Row{
		{ID: "full", RSVPYes: n(20), RSVPWaitlist: n(5)},
		{ID: "room", RSVPYes: n(7), RSVPWaitlist: n(0)},
		{ID: "unknown"},
		{ID: "refuses", RSVPYes: n(3), RSVPWaitlist: n(2), Waitlist: "none"},
	}
	p := planCounts(rows)
	if len(p.Steps) != 37 {
		t.Fatalf("%d steps", len(p.Steps))
	}
	if rows[0].Capacity == nil || *rows[0].Capacity != 20 || rows[1].Capacity != nil || rows[2].Capacity != nil {
		t.Error("capacity is not the yes count of an event with a waitlist")
	}
	if rows[3].Waitlist != "auto" {
		t.Error("an event with a waitlist turns the waiting away")
	}
	keys := map[string]bool{}
	for i := range p.Steps {
		if s := &p.Steps[i]; keys[s.key()] || s.Party != 1 {
			t.Fatalf("step %d: %+v", i, s)
		}
		keys[p.Steps[i].key()] = true
	}
}

// Drawn answers look like the real ones they were measured on.
func TestProfilePlanHasTheShapeOfRealAnswers(t *testing.T) {
	t.Parallel()
	rows := make([]Row, 4_000)
	spans := make([]Span, len(rows))
	start := time.Date(2030, 5, 1, 19, 0, 0, 0, time.UTC)
	for i := range rows {
		rows[i] = Row{ID: "event-" + strings.Repeat("x", i%7) + time.Duration(i).String()}
		spans[i] = Span{Start: start, End: start.Add(time.Hour)}
	}
	p := planProfile(rows, spans)
	last := map[string]Step{}
	changed, alone := 0, 0
	for _, s := range p.Steps {
		id := s.Event + "/" + s.Seat
		before, again := last[id]
		if again != (s.Number > 0) || (again && before.Number != s.Number-1) || (s.Kind == kindAnswer) == again {
			t.Fatalf("%s: %+v after %+v", id, s, before)
		}
		if again {
			changed++
		} else if s.Response == going && s.Party == 1 {
			alone++
		}
		last[id] = s
	}
	yes, first := 0, 0
	for _, s := range last {
		if s.Response == going {
			yes++
		}
	}
	for _, s := range p.Steps {
		if s.Kind == kindAnswer && s.Response == going {
			first++
		}
	}
	capped := 0
	for i := range rows {
		if rows[i].Capacity != nil {
			capped++
		}
	}
	n := float64(len(last))
	within(t, "answers per event", n/float64(len(rows)), 20, 30)
	within(t, "yes at the end", float64(yes)/n, .78, .84)
	within(t, "changed", float64(changed)/n, .15, .21)
	within(t, "alone", float64(alone)/float64(first), .91, .95)
	within(t, "events with a waitlist", float64(capped)/float64(len(rows)), .03, .07)
	if again := planProfile(rows, spans); !reflect.DeepEqual(again.Steps, p.Steps) {
		t.Error("the same file gave another plan")
	}
}

func within(t *testing.T, what string, v, low, high float64) {
	t.Helper()
	if v < low || v > high {
		t.Errorf("%s: %.3f, want %.2f to %.2f", what, v, low, high)
	}
}

const someTrace = `{"src":"s","rsvp":1,"event":"e1","member":"m1","response":"yes","guests":1,"mtime":100}
{"src":"s","rsvp":2,"event":"e1","member":"m2","response":"waitlist","guests":0,"mtime":101}
{"src":"s","rsvp":1,"event":"e1","member":"m1","response":"yes","guests":1,"mtime":100}
{"src":"s","rsvp":3,"event":"e2","member":"m1","response":"no","guests":0,"mtime":102}
{"src":"s","rsvp":1,"event":"e1","member":"m1","response":"no","guests":0,"mtime":150}
{"src":"s","rsvp":1,"event":"e1","member":"m1","response":"yes","guests":0,"mtime":120}
{"src":"s","rsvp":3,"event":"e2","member":"m1","response":"yes","guests":4,"mtime":102}
{"src":"s","rsvp":9,"event":"e2","member":"m4","response":"perhaps","guests":0,"mtime":102}
{"src":"s","rsvp":4,"event":"e2","member":"m5","response":"yes","guests":0,"mtime":103}
`

func TestTraceKeepsOrderRepeatsAndTheNewestAnswer(t *testing.T) {
	t.Parallel()
	answers, bad, err := ReadTrace(strings.NewReader(someTrace), 0)
	if err != nil || len(answers) != 8 || len(bad) != 1 {
		t.Fatal(len(answers), bad, err)
	}
	p := planTrace(answers, nil, .6)
	type line struct {
		kind, response string
		party, number  int
		repeat         bool
	}
	var got []line
	for _, s := range p.Steps {
		got = append(got, line{s.Kind, s.Response, s.Party, s.Number, s.Repeat})
	}
	want := []line{
		{kindAnswer, going, 2, 0, false},
		{kindAnswer, going, 1, 0, false},
		{kindAnswer, going, 2, 0, true}, // the exact repeat goes out as one
		{kindAnswer, notGoing, 1, 0, false},
		{kindChange, notGoing, 1, 1, false},
		// mtime 120 after 150 is skipped
		{kindChange, going, 5, 1, false}, // a tie: the later line wins
		{kindAnswer, going, 1, 0, false},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if p.Skipped["older-than-seen"] != 1 {
		t.Error(p.Skipped)
	}
	if p.Steps[0].key() != p.Steps[2].key() {
		t.Error("a repeat has another key")
	}
	if len(p.MadeUp) != 2 {
		t.Fatal(p.MadeUp)
	}
	if e1, e2 := p.MadeUp[0], p.MadeUp[1]; e1.Capacity != nil || e2.Capacity == nil || *e2.Capacity != 4 || e2.MaxParty != 5 {
		t.Errorf("e1 %+v, e2 %+v", e1, e2)
	}
}

func TestTraceMayBeGzipped(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(someTrace)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	answers, _, err := ReadTrace(&b, 3)
	if err != nil || len(answers) != 3 {
		t.Fatal(len(answers), err)
	}
}
