package campaign_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/turnout-events/turnout/internal/fault"
	"github.com/turnout-events/turnout/notifier/campaign"
)

// The split is as fair as its shares, the same however often it is asked, and
// not the same for the next campaign.
func TestTheSplitIsFairAndStable(t *testing.T) {
	t.Parallel()
	const guests = 20_000
	for _, shares := range [][]int{{50, 50}, {10, 90}, {25, 25, 25, 25}, {100}} {
		var variants []campaign.Variant
		for i, s := range shares {
			variants = append(variants, campaign.Variant{Name: fmt.Sprint(i), Share: s})
		}
		got, moved := make([]int, len(shares)), 0
		for i := range guests {
			rsvp := fmt.Sprintf("guest-%d", i)
			v := campaign.Pick("one", rsvp, variants)
			if again := campaign.Pick("one", rsvp, variants); again != v {
				t.Fatalf("%s: %d, then %d", rsvp, v, again)
			}
			if campaign.Pick("two", rsvp, variants) != v {
				moved++
			}
			got[v]++
		}
		for i, share := range shares {
			want := guests * share / 100
			if off := got[i] - want; off < -guests/100 || off > guests/100 {
				t.Errorf("%v: variant %d got %d of %d, expected %d within one percent", shares, i, got[i], guests, want)
			}
		}
		if len(shares) > 1 && moved < guests/10 {
			t.Errorf("%v: the next campaign splits alike (%d differ)", shares, moved)
		}
	}
}

func TestASplitThatIsNone(t *testing.T) {
	t.Parallel()
	for _, bad := range [][]campaign.Variant{
		nil, {{Name: "A", Share: 99}}, {{Name: "A", Share: 50}, {Name: "A", Share: 50}}, {{Name: "A", Share: 0}, {Name: "B", Share: 100}},
		{{Name: "A", Share: 20}, {Name: "B", Share: 20}, {Name: "C", Share: 20}, {Name: "D", Share: 20}, {Name: "E", Share: 20}},
		{{Name: "", Share: 100}},
	} {
		if campaign.CheckVariants(bad) == nil {
			t.Errorf("%v is taken", bad)
		}
	}
}

// Every state with every action: what is not named here is refused.
func TestHowACampaignMoves(t *testing.T) {
	t.Parallel()
	want := map[string]campaign.State{
		"draft start": campaign.Running, "scheduled start": campaign.Running, "running start": campaign.Running,
		"running pause": campaign.Paused, "paused pause": campaign.Paused,
		"paused resume": campaign.Running, "running resume": campaign.Running,
		"draft cancel": campaign.Cancelled, "scheduled cancel": campaign.Cancelled, "running cancel": campaign.Cancelled,
		"paused cancel": campaign.Cancelled, "cancelled cancel": campaign.Cancelled,
	}
	for _, state := range []campaign.State{campaign.Draft, campaign.Scheduled, campaign.Running, campaign.Paused, campaign.Cancelled, campaign.Done} {
		for _, action := range []campaign.Action{campaign.Start, campaign.Pause, campaign.Resume, campaign.Cancel} {
			next, err := campaign.Next(state, action)
			expected, allowed := want[fmt.Sprintf("%s %s", state, action)]
			if allowed != (err == nil) || allowed && next != expected {
				t.Errorf("%s %s: %s, %v", state, action, next, err)
			}
			if err != nil && (!errors.Is(err, campaign.ErrState) || fault.KindOf(err) != fault.Conflict) {
				t.Errorf("%s %s: %v", state, action, err)
			}
		}
	}
}

func TestTheSieve(t *testing.T) {
	t.Parallel()
	yes, no := true, false
	ana := campaign.Candidate{RSVPID: "1", Identity: "ana", Updates: true, Marketing: true}
	for name, c := range map[string]struct {
		segment  campaign.Segment
		in       []campaign.Candidate
		expected []string
	}{
		"updates within the event":  {campaign.Segment{Scope: "event"}, []campaign.Candidate{ana, {Marketing: true}, {Updates: true, Erased: true}}, []string{"", "without-consent", "erased"}},
		"marketing beyond it":       {campaign.Segment{Scope: "organization"}, []campaign.Candidate{ana, {Identity: "bo", Updates: true}}, []string{"", "without-consent"}},
		"one mail per person":       {campaign.Segment{Scope: "organization"}, []campaign.Candidate{ana, ana}, []string{"", "same-person"}},
		"the latest answer decides": {campaign.Segment{Scope: "organization"}, []campaign.Candidate{{Identity: "ana"}, ana}, []string{"without-consent", "same-person"}},
		"without a key":             {campaign.Segment{Scope: "organization"}, []campaign.Candidate{{Marketing: true}}, []string{"erased"}},
		"who was there":             {campaign.Segment{Scope: "event", AttendedBefore: &yes}, []campaign.Candidate{ana, {Identity: "bo", Updates: true}}, []string{"", "not-attended-before"}},
		"who was not":               {campaign.Segment{Scope: "event", AttendedBefore: &no}, []campaign.Candidate{ana, {Identity: "bo", Updates: true}}, []string{"attended-before", ""}},
	} {
		sieve := campaign.NewSieve(c.segment, map[string]bool{"ana": true})
		for i, candidate := range c.in {
			if got := sieve.Take(candidate); got != c.expected[i] {
				t.Errorf("%s: candidate %d: %q, expected %q", name, i, got, c.expected[i])
			}
		}
	}
}

func TestSegments(t *testing.T) {
	t.Parallel()
	if s := (campaign.Segment{}).Complete(); s.Scope != campaign.ScopeEvent || s.Answer != "all" || s.Check() != nil {
		t.Errorf("%+v: %v", s, s.Check())
	}
	if s := (campaign.Segment{City: "Weimar"}).Complete(); s.Scope != campaign.ScopeOrganization {
		t.Errorf("%+v", s)
	}
	for _, bad := range []campaign.Segment{{Answer: "pending"}, {Scope: "world"}, {PartyMin: 3, PartyMax: 2}, {PartyMin: -1}, {PartyMax: 1001}, {Tag: " "}} {
		if bad.Complete().Check() == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
	for _, answer := range []string{"going", "maybe", "waitlisted", "not_going", "all"} {
		for _, status := range (campaign.Segment{Answer: answer}).Statuses() {
			if status == "pending" || status == "cancelled" {
				t.Errorf("%s reaches %s", answer, status)
			}
		}
	}
	start := time.Date(2026, 5, 2, 8, 0, 0, 0, time.UTC)
	if got := campaign.Expected(start, 2500, 1000); !got.Equal(start.Add(2 * time.Hour)) {
		t.Error(got)
	}
}
