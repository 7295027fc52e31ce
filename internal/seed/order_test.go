package seed

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// However many workers send at once, and however often one must try again, who
// waits for a seat waits in the order of the file.
func TestAReplayKeepsTheOrderOfTheWaitlist(t *testing.T) {
	t.Parallel()
	const guests, events = 60, 3
	var file strings.Builder
	queue := map[string][]string{}
	for n := range guests * events {
		event, member := fmt.Sprintf("e%d", n%events), fmt.Sprintf("m%d", n)
		_, _ = fmt.Fprintf(&file, `{"src":"s","rsvp":%d,"event":%q,"member":%q,"response":"yes","guests":0,"mtime":%d}`+"\n", n, event, member, n)
		if n >= guests*events/2 { // half of each event's guests fit
			queue["trace-s-"+event] = append(queue["trace-s-"+event], memberOf(member))
		}
	}
	answers, bad, err := ReadTrace(strings.NewReader(file.String()), 0)
	if err != nil || len(bad) != 0 {
		t.Fatal(bad, err)
	}
	s, url := newServer(t)
	c := configFor(url)
	c.Answers, c.CapacityShare, c.Workers = AnswersTrace, 0.5, 8
	got, err := Run(t.Context(), c, Input{Name: "trace", Trace: answers}, &tally{}, time.Now)
	if err != nil || got.Lost() != 0 {
		t.Fatalf("%+v, %v", got, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, want := range queue {
		if !slices.Equal(s.events[id].queue, want) {
			t.Errorf("%s: the waitlist is\n%v\nthe file has\n%v", id, s.events[id].queue, want)
		}
	}
}

func memberOf(id string) string { return member("s", id).Email }

// A rate bounds how fast requests go out, whatever they are and however many workers there are.
func TestARateIsKept(t *testing.T) {
	t.Parallel()
	s, url := newServer(t)
	c := configFor(url)
	c.Rate = 100
	began := time.Now()
	if _, err := Run(t.Context(), c, countsInput(), &tally{}, time.Now); err != nil {
		t.Fatal(err)
	}
	took := time.Since(began)
	s.mu.Lock()
	defer s.mu.Unlock()
	// The first goes at once. There is no bound from above: a busy machine may take its time.
	if least := time.Duration(s.calls-1) * 10 * time.Millisecond; s.calls < 30 || took < least {
		t.Errorf("%d requests took %s; at 100 a second they take %s", s.calls, took, least)
	}
}
