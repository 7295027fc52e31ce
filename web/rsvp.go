package web

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"golang.org/x/text/language"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/fault"
	"github.com/turnout-events/turnout/internal/httpserver"
)

type rsvpPage struct {
	Title   string
	Token   string
	Event   eventView
	Seats   *seatsView
	RSVP    rsvpView
	Heading string
	Proven  bool  // the link came by mail, so the address is the guest's
	Most    int   // people in the party: what it has already stays allowed
	Over    bool  // the event has ended: now it can be rated
	Ratings []int // to choose from
	// Reachable offers notifications: there may still be something to tell.
	Reachable bool
	// Active is an event that neither was cancelled nor is over.
	Active  bool
	Form    url.Values
	Problem *problem
}

// rsvp is the guest's own page, behind the manage link of every mail.
func (p *pages) rsvp(c *gin.Context) {
	page, ok := p.loadRSVP(c, c.Query("v"))
	if !ok {
		return
	}
	p.show(c, http.StatusOK, "rsvp", page)
}

func (p *pages) loadRSVP(c *gin.Context, min string) (rsvpPage, bool) {
	token := c.Param("token")
	id, _, err := p.links.Verify(token)
	if err != nil {
		p.sorry(c, &problem{Status: http.StatusNotFound, Title: "This link does not work", Detail: "It may be cut off. Please use the whole link of the mail."})
		return rsvpPage{}, false
	}
	ctx := c.Request.Context()
	r, err := p.api.rsvp(ctx, id, token, min)
	if err != nil {
		why := asProblem(err)
		if why.Code == notYetVisible { // by a link that verifies: only what is shown is late
			why = &problem{Status: http.StatusServiceUnavailable, Title: "Your answer is recorded", Detail: "This page is catching up, and looks again by itself."}
			c.Header("Refresh", "3")
		}
		p.sorry(c, why)
		return rsvpPage{}, false
	}
	e, err := p.api.event(ctx, r.EventID)
	if err != nil {
		p.sorry(c, asProblem(err))
		return rsvpPage{}, false
	}
	page := rsvpPage{Title: e.Title, Token: token, Event: e, RSVP: r, Heading: heading(e, r), Proven: p.links.Proves(token), Most: max(e.MaxParty, r.PartySize),
		Over: time.Now().After(e.EndsAt), Ratings: []int{1, 2, 3, 4, 5}}
	page.Active = !page.Over && e.Status != contract.EventCancelled
	page.Reachable = page.Active && r.Status != contract.StatusCancelled
	page.Form = url.Values{"response": {r.Response}, "party_size": {strconv.Itoa(r.PartySize)}, "comment": {r.Comment}}
	page.consent(r.Consents)
	if r.Rating > 0 {
		page.Form.Set("rating", strconv.Itoa(r.Rating))
	}
	if seats, err := p.api.seats(ctx, e.ID); err == nil {
		page.Seats = &seats
	}
	return page, true
}

// consent ticks the boxes of what was agreed to, and no other.
func (p *rsvpPage) consent(to consents) {
	for name, given := range map[string]bool{"updates": to.Updates, "marketing": to.Marketing} {
		if p.Form.Del(name); given {
			p.Form.Set(name, "1")
		}
	}
}

// consentsOf is what a form's boxes agree to.
func consentsOf(form url.Values) consents {
	return consents{Updates: form.Get("updates") != "", Marketing: form.Get("marketing") != ""}
}

// heading is the one line a guest came for.
func heading(e eventView, r rsvpView) string {
	if e.Status == contract.EventCancelled {
		return "This event has been cancelled"
	}
	switch r.Status {
	case contract.StatusConfirmed:
		if r.PartySize > 1 {
			return "You have " + strconv.Itoa(r.PartySize) + " seats"
		}
		return "You have a seat"
	case contract.StatusWaitlisted:
		return "You are on the waitlist"
	case contract.StatusOffered:
		return "A seat is held for you"
	case contract.StatusPending:
		return "One more step"
	case contract.StatusMaybe:
		return "You said maybe"
	case contract.StatusDeclined:
		return "You are not going"
	default:
		return "You have no seat"
	}
}

// change takes the buttons of the guest's page.
func (p *pages) change(c *gin.Context) {
	token := c.Param("token")
	id, _, err := p.links.Verify(token)
	if err != nil {
		p.sorry(c, &problem{Status: http.StatusNotFound, Title: "This link does not work", Detail: "Please use the whole link of the mail."})
		return
	}
	method, path, body := http.MethodPost, "/v1/rsvps/"+id, any(nil)
	switch action := c.PostForm("action"); action {
	case "confirm", "accept", "decline":
		path += "/" + action
	case "withdraw":
		method = http.MethodDelete
	case "feedback":
		path += "/feedback"
		rating, _ := strconv.Atoi(c.PostForm("rating"))
		body = map[string]any{"rating": rating, "comment": c.PostForm("comment")}
	case "consents":
		method = http.MethodPatch
		body = map[string]any{"consents": consentsOf(c.Request.PostForm)}
	case "change":
		method = http.MethodPatch
		change := map[string]any{"response": c.PostForm("response")}
		if size, err := strconv.Atoi(c.PostForm("party_size")); err == nil {
			change["party_size"] = size
		}
		// The answers of a change replace all before; none given leaves them.
		if asksAnswered(c.Request.PostForm) {
			page, ok := p.loadRSVP(c, "") // for the kinds of its questions
			if !ok {
				return
			}
			change["answers"] = answersOf(page.Event.Questions, c.Request.PostForm)
		}
		body = change
	default:
		httpserver.Problem(c, fault.ErrInvalid.Detailf("unknown action"))
		return
	}
	headers := forwarded(c)
	headers["Authorization"] = "Guest " + token
	version, err := p.api.write(c.Request.Context(), method, path, body, nil, headers)
	if err != nil {
		page, ok := p.loadRSVP(c, "")
		if !ok {
			return
		}
		page.Problem = asProblem(err)
		for name, typed := range c.Request.PostForm {
			page.Form[name] = typed
		}
		if c.PostForm("action") == "consents" {
			page.consent(consentsOf(c.Request.PostForm)) // a box that was unticked is not sent
		}
		p.show(c, page.Problem.Status, "rsvp", page)
		return
	}
	c.Redirect(http.StatusSeeOther, "/r/"+token+"?v="+url.QueryEscape(version))
}

// forwarded tells command who is behind the page, for its limits and its log.
func forwarded(c *gin.Context) map[string]string {
	return map[string]string{
		"X-Forwarded-For":            c.ClientIP(),
		httpserver.HeaderRequestID:   httpserver.RequestID(c.Request.Context()),
		httpserver.HeaderTraceparent: httpserver.Traceparent(c.Request.Context()),
	}
}

// localeOf is the language that the browser asks for first.
func localeOf(accept string) string {
	tags, _, err := language.ParseAcceptLanguage(accept)
	if err != nil || len(tags) == 0 {
		return "en"
	}
	base, _ := tags[0].Base()
	return strings.ToLower(base.String())
}
