package httpapi

import (
	"context"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/gin-gonic/gin"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/document"
	"github.com/turnout-events/turnout/query/reader"
)

// maxRadius is half of the way around the earth, in km.
const maxRadius = 20_040

var searchParams = []string{"q", "in", "prefix", "near", "radius", "bbox", "from", "to", "time_zone", "category", "tag", "city",
	"country", "online", "status", "past", "available", "sort", "limit", "cursor"}

const keepSearch = "public, max-age=1"

// kept answers a search from memory before anything is made of its parameters:
// what is there was answered to the same words a moment ago, and it is the same
// for everybody.
func (a *API) kept(next gin.HandlerFunc) gin.HandlerFunc {
	return func(c *gin.Context) {
		if c.GetHeader(HeaderMinVersion) == "" {
			if answer, ok := a.Cache.Kept(reader.Asked{Route: routeSearch, Query: c.Request.URL.RawQuery}); ok {
				c.Header("Cache-Control", keepSearch)
				a.answer(c, func(c *gin.Context) error { return sendJSON(c, answer.ETag, answer.Body) })
				return
			}
		}
		next(c)
	}
}

// searchEvents answers GET /v1/events.
func (a *API) searchEvents(c *gin.Context) error {
	p := paramsOf(c, searchParams...)
	q := searchOf(p)
	if err := p.err(); err != nil {
		return err
	}
	return a.search(c, q, p.values.Get("cursor"), true)
}

func searchOf(p *params) reader.Search {
	zone := p.zone("time_zone")
	q := reader.Search{
		Q: p.text("q"), TitleOnly: p.oneOf("in", "all", "title", "all") == "title", Prefix: p.flag("prefix"),
		From: p.moment("from", zone), To: p.moment("to", zone),
		Category: p.text("category"), City: p.text("city"), Country: country(p),
		Online: p.boolean("online"), Available: p.boolean("available"),
		Status: p.oneOf("status", contract.EventPublished, contract.EventPublished, contract.EventCancelled, reader.StatusAll),
		Past:   p.flag("past"), Limit: p.limit(),
	}
	for _, t := range p.values["tag"] {
		if t = strings.TrimSpace(t); t != "" && utf8.RuneCountInString(t) <= maxText {
			q.Tags = append(q.Tags, t)
		} else {
			p.complain("tag", "must not be empty, or long")
		}
	}
	if q.From != nil && q.To != nil && q.To.Before(*q.From) {
		p.complain("to", "is before from")
	}
	where(p, &q)
	fallback := reader.SortDate
	if q.Q != "" {
		fallback = reader.SortRelevance
	}
	q.Sort = p.oneOf("sort", fallback, reader.SortRelevance, reader.SortDate, reader.SortLatest, reader.SortDistance, reader.SortPopular)
	if q.Sort == reader.SortDistance && q.Near == nil {
		p.complain("sort", "distance needs near")
	}
	if q.Sort == reader.SortRelevance && q.Q == "" {
		q.Sort = reader.SortDate // all are equally relevant
	}
	return q
}

func country(p *params) string {
	v := strings.ToUpper(p.text("country"))
	if v != "" && (len(v) != 2 || strings.Trim(v, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "") {
		p.complain("country", "must be two letters (ISO 3166-1)")
	}
	return v
}

func where(p *params, q *reader.Search) {
	if n := p.numbers("near", 2); n != nil {
		p.lat("near", n[0])
		p.lon("near", n[1])
		q.Near = &reader.Near{Lat: n[0], Lon: n[1]}
	}
	if r := p.numbers("radius", 1); r != nil {
		switch {
		case !p.has("near"):
			p.complain("radius", "needs near")
		case r[0] <= 0 || r[0] > maxRadius:
			p.complain("radius", "must be more than 0 and at most 20040 km")
		case q.Near != nil:
			q.Near.Radius = r[0]
		}
	}
	if b := p.numbers("bbox", 4); b != nil {
		p.lon("bbox", b[0])
		p.lat("bbox", b[1])
		p.lon("bbox", b[2])
		p.lat("bbox", b[3])
		if b[1] > b[3] {
			p.complain("bbox", "south is north of north: west,south,east,north")
		}
		q.Box = &reader.Box{West: b[0], South: b[1], East: b[2], North: b[3]}
	}
}

// search answers a page; what many ask for at once is asked for once.
func (a *API) search(c *gin.Context, q reader.Search, cursor string, public bool) error {
	ctx := c.Request.Context()
	want, err := least(c)
	if err != nil {
		return err
	}
	load := func(ctx context.Context) (reader.Answer, error) {
		page, err := a.Stores.Search(ctx, q, cursor, a.Now())
		if err != nil {
			return reader.Answer{}, err
		}
		return answerOf(pageJSON(page)), nil
	}
	var answer reader.Answer
	switch {
	case want.Version > 0:
		c.Header("Cache-Control", "private, no-cache")
		if err = a.Stores.Visible(ctx, document.Listings, want); err == nil {
			answer, err = load(ctx)
		}
	case public:
		c.Header("Cache-Control", keepSearch)
		answer, err = a.Cache.Get(ctx, reader.Asked{Route: routeSearch, Query: c.Request.URL.RawQuery}, load)
	default:
		c.Header("Cache-Control", "private, no-cache")
		answer, err = load(ctx)
	}
	if err != nil {
		return err
	}
	return sendJSON(c, answer.ETag, answer.Body)
}

func pageJSON(p reader.Page) []byte {
	size := 4096 // the facets
	for _, f := range p.Items {
		size += len(f.Raw) + 320 // its seats, version and distance
	}
	out := make([]byte, 0, size)
	out = append(out, `{"items":[`...)
	for i, f := range p.Items {
		if i > 0 {
			out = append(out, ',')
		}
		out = eventJSON(out, f.ID, f.Raw, f.Version, f.Seats, f.DistanceKM)
	}
	out = append(out, `],"next_cursor":`...)
	if p.NextCursor == "" {
		out = append(out, `null`...)
	} else {
		out = strconv.AppendQuote(out, p.NextCursor)
	}
	out = append(out, `,"total":`...)
	out = strconv.AppendInt(out, p.Total, 10)
	out = append(out, `,"fuzzy":`...)
	out = strconv.AppendBool(out, p.Fuzzy)
	out = append(out, `,"facets":{`...)
	for i, f := range p.Facets {
		if i > 0 {
			out = append(out, ',')
		}
		out = facetJSON(out, f)
	}
	return append(out, "}}"...)
}

func facetJSON(out []byte, f reader.Facet) []byte {
	out = strconv.AppendQuote(out, f.Name)
	out = append(out, ":{"...)
	for i, c := range f.Counts {
		if i > 0 {
			out = append(out, ',')
		}
		out, _ = jsontext.AppendQuote(out, c.Value) // what is no UTF-8 is replaced, as encoding/json does it
		out = append(out, ':')
		out = strconv.AppendInt(out, c.Events, 10)
	}
	return append(out, '}')
}
