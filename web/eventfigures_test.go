package web

import (
	"strings"
	"testing"
	"time"
)

func TestSharesAndTimesAheadInWords(t *testing.T) {
	t.Parallel()
	share := func(x float64) *float64 { return &x }
	for _, c := range []struct {
		share *float64
		want  string
	}{{nil, "–"}, {share(0), "0 %"}, {share(1), "100 %"}, {share(0.1383), "14 %"}, {share(0.004), "0.4 %"}, {share(0.05), "5 %"}, {share(1.25), "125 %"}} {
		if got := percent(c.share); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
	for hours, want := range map[float64]string{-1: "0 minutes", 0.5: "30 minutes", 1: "1 hour", 47.2: "47 hours", 736: "31 days"} {
		if got := ahead(hours); got != want {
			t.Errorf("%v hours are %q, want %q", hours, got, want)
		}
	}
}

// Bars stand where their days are: days without an answer are gaps, and a figure that undoes others has no bar.
func TestChartsLeaveGaps(t *testing.T) {
	t.Parallel()
	day := func(at string, n int) dayFigures { return dayFigures{Day: at, flowFigures: flowFigures{Answers: n}} }
	c := answeredChart([]dayFigures{day("2030-01-01", 4), day("2030-01-02", 0), day("2030-01-24", 2)})
	if len(c.Bars) != 2 || c.Bars[0].Height != 100 || c.Bars[1].Height != 50 || c.Bars[1].X != 575 || c.Bars[1].Y != 50 || c.Most != 4 || c.Last != "24 January 2030" {
		t.Errorf("%+v", c)
	}
	if c := answeredChart(nil); len(c.Bars) != 0 || c.Most != 0 {
		t.Errorf("of nothing: %+v", c)
	}
	f := *decoded[eventFigures](t, `{"check_in_curve":[{"at":"2030-07-01T17:00:00Z","people":5},{"at":"2030-07-01T17:30:00Z","people":-1}],"ratings":{"count":2,"average":4.5,"by_rating":{"5":1,"4":1}},"by_status":{"cancelled":{"parties":1,"people":2},"confirmed":{"parties":3,"people":4}}}`)
	s := shownFigures(f, "Europe/Berlin")
	if len(s.Door.Bars) != 1 || s.Door.First != "1 July, 19:00" || s.Quarters[1].From != "Mon 1 Jul, 19:30" {
		t.Errorf("%+v %+v", s.Door, s.Quarters)
	}
	if len(s.Statuses) != 2 || s.Statuses[0] != (statusCount{"Going", 3, 4}) || len(s.Stars) != 5 || s.Stars[1] != (ratingCount{4, 1}) {
		t.Errorf("%+v %+v", s.Statuses, s.Stars)
	}
}

func TestTheProofInWords(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"intact":true,"capacity_never_exceeded":true}`:                                                          "At no moment",
		`{"intact":true,"capacity_never_exceeded":false,"exceeded_at":[4,5]}`:                                     "2 times",
		`{"intact":false,"broken_at":7,"reason":"a version is missing before it","capacity_never_exceeded":null}`: "altered at entry 7",
		`{"intact":false,"broken_at":7,"reason":"missing","capacity_never_exceeded":false,"exceeded_at":[4]}`:     "1 time.",
	} {
		words, good := decoded[proof](t, body).verdict()
		if !strings.Contains(words, want) || good != strings.HasPrefix(words, "At no moment") {
			t.Errorf("%s: %q, good %t", body, words, good)
		}
	}
	o := organize(t, "door", map[string]string{"GET " + ownPath + "/certificate": `{"version":9,"head":"abc","intact":true,"capacity_never_exceeded":true,"capacities":[{"version":1,"capacity":null,"at":"2030-01-01T12:00:00Z"}],"most_seated":3}`}, reads(t, nil))
	if _, body := o.get(eventRoot); strings.Contains(body, "At no moment") || len(o.asked("GET", ownPath+"/certificate")) > 0 {
		t.Errorf("the log is walked unasked\n%s", body)
	}
	if _, body := o.get(eventRoot + "?proof=1"); !strings.Contains(body, "At no moment") || !strings.Contains(body, "Tuesday 1 January 2030, 13:00") || !strings.Contains(body, "unlimited") {
		t.Errorf("no proof in\n%s", body)
	}
}

// Figures that cannot be had are no reason to show no event; days that cannot be counted in a zone are counted in UTC.
func TestFiguresThatCannotBeHad(t *testing.T) {
	t.Parallel()
	for _, answer := range []string{`{"status":503,"code":"search-unavailable"}`, `{"status":400,"code":"invalid-input"}`} {
		query := reads(t, map[string]any{"time_zone": "EST"})
		query["GET "+ownPath+"/analytics"] = answer
		query["GET /v1/organizations/"+orgID+"/analytics/overview"] = answer
		o := organize(t, "analyst", nil, query)
		for _, path := range []string{eventRoot, "/o/" + orgID} {
			if res, body := o.get(path); res.StatusCode != 200 || !strings.Contains(body, "not known right now") || !strings.Contains(body, "Walk") {
				t.Errorf("%s: %d\n%s", path, res.StatusCode, body)
			}
		}
		asked := o.asked("GET", ownPath+"/analytics")
		if asked[0].query != "time_zone=EST" || strings.Contains(answer, "400") && (len(asked) != 2 || asked[1].query != "") {
			t.Errorf("asked %v", asked)
		}
	}
}

func TestAnEventsState(t *testing.T) {
	t.Parallel()
	for change, want := range map[string]map[string]any{
		"draft": {"status": "draft"}, "cancelled": {"status": "cancelled"}, "published": {}, "over": {"ends_at": time.Now().Add(-time.Hour)},
	} {
		if got := decoded[ownEvent](t, own(t, want)).State(); got != change {
			t.Errorf("%v is %s, want %s", want, got, change)
		}
	}
}
