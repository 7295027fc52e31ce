package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/document"
	"github.com/turnout-events/turnout/internal/fault"
	"github.com/turnout-events/turnout/internal/id"
	"github.com/turnout-events/turnout/query/reader"
)

type suggestion struct {
	ID       string    `json:"id"`
	Slug     string    `json:"slug"`
	Title    string    `json:"title"`
	City     string    `json:"city,omitempty"`
	StartsAt time.Time `json:"starts_at"`
}

// suggest answers GET /v1/suggest: upcoming events whose title has the words,
// the last of which is still being typed.
func (a *API) suggest(c *gin.Context) error {
	p := paramsOf(c, "q", "limit")
	q := reader.Search{Q: p.text("q"), TitleOnly: true, Prefix: true, Status: contract.EventPublished, Sort: reader.SortRelevance, Limit: 8, Lean: true}
	if p.has("limit") {
		q.Limit = p.limit()
	}
	if q.Q == "" {
		p.complain("q", "is missing")
	}
	if err := p.err(); err != nil {
		return err
	}
	want, err := least(c)
	if err != nil {
		return err
	}
	ctx := c.Request.Context()
	load := func(ctx context.Context) (reader.Answer, error) {
		page, err := a.Stores.Search(ctx, q, "", a.Now())
		if err != nil {
			return reader.Answer{}, err
		}
		return suggestions(page)
	}
	var answer reader.Answer
	if want.Version > 0 { // nothing kept is known to be as new
		c.Header("Cache-Control", "private, no-cache")
		if err = a.Stores.Visible(ctx, document.Listings, want); err == nil {
			answer, err = load(ctx)
		}
	} else {
		c.Header("Cache-Control", "public, max-age=5")
		answer, err = a.Cache.Get(ctx, reader.Asked{Route: routeSuggest, Query: c.Request.URL.RawQuery}, load)
	}
	if err != nil {
		return err
	}
	return sendJSON(c, answer.ETag, answer.Body)
}

func suggestions(page reader.Page) (reader.Answer, error) {
	out := list[suggestion]{Items: make([]suggestion, 0, len(page.Items))}
	for _, f := range page.Items {
		e, err := f.Event()
		if err != nil {
			return reader.Answer{}, err
		}
		s := suggestion{ID: e.ID, Slug: e.Slug, Title: e.Title, StartsAt: e.StartsAt}
		if e.Venue != nil {
			s.City = e.Venue.City
		}
		out.Items = append(out.Items, s)
	}
	body, err := json.Marshal(out)
	return answerOf(body), err
}

// series answers GET /v1/series/{id}: the events of a repetition, in order.
func (a *API) series(c *gin.Context) error {
	p := paramsOf(c, "limit", "cursor")
	q := reader.Search{Series: c.Param("id"), Status: reader.StatusAll, Past: true, Sort: reader.SortDate, Limit: p.limit()}
	if err := p.err(); err != nil {
		return err
	}
	if !id.Valid(q.Series) {
		return fault.ErrNotFound
	}
	var page reader.Page
	var body []byte
	// Of a series that is public only what is public: the others' ids are for who was given them. An unlisted series is
	// itself asked for by its id.
	for _, q.PublicOnly = range []bool{true, false} {
		var err error
		page, body, err = a.page(c, q, p.values.Get("cursor"))
		if err != nil && (!q.PublicOnly || !errors.Is(err, reader.ErrCursor)) { // a cursor belongs to one of the two
			return err
		}
		if err == nil && page.Total > 0 {
			break
		}
	}
	if page.Total == 0 {
		return fault.ErrNotFound
	}
	c.Header("Cache-Control", "no-cache")
	return sendJSON(c, etagOf(body), body)
}

// page runs a search that is not shared, as far as asked for.
func (a *API) page(c *gin.Context, q reader.Search, cursor string) (reader.Page, []byte, error) {
	want, err := least(c)
	if err != nil {
		return reader.Page{}, nil, err
	}
	ctx := c.Request.Context()
	if err := a.Stores.Visible(ctx, document.Listings, want); err != nil {
		return reader.Page{}, nil, err
	}
	page, err := a.Stores.Search(ctx, q, cursor, a.Now())
	if err != nil {
		return page, nil, err
	}
	return page, pageJSON(page), nil
}
