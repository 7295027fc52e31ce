package reader

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/document"
	"github.com/turnout-events/turnout/internal/elastic"
	"github.com/turnout-events/turnout/internal/jsonwalk"
)

// Page is an answer to a search.
type Page struct {
	Items      []Found
	Total      int64
	Facets     []Facet // by name
	Fuzzy      bool
	NextCursor string
}

// Facet counts the events of a whole result by what they have in a field.
type Facet struct {
	Name   string
	Counts []Count // by value
}

// Count is how many events have a value.
type Count struct {
	Value  string
	Events int64
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
			result, err = &answered{}, nil // so many words, with so many others near each, that it gives up
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

// answered is a search's result and its documents, which are one for each hit.
type answered struct {
	elastic.SearchResult

	found []Found
}

func (s *Stores) search1(ctx context.Context, q Search, at cursor, after []any) (*answered, error) {
	body, none := q.body(at.Now, after, at.Fuzzy)
	if none {
		return &answered{}, nil
	}
	return run(s.search, func() (*answered, error) { return s.find(ctx, body) })
}

// find asks Elasticsearch which events match, and tells from memory what is in them. What it does not know as it is now,
// it asks for by id; if that has changed again meanwhile, all is asked for at once, so that an answer is of one moment.
func (s *Stores) find(ctx context.Context, body object) (*answered, error) {
	body["stored_fields"], body["seq_no_primary_term"] = "_none_", true // not even ids, which are stored beside the documents
	r, err := s.Elastic.Search(ctx, document.Listings, body)
	if err != nil {
		return nil, err
	}
	for i, h := range r.Hits {
		if len(h.Sort) == 0 {
			return nil, errors.New("a hit that does not say what it was sorted by")
		}
		r.Hits[i].ID = jsonwalk.Of(h.Sort[len(h.Sort)-1]).Text() // the last key of every order
	}
	found, unknown := s.documents.of(r.Hits)
	s.documents.hit.Add(float64(len(found) - len(unknown)))
	if len(unknown) > 0 {
		s.documents.miss.Add(float64(len(unknown)))
		if _, err := s.whole(ctx, object{"size": len(unknown), "query": object{"ids": object{"values": unknown}}, "track_total_hits": false}); err != nil {
			return nil, err
		}
		if found, unknown = s.documents.of(r.Hits); len(unknown) > 0 {
			return s.whole(ctx, body)
		}
	}
	return &answered{SearchResult: r, found: found}, nil
}

// whole searches for events with their documents, and remembers those.
func (s *Stores) whole(ctx context.Context, body object) (*answered, error) {
	delete(body, "stored_fields")
	body["_source"], body["seq_no_primary_term"] = json.RawMessage(fields), true
	a := &answered{}
	var err error
	a.SearchResult, err = s.Elastic.SearchWalk(ctx, document.Listings, body, func(w *jsonwalk.Walk) {
		a.found = append(a.found, foundIn(w))
	})
	if err == nil && len(a.found) != len(a.Hits) {
		err = fmt.Errorf("%d documents of %d hits", len(a.found), len(a.Hits))
	}
	if err == nil {
		s.documents.keep(a.Hits, a.found)
	}
	return a, err
}

func (s Search) page(r *answered, at cursor) (Page, error) {
	p := Page{Items: r.found[:min(len(r.found), s.Limit)], Total: r.Total, Fuzzy: at.Fuzzy && r.Total > 0}
	hits := r.Hits[:min(len(r.Hits), s.Limit)]
	for i, hit := range hits {
		found := &p.Items[i]
		found.ID = hit.ID
		if s.Sort == SortDistance && len(hit.Sort) > 0 {
			if m, err := strconv.ParseFloat(string(hit.Sort[0]), 64); err == nil {
				d := m / 1000
				found.DistanceKM = &d
			}
		}
	}
	var err error
	if p.Facets, err = facetsOf(r.Aggregations); err != nil {
		return p, err
	}
	if len(hits) < len(r.Hits) {
		at.After = hits[len(hits)-1].Sort
		p.NextCursor, err = at.encode()
	}
	return p, err
}

// foundIn takes a listing document apart; its event goes on as it is.
func foundIn(w *jsonwalk.Walk) (found Found) {
	w.Object(func(name []byte) {
		switch string(name) {
		case "event":
			found.Raw = w.Value()
		case "seats":
			found.Seats = seatsIn(w)
		case "version":
			found.Version = w.Int()
		}
	})
	return found
}

// seatsIn reads contract.Counters; a name that is new there must be added here,
// which a test tells.
func seatsIn(w *jsonwalk.Walk) (c contract.Counters) {
	w.Object(func(name []byte) {
		switch string(name) {
		case "capacity":
			if !w.Null() {
				n := int(w.Int())
				c.Capacity = &n
			}
		case "going":
			c.Going = int(w.Int())
		case "maybe":
			c.Maybe = int(w.Int())
		case "waitlisted":
			c.Waitlisted = int(w.Int())
		case "held":
			c.Held = int(w.Int())
		case "checked_in":
			c.CheckedIn = int(w.Int())
		}
	})
	return c
}

// facetsOf reads the buckets of every facet; one that was not asked for is empty.
func facetsOf(aggregations map[string]json.RawMessage) ([]Facet, error) {
	out := make([]Facet, 0, len(facetNames))
	for _, name := range facetNames {
		f := Facet{Name: name}
		if raw, ok := aggregations[name]; ok {
			if f.Counts, ok = bucketsOf(raw); !ok {
				return nil, fmt.Errorf("facet %s is not read: %.200s", name, raw)
			}
		}
		out = append(out, f)
	}
	return out, nil
}

func bucketsOf(aggregation []byte) (counts []Count, ok bool) {
	w := jsonwalk.Of(aggregation)
	w.Object(func(name []byte) {
		if string(name) == "buckets" {
			w.Array(func() { counts = append(counts, countOf(w)) })
		}
	})
	// By value, whatever their order: the answer's ETag must not depend on which shard came first.
	slices.SortFunc(counts, func(a, b Count) int { return strings.Compare(a.Value, b.Value) })
	return counts, !w.Bad()
}

// countOf reads a bucket; a month's key is a number, and its name beside it.
func countOf(w *jsonwalk.Walk) (c Count) {
	w.Object(func(name []byte) {
		switch string(name) {
		case "key":
			if w.Is('"') {
				c.Value = w.Text()
			}
		case "key_as_string":
			c.Value = w.Text()
		case "doc_count":
			c.Events = w.Int()
		}
	})
	return c
}
