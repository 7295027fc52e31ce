package seed

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// Oracle is a file of searches with the answers that a loaded file of events
// must give, found by brute force over that file.
type Oracle struct {
	Dataset string `json:"dataset"`
	Events  int    `json:"events"` // rows of the data set
	Cases   []Case `json:"cases"`
}

// Case is one search; Kind says which of the other fields count.
type Case struct {
	Kind      string   `json:"kind"`
	Total     int      `json:"total"`
	IDs       []string `json:"ids"` // external ids; of a large answer only some
	Lat       float64  `json:"lat"`
	Lon       float64  `json:"lon"`
	RadiusKM  float64  `json:"radius_km"`
	Nearest   []string `json:"nearest10"`
	South     float64  `json:"south"`
	North     float64  `json:"north"`
	West      float64  `json:"west"`
	East      float64  `json:"east"`
	From      string   `json:"from"` // moved by the shift
	To        string   `json:"to"`
	Tag       string   `json:"tag"`
	InPerson  *int     `json:"active_in_person"`
	Q         string   `json:"q"`
	Tokeniser bool     `json:"tokeniser_dependent"` // advisory: depends on what a word is
	// Counts by country, by month (2006-01, UTC) or by status and kind.
	Counts map[string]int `json:"counts"`
}

// The kinds of a case.
const (
	caseRadius    = "geo_radius"
	caseBox       = "geo_bbox"
	caseStart     = "start_range"
	caseTag       = "tag"
	caseTitle     = "title_all_terms_folded"
	caseCountries = "facet_country"
	caseMonths    = "histogram_month_utc"
	caseStatus    = "status_online"
)

// Verdict is what came of one case.
type Verdict struct {
	Case     string `json:"case"`
	Wrong    string `json:"wrong,omitempty"` // empty: answered exactly
	Advisory bool   `json:"advisory,omitempty"`
}

// ReadOracle reads a file of cases.
func ReadOracle(in io.Reader) (Oracle, error) {
	var o Oracle
	if err := json.NewDecoder(in).Decode(&o); err != nil {
		return o, fmt.Errorf("reading the oracle: %w", err)
	}
	return o, nil
}

// Ask puts every case to GET /v1/events. weeks is by how much the file's dates
// were moved when it was loaded.
func (o *Oracle) Ask(ctx context.Context, api *API, weeks int) ([]Verdict, error) {
	verdicts := make([]Verdict, 0, len(o.Cases))
	for i := range o.Cases {
		c := &o.Cases[i]
		wrong, err := c.ask(ctx, api, weeks)
		if err != nil {
			return verdicts, fmt.Errorf("%s: %w", c.name(), err)
		}
		verdicts = append(verdicts, Verdict{Case: c.name(), Wrong: wrong, Advisory: c.Tokeniser})
	}
	return verdicts, nil
}

func (c *Case) name() string {
	switch c.Kind {
	case caseRadius:
		return fmt.Sprintf("%g km around %g, %g", c.RadiusKM, c.Lat, c.Lon)
	case caseBox:
		return fmt.Sprintf("box %g, %g, %g, %g", c.West, c.South, c.East, c.North)
	case caseStart:
		return "starts " + c.From + " to " + c.To
	case caseTag:
		return "tag " + c.Tag
	case caseTitle:
		return "title " + strconv.Quote(c.Q)
	}
	return c.Kind
}

// ask gives what is wrong, or nothing.
func (c *Case) ask(ctx context.Context, api *API, weeks int) (string, error) {
	q := url.Values{}
	switch c.Kind {
	case caseRadius:
		return c.askRadius(ctx, api)
	case caseBox:
		q.Set("bbox", fmt.Sprintf("%g,%g,%g,%g", c.West, c.South, c.East, c.North))
	case caseStart:
		from, to, err := c.moved(weeks)
		if err != nil {
			return "", err
		}
		q.Set("from", from)
		q.Set("to", to)
	case caseTag:
		return c.askTag(ctx, api)
	case caseTitle:
		q.Set("q", c.Q)
		q.Set("in", "title")
	case caseCountries:
		return c.askCountries(ctx, api)
	case caseMonths:
		return c.askMonths(ctx, api, weeks)
	case caseStatus:
		return c.askStatus(ctx, api)
	default:
		return "nobody knows this kind of case", nil
	}
	a, err := walk(ctx, api, q)
	if err != nil {
		return "", err
	}
	return c.compare(a), nil
}

func (c *Case) moved(weeks int) (from, to string, err error) {
	var ends [2]string
	for i, s := range []string{c.From, c.To} {
		t, err := time.Parse(time.RFC3339, s)
		if err != nil {
			return "", "", fmt.Errorf("%q is not RFC 3339: %w", s, err)
		}
		ends[i] = t.AddDate(0, 0, week*weeks).UTC().Format(time.RFC3339)
	}
	return ends[0], ends[1], nil
}

