package web

import (
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/httpserver"
	"github.com/turnout-events/turnout/internal/token"
)

// pages are what a browser sees.
type pages struct {
	api   *api
	views views
	forms *forms
	links *token.Manager
	// secure keeps cookies off plain HTTP, where the public origin is HTTPS.
	secure   bool
	public   string // the origin's address
	origin   *http.CrossOriginProtection
	renewals *renewals
	doc      *apidoc
	door     *door
	log      *slog.Logger
}

type browsePage struct {
	Title, Query, City, From string
	Available                bool
	List                     listView
	Next, First              string
	Problem                  *problem
}

// browse lists what is coming up; the form's fields are the API's parameters.
func (p *pages) browse(c *gin.Context) {
	q := url.Values{"limit": {"24"}, "sort": {"date"}}
	page := browsePage{Title: "Events", Query: strings.TrimSpace(c.Query("q")), City: strings.TrimSpace(c.Query("city")),
		From: c.Query("from"), Available: c.Query("available") == "true"}
	if page.Query != "" {
		q.Set("q", page.Query)
		q.Set("sort", "relevance")
	}
	if page.City != "" {
		q.Set("city", page.City)
	}
	if day, err := time.Parse(time.DateOnly, page.From); err == nil {
		q.Set("from", day.Format(time.RFC3339))
	}
	if page.Available {
		q.Set("available", "true")
	}
	if cursor := c.Query("cursor"); cursor != "" {
		q.Set("cursor", cursor)
		page.First = withParam(c.Request.URL.Query(), "cursor", "")
	}
	list, err := p.api.events(c.Request.Context(), q)
	if err != nil {
		page.Problem = asProblem(err)
		p.show(c, page.Problem.Status, "browse", page)
		return
	}
	page.List = list
	if list.NextCursor != nil {
		page.Next = withParam(c.Request.URL.Query(), "cursor", *list.NextCursor)
	}
	p.show(c, http.StatusOK, "browse", page)
}

type eventPage struct {
	Title     string
	Event     eventView
	Seats     *seatsView
	FormToken string
	Open      bool
	Full      bool
	Closed    string // why not
	Most      int    // people in a party
	Form      url.Values
	Problem   *problem
}

func (p *pages) event(c *gin.Context) {
	page, ok := p.loadEvent(c)
	if !ok {
		return
	}
	p.show(c, http.StatusOK, "event", page)
}

func (p *pages) loadEvent(c *gin.Context) (eventPage, bool) {
	e, err := p.api.event(c.Request.Context(), c.Param("slug"))
	if err != nil {
		p.sorry(c, asProblem(err))
		return eventPage{}, false
	}
	page := eventPage{Title: e.Title, Event: e, Form: url.Values{}, Most: e.MaxParty}
	// Without the counters the form still works: command decides, not this page.
	if seats, err := p.api.seats(c.Request.Context(), e.ID); err == nil {
		page.Seats = &seats
		page.Full = seats.Remaining != nil && *seats.Remaining <= 0
	}
	now := time.Now()
	page.Open, page.Closed = openFor(e, now)
	if page.FormToken, err = p.forms.issue(e.ID, now); err != nil {
		p.sorry(c, asProblem(err))
		return eventPage{}, false
	}
	return page, true
}

func openFor(e eventView, now time.Time) (bool, string) {
	switch {
	case e.Status == contract.EventCancelled:
		return false, "This event has been cancelled."
	case e.Status != contract.EventPublished:
		return false, "This event is not published yet."
	case e.RSVPOpensAt != nil && now.Before(*e.RSVPOpensAt):
		return false, "Answers open on " + when(*e.RSVPOpensAt, e.TimeZone) + "."
	case now.After(e.RSVPClosesAt):
		return false, "Answers are closed."
	}
	return true, ""
}

type submitBody struct {
	Name      string                     `json:"name"`
	Email     string                     `json:"email"`
	Response  string                     `json:"response"`
	PartySize int                        `json:"party_size"`
	Answers   map[string]contract.Answer `json:"answers,omitempty"`
	Locale    string                     `json:"locale,omitempty"`
	Consents  consents                   `json:"consents"`
	Notify    notify                     `json:"notify"`
}

