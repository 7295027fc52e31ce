package reader

import (
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/document"
)

// The orders of a search.
const (
	SortRelevance = "relevance"
	SortDate      = "date"
	SortLatest    = "latest" // the last to start first
	SortDistance  = "distance"
	SortPopular   = "popular"
)

// StatusAll asks for published and cancelled events.
const StatusAll = "all"

// Near is a point and, when Radius is more than 0, a circle around it.
type Near struct {
	Lat, Lon float64
	Radius   float64 // km
}

// Box may cross the date line: West is greater than East then.
type Box struct{ West, South, East, North float64 }

// Search is what one may ask of events.
type Search struct {
	Q         string
	TitleOnly bool
	Prefix    bool // the last word is the beginning of one
	Near      *Near
	Box       *Box
	From, To  *time.Time // start in [From, To)
	Category  string
	Tags      []string // all of them
	City      string
	Country   string
	Online    *bool
	Available *bool
	Status    string
	Past      bool // also what is over
	Sort      string
	Limit     int

	Organization string // all of one organization's, unlisted ones and drafts too
	Drafts       bool
	ExternalID   string
	PublicOnly   bool // of the organization, what anybody may find
	Series       string
	Lean         bool // no facets, no total
}

type object = map[string]any

func term(field string, value any) object { return object{"term": object{field: value}} }

// filters are what narrows without ranking.
func (s Search) filters(now time.Time) []any {
	var f []any
	add := func(o object) { f = append(f, o) }
	if s.Organization != "" {
		add(term("organization_id", s.Organization))
	}
	if s.PublicOnly || s.Organization == "" && s.Series == "" {
		add(term("visibility", contract.VisibilityPublic))
	}
	if s.ExternalID != "" {
		add(term("order_key", s.ExternalID))
	}
	if s.Series != "" {
		add(term("series_id", s.Series))
	}
	if !s.Drafts {
		add(object{"bool": object{"must_not": []any{term("visibility", document.NotAnnounced)}}})
	}
	switch {
	case s.Drafts && s.Status == StatusAll:
	case s.Status == StatusAll:
		add(object{"terms": object{"status": []string{contract.EventPublished, contract.EventCancelled}}})
	default:
		add(term("status", s.Status))
	}
	if !s.Past {
		add(object{"range": object{"ends_at": object{"gt": stamp(now)}}})
	}
	if s.From != nil || s.To != nil {
		r := object{}
		if s.From != nil {
			r["gte"] = stamp(*s.From)
		}
		if s.To != nil {
			r["lt"] = stamp(*s.To)
		}
		add(object{"range": object{"starts_at": r}})
	}
	if s.Near != nil && s.Near.Radius > 0 {
		add(object{"geo_distance": object{"distance": km(s.Near.Radius), "location": point(*s.Near)}})
	}
	if b := s.Box; b != nil {
		add(object{"geo_bounding_box": object{"location": object{
			"top": b.North, "bottom": b.South, "left": b.West, "right": b.East}}})
	}
	if s.Category != "" {
		add(term("category_key", document.Key(s.Category)))
	}
	for _, t := range s.Tags {
		add(term("tag_keys", document.Key(t)))
	}
	if s.City != "" {
		add(term("city_key", document.Key(s.City)))
	}
	if s.Country != "" {
		add(term("country", s.Country))
	}
	if s.Online != nil {
		add(term("online", *s.Online))
	}
	if s.Available != nil {
		add(term("available", *s.Available))
	}
	return f
}

// stamp is a time as the mapping reads it.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func point(n Near) object { return object{"lat": n.Lat, "lon": n.Lon} }

// words are the clauses of Q. Every word must be in the field that is asked;
// where else it is decides the rank, in fixed steps: a rank that depends on how
// often a word occurs would change under a cursor with every insert.
func (s Search) words(fuzzy bool) (must, should []any, none bool) {
	words := document.Words(s.Q)
	if s.Q == "" {
		return nil, nil, false
	}
	if len(words) == 0 {
		return nil, nil, true // signs only: no title has them
	}
	field := "everything"
	if s.TitleOnly {
		field = "title"
	}
	for i, w := range words {
		last := i == len(words)-1
		must = append(must, object{"constant_score": object{"filter": match(field, w, fuzzy, s.Prefix && last), "boost": 1}})
		if s.TitleOnly {
			continue
		}
		for other, boost := range map[string]int{"title": 8, "labels": 3, "place": 3} {
			should = append(should, object{"constant_score": object{"filter": match(other, w, fuzzy, s.Prefix && last), "boost": boost}})
		}
	}
	text := document.Text(s.Q)
	should = append(should, object{"constant_score": object{"filter": object{"match_phrase": object{"title": text}}, "boost": 16}})
	return must, should, false
}