// compare tells how an answer differs from the case.
func (c *Case) compare(a found) string {
	got := map[string]bool{}
	for _, e := range a.items {
		got[e.ExternalID] = true
	}
	switch {
	case a.total != c.Total:
		return fmt.Sprintf("%d found, want %d", a.total, c.Total)
	case len(a.items) != c.Total || len(got) != c.Total:
		return fmt.Sprintf("the pages hold %d events, %d different ones, want %d", len(a.items), len(got), c.Total)
	}
	for _, id := range c.IDs {
		if !got[id] {
			return id + " is missing"
		}
	}
	return ""
}

// askRadius also compares who is nearest: by distance, since events at the
// same place have no order among them.
func (c *Case) askRadius(ctx context.Context, api *API) (string, error) {
	q := url.Values{}
	q.Set("near", fmt.Sprintf("%g,%g", c.Lat, c.Lon))
	q.Set("radius", fmt.Sprintf("%g", c.RadiusKM))
	q.Set("sort", "distance")
	a, err := walk(ctx, api, q)
	if err != nil {
		return "", err
	}
	if wrong := c.compare(a); wrong != "" {
		return wrong, nil
	}
	away := map[string]float64{}
	for _, e := range a.items {
		if e.Venue.Lat == nil || e.Venue.Lon == nil {
			return e.ExternalID + " is found without a place", nil
		}
		away[e.ExternalID] = distance(c.Lat, c.Lon, *e.Venue.Lat, *e.Venue.Lon)
	}
	for i, id := range c.Nearest {
		want, ok := away[id]
		if !ok {
			return id + " is missing", nil
		}
		// Two metres: the store keeps a point to about a centimetre, and measures
		// on a sphere as well.
		if got := away[a.items[i].ExternalID]; math.Abs(got-want) > .002 {
			return fmt.Sprintf("number %d is %.3f km away, want %.3f", i+1, got, want), nil
		}
	}
	return "", nil
}

func (c *Case) askTag(ctx context.Context, api *API) (string, error) {
	n, err := total(ctx, api, url.Values{"tag": {c.Tag}})
	if err != nil || n != c.Total {
		return fmt.Sprintf("%d found, want %d", n, c.Total), err
	}
	if c.InPerson == nil {
		return "", nil
	}
	n, err = total(ctx, api, url.Values{"tag": {c.Tag}, "status": {"published"}, "online": {"false"}})
	if err != nil || n != *c.InPerson {
		return fmt.Sprintf("%d in person, want %d", n, *c.InPerson), err
	}
	return "", nil
}

func (c *Case) askCountries(ctx context.Context, api *API) (string, error) {
	a, err := page(ctx, api, url.Values{"limit": {"1"}})
	if err != nil {
		return "", err
	}
	got := a.Facets["country"]
	for country, want := range c.Counts {
		if got[country] != want {
			return fmt.Sprintf("%q: %d, want %d", country, got[country], want), nil
		}
	}
	if len(got) != len(c.Counts) {
		return fmt.Sprintf("%d countries, want %d", len(got), len(c.Counts)), nil
	}
	return "", nil
}

// askMonths counts the moved months. A start keeps its wall clock, so its
// instant may have moved by an hour: what lies within an hour of a border may
// stand on either side of it.
func (c *Case) askMonths(ctx context.Context, api *API, weeks int) (string, error) {
	for _, month := range slices.Sorted(maps.Keys(c.Counts)) {
		first, err := time.Parse("2006-01", month)
		if err != nil {
			return "", fmt.Errorf("%q is not a month: %w", month, err)
		}
		var n [2]int
		for i, slack := range []time.Duration{-time.Hour, time.Hour} {
			from := first.AddDate(0, 0, week*weeks).Add(-slack)
			to := first.AddDate(0, 1, 0).AddDate(0, 0, week*weeks).Add(slack)
			q := url.Values{"from": {from.Format(time.RFC3339)}, "to": {to.Format(time.RFC3339)}}
			if n[i], err = total(ctx, api, q); err != nil {
				return "", err
			}
		}
		if want := c.Counts[month]; want < n[0] || want > n[1] {
			return fmt.Sprintf("%s: %d to %d, want %d", month, n[0], n[1], want), nil
		}
	}
	return "", nil
}

func (c *Case) askStatus(ctx context.Context, api *API) (string, error) {
	for name, q := range map[string]url.Values{
		"active/online":       {"status": {"published"}, "online": {"true"}},
		"active/in-person":    {"status": {"published"}, "online": {"false"}},
		"cancelled/online":    {"status": {"cancelled"}, "online": {"true"}},
		"cancelled/in-person": {"status": {"cancelled"}, "online": {"false"}},
	} {
		n, err := total(ctx, api, q)
		if err != nil || n != c.Counts[name] {
			return fmt.Sprintf("%s: %d, want %d", name, n, c.Counts[name]), err
		}
	}
	return "", nil
}
