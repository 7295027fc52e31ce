package web

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/turnout-events/turnout/internal/contract"
)

// organizerRoutes are an organization's page and the making and steering of its events.
func organizerRoutes(o *gin.RouterGroup, p *pages) {
	o.GET("/:org", p.organization)
	o.GET("/:org/new", p.newEvent)
	o.POST("/:org/new", p.makeEvent)
	o.GET("/events/:id", p.overview)
	o.POST("/events/:id", p.steer)
	o.GET("/events/:id/edit", p.editEvent)
	o.POST("/events/:id/edit", p.saveEvent)
	o.GET("/events/:id/cancel", p.askCancel)
	o.POST("/events/:id/cancel", p.cancelEvent)
	o.GET("/events/:id/cover", p.ownCover)
	o.POST("/events/:id/cover", p.uploadCover)
}

// ownEvent is an event as a member of its organization sees it.
type ownEvent struct {
	contract.Event

	Version      int64      `json:"version"`
	Availability *seatsView `json:"availability"`
}

// State is the event's in a word.
func (e ownEvent) State() string {
	switch {
	case e.Status == contract.EventCancelled:
		return "cancelled"
	case e.Status == contract.EventDraft:
		return "draft"
	case time.Now().After(e.EndsAt):
		return "over"
	}
	return "published"
}

// Public tells whether the event has a page that guests may see.
func (e ownEvent) Public() bool { return e.Announced() }

// Unlisted tells whether only its link leads to it.
func (e ownEvent) Unlisted() bool { return e.Visibility == contract.VisibilityUnlisted }

// Place is where the event is, in a line.
func (e ownEvent) Place() string { return place(eventView{Venue: e.Venue, Online: e.Online}) }

// revisionTag is what If-Match takes.
func revisionTag(revision string) string { return `"` + revision + `"` }

type organizationPage struct {
	Title   string
	Org     organizationView
	Query   string
	Show    string // upcoming, past, all
	Views   []viewLink
	Events  ownEvents
	Next    string
	First   string
	Made    int // events of a series, a moment ago
	Figures *overviewFigures
	Problem *problem
}

// viewLink leads to one of the views of a list.
type viewLink struct {
	Label, Href string
	Now         bool
}

type ownEvents struct {
	Items      []ownEvent `json:"items"`
	Total      int        `json:"total"`
	NextCursor *string    `json:"next_cursor"`
	Fuzzy      bool       `json:"fuzzy"`
}

// organization lists an organization's events, a page at a time.
func (p *pages) organization(c *gin.Context) {
	org, min := c.Param("org"), c.Query("v")
	role, err := p.membership(c, org, min)
	if err != nil {
		p.memberSorry(c, err)
		return
	}
	page := organizationPage{Title: role.Name, Org: role, Query: strings.TrimSpace(c.Query("q")), Show: c.Query("show")}
	page.Made, _ = strconv.Atoi(c.Query("made"))
	asked, q := page.ask(c.Request.URL.Query(), time.Now())
	ctx := c.Request.Context()
	_, err = p.api.do(ctx, http.MethodGet, p.api.query+"/v1/organizations/"+url.PathEscape(org)+"/events?"+q.Encode(), nil, &page.Events, by(c, "Turnout-Min-Version", min))
	status := http.StatusOK
	if err != nil {
		page.Problem = asProblem(err)
		if status = page.Problem.Status; status == http.StatusUnauthorized || page.Problem.Code == notYetVisible {
			p.memberSorry(c, err)
			return
		}
	}
	if next := page.Events.NextCursor; next != nil {
		page.Next = withParam(asked, "cursor", *next)
	}
	if asked.Get("cursor") != "" {
		page.First = withParam(asked, "cursor", "")
	}
	if role.Figures() {
		page.Figures = p.overviewOf(ctx, org, by(c))
	}
	p.show(c, status, "o_organization", page)
}

// ask turns the page's address into the API's parameters, and gives what its links keep. A cursor belongs to one question:
// the moment that parts past from upcoming stays that of the first page.
func (page *organizationPage) ask(address url.Values, now time.Time) (asked, q url.Values) {
	asked, q = url.Values{"q": {page.Query}, "show": {page.Show}}, url.Values{"limit": {"25"}}
	switch page.Show {
	case "past":
		until := address.Get("until")
		if _, err := time.Parse(time.RFC3339, until); err != nil {
			until = now.UTC().Format(time.RFC3339)
		}
		q.Set("to", until)
		q.Set("sort", "latest")
		asked.Set("until", until)
	case "all":
	default:
		page.Show = "upcoming"
		asked.Set("show", "")
		q.Set("past", "false")
	}
	if page.Query != "" {
		q.Set("q", page.Query)
	}
	if cursor := address.Get("cursor"); cursor != "" {
		q.Set("cursor", cursor)
		asked.Set("cursor", cursor)
	}
	fresh := url.Values{"q": {page.Query}}
	for _, show := range []string{"upcoming", "past", "all"} {
		page.Views = append(page.Views, viewLink{Label: strings.ToUpper(show[:1]) + show[1:], Href: withParam(fresh, "show", show), Now: show == page.Show})
	}
	return asked, q
}

// overviewFigures are those of a whole organization.
type overviewFigures struct {
	Answers     int      `json:"answers"`
	Events      int      `json:"events"`
	Seats       int      `json:"seats"`
	SeatsTaken  int      `json:"seats_taken"`
	Utilization *float64 `json:"utilization"`
	CancelRate  *float64 `json:"cancellation_rate"`
	Conversion  *float64 `json:"waitlist_conversion"`
	NoShows     *float64 `json:"no_show_rate"`
}

// overviewOf is nil while the figures cannot be had: the list is what the page is for.
func (p *pages) overviewOf(ctx context.Context, org string, headers map[string]string) *overviewFigures {
	var f overviewFigures
	if _, err := p.api.do(ctx, http.MethodGet, p.api.query+"/v1/organizations/"+url.PathEscape(org)+"/analytics/overview", nil, &f, headers); err != nil {
		p.log.WarnContext(ctx, "no figures of an organization", "organization", org, "error", err)
		return nil
	}
	return &f
}

// Figures tells whether the member may see them.
func (o organizationView) Figures() bool { return o.Role != "door" }
