package reader

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/tidwall/gjson"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/document"
	"github.com/turnout-events/turnout/internal/elastic"
)

// Page is an answer to a search.
type Page struct {
	Items      []Found
	Total      int64
	Facets     map[string]map[string]int64
	Fuzzy      bool
	NextCursor string
}

// Found is an event in a page; Raw is contract.Event as it came.
type Found struct {
	ID         string
	Raw        json.RawMessage
	Seats      contract.Counters
	Version    int64
	DistanceKM *float64
}

// Event decodes it.
func (f Found) Event() (contract.Event, error) {
	var e contract.Event
	if err := json.Unmarshal(f.Raw, &e); err != nil {
		return e, fmt.Errorf("event of a listing document: %w", err)
	}
	return e, nil
}

// nowStep rounds the time that parts past from future, so that identical
// searches within it are the same request.
const nowStep = 10 * time.Second

// Search runs one page. Typos are forgiven only when nothing matches exactly.
func (s *Stores) Search(ctx context.Context, q Search, cursorText string, now time.Time) (Page, error) {
	bound := q
	bound.Limit = 0
	query, err := fingerprint(bound)
	if err != nil {
		return Page{}, err
	}
	at := cursor{Query: query, Now: now.Truncate(nowStep)}
	var after []any
	if cursorText != "" {
		if at, err = decodeCursor(cursorText, query, len(q.order())); err != nil {
			return Page{}, err
		}
		after = at.after()
	}
	result, err := s.search1(ctx, q, at, after)
	if err == nil && result.Total == 0 && q.Q != "" && cursorText == "" {
		at.Fuzzy = true
		if result, err = s.search1(ctx, q, at, after); refused(err) {
			result, err = elastic.SearchResult{}, nil // so many words, with so many others near each, that it gives up
		}
	}
	if err != nil {
		if refused(err) && cursorText != "" {
			return Page{}, ErrCursor.Because(err)
		}
		return Page{}, searched("search events", err)
	}
	return q.page(result, at)
}

func (s *Stores) search1(ctx context.Context, q Search, at cursor, after []any) (elastic.SearchResult, error) {
	body, none := q.body(at.Now, after, at.Fuzzy)
	if none {
		return elastic.SearchResult{}, nil
	}
	return run(s.search, func() (elastic.SearchResult, error) { return s.Elastic.Search(ctx, document.Listings, body) })
}

func (s Search) page(r elastic.SearchResult, at cursor) (Page, error) {
	p := Page{Items: make([]Found, 0, len(r.Hits)), Total: r.Total, Fuzzy: at.Fuzzy && r.Total > 0}
	hits := r.Hits[:min(len(r.Hits), s.Limit)]
	for _, hit := range hits {
		found := foundOf(hit)
		if s.Sort == SortDistance && len(hit.Sort) > 0 {
			if m, err := strconv.ParseFloat(string(hit.Sort[0]), 64); err == nil {
				d := m / 1000
				found.DistanceKM = &d
			}
		}
		p.Items = append(p.Items, found)
	}
	var err error
	if p.Facets, err = countsOf(r.Aggregations); err != nil {
		return p, err
	}
	if len(hits) < len(r.Hits) {
		at.After = hits[len(hits)-1].Sort
		p.NextCursor, err = at.encode()
	}
	return p, err
}

// foundOf takes a listing document apart; its event goes on as it is.
func foundOf(hit elastic.Hit) Found {
	found := Found{ID: hit.ID}
	gjson.ParseBytes(hit.Source).ForEach(func(key, v gjson.Result) bool {
		switch key.Str {
		case "event":
			found.Raw = json.RawMessage(v.Raw)
		case "seats":
			found.Seats = seatsIn(v)
		case "version":
			found.Version = v.Int()
		}
		return true
	})
	return found
}

// seatsIn reads contract.Counters; a name that is new there must be added here,
// which a test tells.
func seatsIn(seats gjson.Result) contract.Counters {
	var c contract.Counters
	seats.ForEach(func(key, v gjson.Result) bool {
		n := int(v.Int())
		switch key.Str {
		case "capacity":
			if v.Type == gjson.Number {
				c.Capacity = &n
			}
		case "going":
			c.Going = n
		case "maybe":
			c.Maybe = n
		case "waitlisted":
			c.Waitlisted = n
		case "held":
			c.Held = n
		case "checked_in":
			c.CheckedIn = n
		}
		return true
	})
	return c
}

func countsOf(aggregations map[string]json.RawMessage) (map[string]map[string]int64, error) {
	out := map[string]map[string]int64{"category": {}, "tag": {}, "city": {}, "country": {}, "month": {}}
	for name, raw := range aggregations {
		var agg struct {
			Buckets []struct {
				Key    any    `json:"key"`
				String string `json:"key_as_string"`
				Count  int64  `json:"doc_count"`
			} `json:"buckets"`
		}
		if err := json.Unmarshal(raw, &agg); err != nil {
			return nil, fmt.Errorf("facet %s: %w", name, err)
		}
		counts := make(map[string]int64, len(agg.Buckets))
		for _, b := range agg.Buckets {
			key, ok := b.Key.(string)
			if !ok {
				key = b.String
			}
			counts[key] = b.Count
		}
		out[name] = counts
	}
	return out, nil
}
