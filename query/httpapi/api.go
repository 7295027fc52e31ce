// Package httpapi is the HTTP surface of the read side: one file per resource,
// each decode → reader → encode. Start with Routes.
package httpapi

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/turnout-events/turnout/internal/fault"
	"github.com/turnout-events/turnout/internal/httpserver"
	"github.com/turnout-events/turnout/internal/token"
	"github.com/turnout-events/turnout/query/reader"
)

// Headers of ours.
const (
	HeaderMinVersion = "Turnout-Min-Version"
	HeaderVersion    = "Turnout-Version"
	HeaderDegraded   = "Turnout-Degraded"
)

// Verifier checks a member's access token; *token.Verifier does.
type Verifier interface {
	Verify(ctx context.Context, bearer string) (account string, err error)
}

// API answers reads.
type API struct {
	Stores   *reader.Stores
	Hub      *reader.Hub
	Cache    *reader.Cache
	Verifier Verifier
	Manage   *token.Manager
	Tickets  *token.Tickets
	Sessions *token.Sessions
	Now      func() time.Time
	Log      *slog.Logger
	Draining <-chan struct{} // streams end when it closes
	// Public is the origin that people see, for links: https://example.org.
	Public string
}

// requestBound ends what would hang: a store that neither answers nor refuses.
const requestBound = 1950 * time.Millisecond

// The routes whose answers are kept in memory for a moment.
const (
	routeSearch  = "/v1/events"
	routeSuggest = "/v1/suggest"
)

// Routes registers all.
func (a *API) Routes(e *gin.Engine) {
	get := func(path string, f func(*gin.Context) error) {
		h := a.bounded(f)
		e.GET(path, h)
		e.HEAD(path, h)
	}
	e.GET(routeSearch, a.kept(a.bounded(a.searchEvents)))
	e.HEAD(routeSearch, a.bounded(a.searchEvents))
	get("/v1/events/:id", a.event)
	e.GET("/v1/events/:id/availability", a.remembered(a.bounded(a.availability)))
	e.HEAD("/v1/events/:id/availability", a.bounded(a.availability))
	e.GET("/v1/events/:id/availability/stream", a.unbounded(a.stream))
	get("/v1/rsvps/:id", a.rsvp)
	get("/v1/me", a.me)
	get("/v1/organizations", a.organizations)
	get("/v1/organizations/:id/members", a.members)
	get("/v1/organizations/:id/events", a.organizationEvents)
	get("/v1/events/:id/guests", a.guests)
	e.GET("/v1/events/:id/guests.csv", a.unbounded(a.guestsCSV))
	get("/v1/events/:id/analytics", a.eventAnalytics)
	get("/v1/events/:id/calendar.ics", a.eventCalendar)
	get("/v1/organizations/:id/calendar.ics", a.organizationCalendar)
	get("/v1/organizations/:id/analytics/overview", a.overview)
	get("/v1/organizations/:id/analytics/popular", a.popular)
	get("/v1/organizations/:id/analytics/daily", a.daily)
	get("/v1/organizations/:id/analytics/utilization", a.utilization)
	get("/v1/organizations/:id/analytics/cancellations", a.cancellations)
	get("/v1/rsvps/:id/calendar.ics", a.rsvpCalendar)
	get("/v1/rsvps/:id/ticket.png", a.ticketPNG)
	get("/v1/rsvps/:id/ticket.svg", a.ticketSVG)
	get("/v1/me/rsvps", a.myRSVPs)
	get(routeSuggest, a.suggest)
	get("/v1/series/:id", a.series)
	get("/v1/changes", a.changes)
}

func (a *API) bounded(f func(*gin.Context) error) gin.HandlerFunc {
	return func(c *gin.Context) {
		defer httpserver.Bound(c, requestBound)()
		a.answer(c, f)
	}
}

func (a *API) unbounded(f func(*gin.Context) error) gin.HandlerFunc {
	return func(c *gin.Context) { a.answer(c, f) }
}

func (a *API) answer(c *gin.Context, f func(*gin.Context) error) {
	err := f(c)
	if err == nil {
		return
	}
	if errors.Is(err, context.DeadlineExceeded) && fault.As(err) == nil {
		err = fault.ErrUnavailable.Detailf("A store did not answer in time.").Because(err)
	}
	if reader.Away(err) && fault.As(err) == nil {
		err = fault.ErrUnavailable.Because(err)
	}
	httpserver.Problem(c, err)
}

// sendJSON answers bytes that are JSON, or 304 when the client has them.
func sendJSON(c *gin.Context, etag string, body []byte) error {
	h := c.Writer.Header()
	if etag != "" {
		h["Etag"] = []string{etag} // canonical; Set would look that up each time
		if matches(c.GetHeader("If-None-Match"), etag) {
			c.Status(http.StatusNotModified)
			c.Writer.WriteHeaderNow()
			return nil
		}
	}
	// With its length told, a page goes out in one piece fewer than in chunks.
	values := [...]string{"application/json; charset=utf-8", strconv.Itoa(len(body))}
	h["Content-Type"], h["Content-Length"] = values[:1:1], values[1:]
	c.Status(http.StatusOK)
	_, _ = c.Writer.Write(body) // a client that has left is not told
	return nil
}
