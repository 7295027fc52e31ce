package web

import (
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/gin-gonic/gin"
)

// eventFigures are what the API tells of an event; docs/analytics.md says what each is.
type eventFigures struct {
	flowFigures

	Days     []dayFigures `json:"answers_over_time"`
	Seats    seatFigures  `json:"seats"`
	ByStatus map[string]struct {
		Parties int `json:"parties"`
		People  int `json:"people"`
	} `json:"by_status"`
	Ratings struct {
		Count    int            `json:"count"`
		Average  *float64       `json:"average"`
		ByRating map[string]int `json:"by_rating"`
	} `json:"ratings"`
	Lead *struct {
		Median float64 `json:"median_hours"`
		P10    float64 `json:"p10_hours"`
		P90    float64 `json:"p90_hours"`
	} `json:"lead_time"`
	Curve []struct {
		At     time.Time `json:"at"`
		People int       `json:"people"`
	} `json:"check_in_curve"`
	Mail []mailFigures `json:"mail"`
}

type flowFigures struct {
	Answers       int      `json:"answers"`
	Confirmations int      `json:"confirmations"`
	Cancellations int      `json:"cancellations"`
	Waitlisted    int      `json:"waitlisted"`
	Promotions    int      `json:"promotions"`
	CheckIns      int      `json:"check_ins"`
	CancelRate    *float64 `json:"cancellation_rate"`
	Conversion    *float64 `json:"waitlist_conversion"`
}

type dayFigures struct {
	Day string `json:"day"`
	flowFigures
}

type seatFigures struct {
	CheckedIn   int      `json:"checked_in"`
	Utilization *float64 `json:"utilization"`
	NoShows     *float64 `json:"no_show_rate"`
}

type mailFigures struct {
	Kind      string `json:"kind"`
	Sent      int    `json:"sent"`
	Delivered int    `json:"delivered"`
	Bounced   int    `json:"bounced"`
	Dead      int    `json:"dead"`
	Void      int    `json:"void"`
}

// Name is the kind in words.
func (m mailFigures) Name() string { return mailKind(m.Kind) }

// figuresShown are the figures and what is drawn of them.
type figuresShown struct {
	eventFigures

	Away     bool // they cannot be had right now
	Statuses []statusCount
	Stars    []ratingCount
	Answered chart
	Door     chart
	Quarters []quarter
	LeadTime string
}

type statusCount struct {
	Word            string
	Parties, People int
}

// quarter is a quarter of an hour at the door.
type quarter struct {
	From   string
	People int
}

type ratingCount struct{ Stars, Count int }

func (p *pages) figuresOf(c *gin.Context, e ownEvent) *figuresShown {
	var f eventFigures
	ctx, target := c.Request.Context(), p.api.query+"/v1/events/"+e.ID+"/analytics"
	_, err := p.api.do(ctx, http.MethodGet, target+"?time_zone="+url.QueryEscape(e.TimeZone), nil, &f, by(c))
	if err != nil && asProblem(err).Status == http.StatusBadRequest { // days cannot be counted in some old zones
		_, err = p.api.do(ctx, http.MethodGet, target, nil, &f, by(c))
	}
	if err != nil {
		p.log.WarnContext(ctx, "no figures of an event", "event", e.ID, "error", err)
		return &figuresShown{Away: true}
	}
	return shownFigures(f, e.TimeZone)
}

func shownFigures(f eventFigures, tz string) *figuresShown {
	s := &figuresShown{eventFigures: f, Answered: answeredChart(f.Days), Door: doorChart(f, tz)}
	for _, q := range f.Curve {
		s.Quarters = append(s.Quarters, quarter{inZone(q.At, tz).Format("Mon 2 Jan, 15:04"), q.People})
	}
	for _, status := range guestStatuses {
		if n, some := f.ByStatus[status]; some {
			s.Statuses = append(s.Statuses, statusCount{stateWord(status), n.Parties, n.People})
		}
	}
	for stars := 5; stars >= 1 && f.Ratings.Count > 0; stars-- {
		s.Stars = append(s.Stars, ratingCount{stars, f.Ratings.ByRating[fmt.Sprint(stars)]})
	}
	if l := f.Lead; l != nil {
		first, half, last := ahead(l.P90), ahead(l.Median), ahead(l.P10)
		s.LeadTime = "Half of the guests answered more than " + half + " before the start; the first tenth more than " + first + " before, the last tenth within " + last + " of it."
		if first == last {
			s.LeadTime = "The guests answered about " + half + " before the start."
		}
	}
	return s
}

