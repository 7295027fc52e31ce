package seed

import (
	"context"
	"math"
	"net/http"
	"net/url"
)

// listedEvent is an event of a page, as far as the cases ask.
type listedEvent struct {
	ID         string `json:"id"`
	ExternalID string `json:"external_id"`
	Venue      Venue  `json:"venue"`
	Seats      Seats  `json:"availability"`
}

type listing struct {
	Items  []listedEvent             `json:"items"`
	Total  int                       `json:"total"`
	Fuzzy  bool                      `json:"fuzzy"`
	Facets map[string]map[string]int `json:"facets"`
	Next   string                    `json:"next_cursor"`
}

// found is all that a search finds.
type found struct {
	items []listedEvent
	total int
}

// walk reads every page. What only a forgiven typo finds does not count.
func walk(ctx context.Context, api *API, q url.Values) (found, error) {
	var all found
	q.Set("limit", "100")
	for {
		p, err := page(ctx, api, q)
		if err != nil || p.Fuzzy {
			return found{}, err
		}
		all.items, all.total = append(all.items, p.Items...), p.Total
		if p.Next == "" || len(p.Items) == 0 {
			return all, nil
		}
		q.Set("cursor", p.Next)
	}
}

func total(ctx context.Context, api *API, q url.Values) (int, error) {
	q.Set("limit", "1")
	p, err := page(ctx, api, q)
	if p.Fuzzy {
		return 0, err
	}
	return p.Total, err
}

func page(ctx context.Context, api *API, q url.Values) (listing, error) {
	if !q.Has("status") {
		q.Set("status", "all")
	}
	q.Set("past", "true")
	var p listing
	err := api.Do(ctx, Request{Method: http.MethodGet, Path: "/v1/events?" + q.Encode()}, &p)
	return p, err
}

// distance is the great circle in km on a sphere of the earth's mean radius
// (IUGG: 6371.0088 km; Elasticsearch uses 6371.0087714), by haversines.
func distance(lat1, lon1, lat2, lon2 float64) float64 {
	rad := math.Pi / 180
	a := hav((lat2-lat1)*rad) + math.Cos(lat1*rad)*math.Cos(lat2*rad)*hav((lon2-lon1)*rad)
	return 2 * 6371.0087714 * math.Asin(math.Sqrt(min(1, a)))
}

func hav(x float64) float64 { s := math.Sin(x / 2); return s * s }