type consents struct {
	Updates   bool `json:"updates"`
	Marketing bool `json:"marketing"`
}

type notify struct {
	Reminders bool `json:"reminders"`
}

// answer takes the form. What it refuses it shows again with everything that
// was typed.
func (p *pages) answer(c *gin.Context) {
	page, ok := p.loadEvent(c)
	if !ok {
		return
	}
	if err := c.Request.ParseForm(); err != nil {
		p.again(c, page, &problem{Status: http.StatusBadRequest, Detail: "The form could not be read."})
		return
	}
	page.Form = c.Request.PostForm
	if page.Form.Get("website") != "" { // the field that only programs see
		p.again(c, page, &problem{Status: http.StatusBadRequest, Detail: "Please leave the field “website” empty."})
		return
	}
	key, err := p.forms.check(page.Event.ID, page.Form.Get("form"), time.Now())
	if err != nil {
		if errors.Is(err, errFormQuick) { // with a new token, who sends it again at once would be too quick again
			page.FormToken = page.Form.Get("form")
		}
		why := err.Error()
		p.again(c, page, &problem{Status: http.StatusBadRequest, Detail: strings.ToUpper(why[:1]) + why[1:] + "."})
		return
	}
	size, err := strconv.Atoi(page.Form.Get("party_size"))
	if err != nil {
		size = 1
	}
	body := submitBody{
		Name: page.Form.Get("name"), Email: page.Form.Get("email"), Response: page.Form.Get("response"), PartySize: size,
		Answers: answersOf(page.Event.Questions, page.Form), Locale: localeOf(c.GetHeader("Accept-Language")),
		Consents: consentsOf(page.Form),
		Notify:   notify{Reminders: page.Form.Get("reminders") != ""},
	}
	var done rsvpView
	headers := forwarded(c)
	headers["Idempotency-Key"] = key
	version, err := p.api.write(c.Request.Context(), http.MethodPost, "/v1/events/"+page.Event.ID+"/rsvps", body, &done, headers)
	if err != nil {
		p.again(c, page, asProblem(err))
		return
	}
	c.Redirect(http.StatusSeeOther, "/r/"+done.ManageToken+"?v="+url.QueryEscape(version))
}

func (p *pages) again(c *gin.Context, page eventPage, why *problem) {
	if why.Code == "already-answered" {
		why = &problem{Status: why.Status, Detail: "This address has answered already. We have sent a link to it with which the answer can be changed."}
	}
	page.Problem = why
	p.show(c, why.Status, "event", page)
}

func answersOf(questions []contract.Question, form url.Values) map[string]contract.Answer {
	answers := map[string]contract.Answer{}
	for _, q := range questions {
		given := form["q_"+q.ID]
		switch {
		case q.Kind == contract.QuestionCheckbox && len(given) > 0:
			answers[q.ID] = contract.Answer{Choices: given}
		case len(given) > 0 && strings.TrimSpace(given[0]) != "":
			answers[q.ID] = contract.Answer{Text: given[0]}
		}
	}
	return answers
}

// sorry is the page of a problem that has no page of its own.
func (p *pages) sorry(c *gin.Context, why *problem) {
	p.show(c, why.Status, "sorry", struct {
		Title   string
		Problem *problem
	}{why.Title, why})
}

// nowhere is a page for people; programs get the problem document of every role.
func (p *pages) nowhere(c *gin.Context) {
	if strings.HasPrefix(c.Request.URL.Path, "/v1/") || !strings.Contains(c.GetHeader("Accept"), "text/html") {
		httpserver.NoRoute(c)
		return
	}
	p.sorry(c, &problem{Status: http.StatusNotFound, Title: "There is nothing at this address", Detail: "The link may be old, or cut off."})
}

// problem explains a slug: the address that problem documents carry as type.
func (p *pages) problem(c *gin.Context) {
	slug := c.Param("slug")
	p.show(c, http.StatusOK, "problem", struct{ Title, Slug string }{strings.ReplaceAll(slug, "-", " "), slug})
}

func (p *pages) ops(c *gin.Context) {
	p.show(c, http.StatusOK, "ops", struct{ Title string }{"Operations"})
}
