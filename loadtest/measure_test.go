package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/turnout-events/turnout/loadtest/wire"
)

func answerOf(event, rsvp string, version int) []byte {
	return fmt.Appendf(nil, `{"id":%q,"event_id":%q,"status":"confirmed","version":%d}`, rsvp, event, version)
}

// The ledger must catch what would make the figures worthless.
func TestLedgerFindsWhatIsToldTwice(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answers [][]byte
		wrong   bool
	}{
		"all is well":     {[][]byte{answerOf("e", "a", 1), answerOf("e", "b", 2), answerOf("f", "c", 1)}, false},
		"one RSVP twice":  {[][]byte{answerOf("e", "a", 1), answerOf("e", "a", 2)}, true},
		"a version twice": {[][]byte{answerOf("e", "a", 1), answerOf("e", "b", 1)}, true},
	} {
		notes := make([]note, 2)
		for i, a := range c.answers {
			notes[i%2].answer(201, a)
		}
		notes[0].answer(409, []byte("refused"))
		notes[1].answer(503, []byte("who knows"))
		l := &ledger{}
		l.add(notes, &wire.Figures{Failed: 1, Failure: errors.New("cut off")})
		if err := l.check(); (err != nil) != c.wrong {
			t.Errorf("%s: %v", name, err)
		}
		if len(l.ends) != len(c.answers) || l.unknown != 2 {
			t.Errorf("%s: %d answers, %d unknown", name, len(l.ends), l.unknown)
		}
		if confirmed, others, err := l.seated("f"); err != nil || others != 0 || confirmed != strings.Count(name, "all") {
			t.Errorf("%s: %d confirmed, %d others, %v", name, confirmed, others, err)
		}
	}
}

func TestRatiosAreOfTheSameRound(t *testing.T) {
	t.Parallel()
	// The machine halved its speed after the first round: each ratio is the same.
	r := series{100, 50, 51}.over(series{10, 5, 5.1}).row("x", "×").atLeast(10)
	if r.Median != 10 || r.Low != 10 || r.High != 10 || r.N != 3 || !*r.Met {
		t.Errorf("%+v", r)
	}
	if r := (series{4, 1, 3, 2}).row("x", "ms").atMost(2); r.Median != 2.5 || r.Low != 1 || r.High != 4 || *r.Met {
		t.Errorf("%+v", r)
	}
	if r := (series{}).over(series{}).row("x", "×").atLeast(0); *r.Met {
		t.Error("what was not measured counts as reached")
	}
}

// A run that is slow is a result; one that lost an answer is an error.
func TestABrokenGuaranteeFailsTheRun(t *testing.T) {
	t.Parallel()
	one := series{1}
	if err := broken([]row{one.row("slow", "×").atLeast(15), one.row("seated", "answers").exactly(1)}); err != nil {
		t.Error(err)
	}
	if err := broken([]row{one.row("lost", "RSVPs").exactly(0), one.row("seated", "answers").exactly(1)}); err == nil || !strings.Contains(err.Error(), "lost: 1, want = 0") {
		t.Errorf("one lost: %v", err)
	}
	if broken([]row{(series{}).row("lost", "RSVPs").exactly(0)}) == nil {
		t.Error("what was not looked at counts as kept")
	}
}

func TestRoundsAlternate(t *testing.T) {
	t.Parallel()
	var order strings.Builder
	arm := func(name string) func() error { return func() error { order.WriteString(name); return nil } }
	if err := alternate(3, arm("a"), arm("b"), arm("c")); err != nil || order.String() != "abccbaabc" {
		t.Errorf("%s, %v", order.String(), err)
	}
}

func TestOnlyLoopbackIsLoaded(t *testing.T) {
	t.Parallel()
	for url, ok := range map[string]bool{
		"http://127.0.0.1:8080": true, "http://[::1]:1": true, "http://localhost": true,
		"http://192.0.2.1": false, "https://example.org": false, "postgres://u:p@db.example.org/x": false,
	} {
		if err := loopback(url); (err == nil) != ok {
			t.Errorf("%s: %v", url, err)
		}
	}
}
