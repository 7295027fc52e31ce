package web

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/turnout-events/turnout/internal/contract"
)

//go:embed templates/*.html
var templateFiles embed.FS

//go:embed static
var staticFiles embed.FS

// views are the pages' templates, each parsed with the layout around it.
type views map[string]*template.Template

func newViews() (views, error) {
	funcs := template.FuncMap{"when": when, "span": span, "zone": zone, "place": place, "country": flag, "people": people, "price": price, "answerWord": answerWord, "marked": marked,
		"asked": askedOf, "mustAnswer": mustAnswer, "trouble": troubleOf,
		"percent": percent, "shortDay": shortDay, "row": rowOf}
	layout, err := template.New("layout.html").Funcs(funcs).ParseFS(templateFiles, "templates/layout.html")
	if err != nil {
		return nil, fmt.Errorf("layout: %w", err)
	}
	names, err := fs.Glob(templateFiles, "templates/*.html")
	if err != nil {
		return nil, err
	}
	v := views{}
	for _, name := range names {
		page := strings.TrimSuffix(strings.TrimPrefix(name, "templates/"), ".html")
		if page == "layout" {
			continue
		}
		t, err := layout.Clone()
		if err != nil {
			return nil, err
		}
		if v[page], err = t.ParseFS(templateFiles, name); err != nil {
			return nil, fmt.Errorf("page %s: %w", page, err)
		}
	}
	return v, nil
}

// show renders into memory first: half a page with a 200 helps nobody.
func (p *pages) show(c *gin.Context, status int, page string, data any) {
	var b bytes.Buffer
	if err := p.views[page].ExecuteTemplate(&b, "layout.html", data); err != nil {
		p.log.ErrorContext(c.Request.Context(), "render page", "page", page, "error", err)
		c.String(http.StatusInternalServerError, "This page cannot be shown right now.")
		return
	}
	h := c.Writer.Header()
	h.Set("Content-Security-Policy", contentPolicy)
	h.Set("Cache-Control", "no-store")
	c.Data(status, "text/html; charset=utf-8", b.Bytes())
}

// Nothing from elsewhere, nothing inline: a title that smuggles a script in
// finds nobody to run it.
const contentPolicy = "default-src 'self'; img-src 'self' data:; style-src 'self'; script-src 'self'; " +
	"base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

func (p *pages) static(c *gin.Context) {
	c.Header("Cache-Control", "public, max-age=300")
	c.FileFromFS("static"+c.Param("file"), http.FS(staticFiles))
}

// worker serves the service worker from the root: its address bounds which
// pages it may speak for.
func (p *pages) worker(c *gin.Context) {
	c.Header("Cache-Control", "no-cache")
	c.FileFromFS("static/sw.js", http.FS(staticFiles))
}

// inZone is the instant on the event's own clock; a zone that this machine does
// not know leaves UTC, and the page says which zone it shows.
func inZone(t time.Time, name string) time.Time {
	loc, err := time.LoadLocation(name)
	if err != nil {
		return t.UTC()
	}
	return t.In(loc)
}

func when(t time.Time, tz string) string {
	return inZone(t, tz).Format("Monday 2 January 2006, 15:04")
}

// span writes a start and an end the short way: the date once, where it is the same.
func span(start, end time.Time, tz string) string {
	s, e := inZone(start, tz), inZone(end, tz)
	if s.Format(time.DateOnly) == e.Format(time.DateOnly) {
		return s.Format("Monday 2 January 2006, 15:04") + " – " + e.Format("15:04")
	}
	return s.Format("Mon 2 January 2006, 15:04") + " – " + e.Format("Mon 2 January 2006, 15:04")
}

func zone(t time.Time, tz string) string {
	return inZone(t, tz).Format("MST") + " (" + tz + ")"
}

func place(e eventView) string {
	if e.Venue == nil {
		if e.Online {
			return "Online"
		}
		return "Place to be announced"
	}
	var parts []string
	for _, s := range []string{e.Venue.Name, e.Venue.Address, e.Venue.City, e.Venue.Country} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	if len(parts) == 0 && e.Online {
		return "Online"
	}
	return strings.Join(parts, ", ")
}

// flag is a country's flag from its two letters (Unicode regional indicators).
func flag(code string) string {
	if len(code) != 2 {
		return ""
	}
	var b strings.Builder
	for _, r := range strings.ToUpper(code) {
		if r < 'A' || r > 'Z' {
			return ""
		}
		b.WriteRune(0x1F1E6 + r - 'A')
	}
	return b.String()
}

// price is what is paid at the door. It is never charged here.
func price(p contract.Price) string {
	switch {
	case p.Max == 0:
		return "free"
	case p.Min == p.Max:
		return amount(p.Max) + " " + p.Currency + ", paid at the door"
	}
	return amount(p.Min) + "–" + amount(p.Max) + " " + p.Currency + ", paid at the door"
}

// amount is a price as it is written: 5, 12.50.
func amount(x float64) string {
	s := strconv.FormatFloat(x, 'f', -1, 64)
	if point := strings.IndexByte(s, '.'); point == len(s)-2 && point > 0 {
		s += "0"
	}
	return s
}

func people(n int) string {
	if n == 1 {
		return "1 person"
	}
	return fmt.Sprintf("%d people", n)
}

// withParam is the link to the same page with one parameter changed; what is empty is left out.
func withParam(q url.Values, key, value string) string {
	changed := url.Values{}
	for k, v := range q {
		if len(v) > 0 && v[0] != "" {
			changed[k] = v
		}
	}
	if changed.Set(key, value); value == "" {
		changed.Del(key)
	}
	return "?" + changed.Encode()
}

// answerWord is a status as a guest would say it.
func answerWord(status string) string {
	switch status {
	case contract.StatusConfirmed:
		return "Going"
	case contract.StatusWaitlisted:
		return "On the waitlist"
	case contract.StatusOffered:
		return "A seat is held for you"
	case contract.StatusPending:
		return "One more step"
	case contract.StatusMaybe:
		return "Maybe"
	case contract.StatusDeclined:
		return "Not going"
	default:
		return "No seat"
	}
}
