package httpapi

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/document"
	"github.com/turnout-events/turnout/internal/fault"
	"github.com/turnout-events/turnout/internal/id"
	"github.com/turnout-events/turnout/query/calendar"
	"github.com/turnout-events/turnout/query/reader"
)

// eventCalendar answers GET /v1/events/{id}/calendar.ics.
func (a *API) eventCalendar(c *gin.Context) error {
	if err := paramsOf(c).err(); err != nil {
		return err
	}
	want, err := least(c)
	if err != nil {
		return err
	}
	e, err := a.Stores.EventAtLeast(c.Request.Context(), c.Param("id"), want)
	if err != nil {
		return err
	}
	if err := a.mayKnow(c, reader.OwnerOf(&e.Event)); err != nil {
		return err
	}
	file := calendar.File{Entries: []calendar.Entry{{Event: e.Event, URL: a.pageOf(e.Event)}}}
	c.Header("Cache-Control", "no-cache")
	if !e.Announced() {
		c.Header("Cache-Control", "private, no-cache")
	}
	return a.sendCalendar(c, file, e.Slug)
}

// rsvpCalendar answers GET /v1/rsvps/{id}/calendar.ics.
func (a *API) rsvpCalendar(c *gin.Context) error {
	if err := paramsOf(c, "token").err(); err != nil {
		return err
	}
	g, err := a.ownRSVP(c)
	if err != nil {
		return err
	}
	want, err := least(c)
	if err != nil {
		return err
	}
	e, err := a.Stores.EventAtLeast(c.Request.Context(), g.EventID, want)
	if err != nil {
		return err
	}
	file := calendar.File{Entries: []calendar.Entry{{Event: e.Event, Status: g.Status, URL: a.pageOf(e.Event)}}}
	c.Header("Cache-Control", "private, no-store")
	return a.sendCalendar(c, file, e.Slug)
}

const (
	calendarPast = 90 * 24 * time.Hour // how long what is over stays in an organization's calendar
	calendarMost = 1000                // events
)

// organizationCalendar answers GET /v1/organizations/{org}/calendar.ics: what
// is public, to subscribe to.
func (a *API) organizationCalendar(c *gin.Context) error {
	if err := paramsOf(c).err(); err != nil {
		return err
	}
	org := c.Param("id")
	if !id.Valid(org) {
		return fault.ErrNotFound
	}
	ctx := c.Request.Context()
	o, err := a.Stores.Organization(ctx, org)
	if err != nil {
		return err
	}
	if err := a.visible(c, document.Listings); err != nil {
		return err
	}
	from := a.Now().Add(-calendarPast).Truncate(time.Hour)
	page, err := a.Stores.Search(ctx, reader.Search{
		Organization: org, PublicOnly: true, Status: reader.StatusAll, Past: true, From: &from, Sort: reader.SortDate, Limit: calendarMost,
	}, "", a.Now())
	if err != nil {
		return err
	}
	file := calendar.File{Name: o.Body.Name}
	for _, f := range page.Items {
		e, err := f.Event()
		if err != nil {
			return err
		}
		file.Entries = append(file.Entries, calendar.Entry{Event: e, URL: a.pageOf(e)})
	}
	c.Header("Cache-Control", "public, max-age=300")
	return a.sendCalendar(c, file, o.Slug)
}

func (a *API) pageOf(e contract.Event) string {
	return strings.TrimSuffix(a.Public, "/") + "/e/" + url.PathEscape(e.Slug)
}

// sendCalendar answers the file. Its ETag leaves DTSTAMP out, which is the time
// of the answer.
func (a *API) sendCalendar(c *gin.Context, file calendar.File, name string) error {
	etag := etagOf([]byte(file.Write(time.Unix(0, 0))))
	c.Header("ETag", etag)
	if matches(c.GetHeader("If-None-Match"), etag) {
		c.Status(http.StatusNotModified)
		c.Writer.WriteHeaderNow()
		return nil
	}
	c.Header("Content-Disposition", `attachment; filename="`+fileName(name)+`.ics"`)
	c.Data(http.StatusOK, "text/calendar; charset=utf-8", []byte(file.Write(a.Now())))
	return nil
}

// fileName keeps what no header and no file system minds.
func fileName(s string) string {
	s = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' {
			return r
		}
		return -1
	}, s)
	if s == "" {
		return "event"
	}
	return s[:min(len(s), 80)]
}