// match finds one word. A typo is one edit in words of four to seven letters
// and two in longer ones; the first letter must be right. What is written
// without spaces is found wherever it stands: its pairs, one after the other.
func match(field, word string, fuzzy, prefix bool) object {
	switch {
	case document.Unspaced(word):
		return unspaced(field, word)
	case prefix && !fuzzy:
		return begins(field, word)
	case fuzzy && prefix:
		return object{"bool": object{"should": []any{match(field, word, false, true), match(field, word, true, false)}}}
	case fuzzy:
		return object{"fuzzy": object{field: object{"value": word, "fuzziness": "AUTO:4,8", "prefix_length": 1, "max_expansions": 50}}}
	default:
		return term(field, word)
	}
}

func begins(field, text string) object {
	return object{"prefix": object{field: object{"value": text}}}
}

func unspaced(field, word string) object {
	switch pairs := document.Pairs(word); {
	case utf8.RuneCountInString(word) == 1:
		return begins(field, word)
	case len(pairs) == 1:
		return term(field, pairs[0])
	default:
		return object{"match_phrase": object{field: strings.Join(pairs, " ")}}
	}
}

// order is the sort; its last keys make it total.
func (s Search) order() []any {
	asc := func(field string) object { return object{field: object{"order": "asc"}} }
	tie := []any{asc("order_key"), asc("event_id")}
	switch s.Sort {
	case SortDistance:
		return append([]any{object{"_geo_distance": object{
			"location": point(*s.Near), "order": "asc", "unit": "m", "ignore_unmapped": true,
		}}}, tie...)
	case SortLatest:
		return append([]any{object{"starts_at": object{"order": "desc"}}}, tie...)
	case SortPopular:
		return append([]any{object{"popularity": object{"order": "desc"}}, asc("starts_at")}, tie...)
	case SortRelevance:
		return append([]any{object{"_score": object{"order": "desc"}}, asc("starts_at")}, tie...)
	default:
		return append([]any{asc("starts_at")}, tie...)
	}
}

// facetNames are the aggregations of facets, in the order of an answer.
var facetNames = [...]string{"category", "city", "country", "month", "tag"}

// facets counts the whole result, by value; no country counts under "". It is
// the same each time, so it is written once.
const facets = `{"category":{"terms":{"field":"category","size":100}},"tag":{"terms":{"field":"tags","size":100}},` +
	`"city":{"terms":{"field":"city","size":100}},"country":{"terms":{"field":"country","size":300,"missing":""}},` +
	`"month":{"date_histogram":{"field":"starts_at","calendar_interval":"month","format":"yyyy-MM","min_doc_count":1}}}`

// fields of a listing document that make an answer.
const fields = `["event","seats","version"]`

// body is the whole request. It asks for one more than the page, to know whether
// there is a next one.
func (s Search) body(now time.Time, after []any, fuzzy bool) (object, bool) {
	must, should, none := s.words(fuzzy)
	query := object{"filter": s.filters(now)}
	if len(must) > 0 {
		query["must"] = must
	}
	if len(should) > 0 && s.Sort == SortRelevance {
		query["should"] = should
	}
	body := object{
		"size": s.Limit + 1, "track_total_hits": true, "query": object{"bool": query},
		"sort": s.order(), "aggs": json.RawMessage(facets),
	}
	if s.Lean {
		delete(body, "aggs")
		body["track_total_hits"] = 1 // enough to know whether typos have to be forgiven
	}
	if after != nil {
		body["search_after"] = after
	}
	return body, none
}

// Request is the body of the first page, with its documents, as Elasticsearch is asked for it when none of them is
// remembered at once; for measuring against it.
func (s Search) Request(now time.Time) map[string]any {
	body, _ := s.body(now.Truncate(nowStep), nil, false)
	body["_source"] = json.RawMessage(fields)
	return body
}