// ahead is a time in hours as one would say it.
func ahead(hours float64) string {
	switch {
	case hours < 1:
		return counted(int(math.Round(max(hours, 0)*60)), "minute")
	case hours < 48:
		return counted(int(math.Round(hours)), "hour")
	}
	return counted(int(math.Round(hours/24)), "day")
}

func counted(n int, of string) string {
	if n == 1 {
		return "1 " + of
	}
	return fmt.Sprintf("%d %ss", n, of)
}

// percent is a share as it is read: 12 %, 0.4 %.
func percent(share *float64) string {
	if share == nil {
		return "–"
	}
	x := *share * 100
	if x == math.Trunc(x) || x >= 10 {
		return fmt.Sprintf("%.0f %%", x)
	}
	return fmt.Sprintf("%.1f %%", x)
}

// chart is drawn as an SVG of bars over time, 600 wide and 100 high; its numbers are in a table beside it.
type chart struct {
	Bars        []bar
	First, Last string
	Most        int
}

type bar struct {
	X, Y, Width, Height float64
	Title               string
}

// slot is a bar before it is drawn: its place in time, from 0.
type slot struct {
	at, count int
	title     string
}

func drawn(slots []slot) chart {
	var c chart
	if len(slots) == 0 {
		return c
	}
	first, last := slots[0].at, slots[len(slots)-1].at
	for _, s := range slots {
		c.Most = max(c.Most, s.count)
	}
	step := 600 / math.Max(float64(last-first+1), 12) // a few bars are not as wide as a wall
	for _, s := range slots {
		if s.count <= 0 {
			continue
		}
		high := math.Max(100*float64(s.count)/float64(c.Most), 1)
		c.Bars = append(c.Bars, bar{X: round2(float64(s.at-first) * step), Y: round2(100 - high), Width: round2(step * .85), Height: round2(high), Title: s.title})
	}
	return c
}

func round2(x float64) float64 { return math.Round(x*100) / 100 }

func answeredChart(days []dayFigures) chart {
	var slots []slot
	var first, last time.Time
	for _, d := range days {
		day, err := time.Parse(time.DateOnly, d.Day)
		if err != nil {
			continue
		}
		if first.IsZero() {
			first = day
		}
		last = day
		slots = append(slots, slot{int(day.Sub(first).Hours() / 24), d.Answers, shortDay(d.Day) + ": " + fmt.Sprint(d.Answers)})
	}
	c := drawn(slots)
	if len(slots) > 0 {
		c.First, c.Last = first.Format("2 January 2006"), last.Format("2 January 2006")
	}
	return c
}

// doorChart has a bar for every quarter of an hour, on the event's clock.
func doorChart(f eventFigures, tz string) chart {
	var slots []slot
	for _, q := range f.Curve {
		at := int(q.At.Sub(f.Curve[0].At).Minutes() / 15)
		slots = append(slots, slot{at, q.People, inZone(q.At, tz).Format("15:04") + ": " + fmt.Sprint(q.People)})
	}
	slices.SortStableFunc(slots, func(a, b slot) int { return a.at - b.at })
	c := drawn(slots)
	if n := len(f.Curve); n > 0 {
		c.First, c.Last = inZone(f.Curve[0].At, tz).Format("2 January, 15:04"), inZone(f.Curve[n-1].At, tz).Format("2 January, 15:04")
	}
	return c
}

// shortDay is a date as a table shows it.
func shortDay(day string) string {
	t, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return day
	}
	return t.Format("Mon 2 Jan 2006")
}
