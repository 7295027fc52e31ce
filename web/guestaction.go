package web

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"
)

// changeGuests takes the buttons of the guest list and leads back to it as it was narrowed.
func (p *pages) changeGuests(c *gin.Context) {
	_ = c.Request.ParseForm() // what cannot be read has no action
	form := c.Request.PostForm
	back, _ := url.ParseQuery(form.Get("back"))
	filter := guestFilter(back, "cursor", "from")
	id := form.Get("rsvp")
	if asksFirst(form) {
		p.askGuest(c, id, address(guestsPath(c.Param("id")), filter), nil)
		return
	}
	version, err := p.actOnGuest(c, id)
	switch {
	case err == nil:
		c.Redirect(http.StatusSeeOther, withVersion(guestsPath(c.Param("id")), filter, version, guestDone(form)))
	case sure(form):
		p.askGuest(c, id, address(guestsPath(c.Param("id")), filter), asProblem(err))
	default:
		page, ok := p.loadGuests(c, filter)
		if !ok {
			return
		}
		page.Problem, page.Form = asProblem(err), form
		p.show(c, page.status(), "o_guests", page)
	}
}

// asksFirst tells whether an action cannot be taken back and was not asked about yet.
func asksFirst(form url.Values) bool {
	action := form.Get("action")
	return (action == "reject" || action == "cancel") && !sure(form)
}

func guestDone(form url.Values) string {
	if action := form.Get("action"); action != "cancel" {
		return action
	}
	return "cancelled"
}

// actOnGuest asks the API for what a button says.
func (p *pages) actOnGuest(c *gin.Context, id string) (version string, err error) {
	form := c.Request.PostForm
	method, path, body := http.MethodPost, "/v1/rsvps/"+url.PathEscape(id), any(nil)
	if reason := strings.TrimSpace(form.Get("reason")); reason != "" {
		body = map[string]string{"reason": reason}
	}
	switch action := form.Get("action"); action {
	case "approve", "reject":
		path += "/" + action
	case "cancel":
		method = http.MethodDelete
	case "party":
		size, err := strconv.Atoi(strings.TrimSpace(form.Get("party_size")))
		if err != nil {
			return "", &problem{Status: http.StatusBadRequest, Detail: "People: this is not a number."}
		}
		method, body = http.MethodPatch, map[string]int{"party_size": size}
	default:
		return "", errNoAction
	}
	return p.api.write(c.Request.Context(), method, path, body, nil, by(c, "Idempotency-Key", formKey(form)))
}

var errNoAction = &problem{Status: http.StatusBadRequest, Title: "Nothing was done", Detail: "The form does not say what to do. Please open the page again."}

// askGuest asks once more before a guest loses an answer.
func (p *pages) askGuest(c *gin.Context, id, back string, why *problem) {
	e, o, ok := p.memberEvent(c)
	if !ok {
		return
	}
	g, err := p.guest(c, e, id)
	if err != nil {
		p.memberSorry(c, err)
		return
	}
	page := askPage{memberPage: newMemberPage(c, e, o, "guests", "Cancel"), Back: back, Button: g.Cancels(), Reason: "Reason"}
	page.Problem = why
	page.Question = g.Cancels() + " of " + g.Called() + "?"
	page.Words = []string{"The guest is told by mail. Whoever waits moves up, if there is room then."}
	if c.PostForm("action") == "reject" {
		page.Title, page.Button, page.Question = "Reject · "+e.Title, "Reject", "Reject "+g.Called()+"?"
		page.Words = []string{"The guest is told by mail, and gets no seat."}
	}
	p.ask(c, page, c.Request.PostForm, "action", "rsvp", "back")
}

// guest reads an answer to this event; another event's is none.
func (p *pages) guest(c *gin.Context, e eventView, id string) (guestView, error) {
	var g guestView
	_, err := p.api.do(c.Request.Context(), http.MethodGet, p.api.query+"/v1/rsvps/"+url.PathEscape(id), nil, &g, by(c, "Turnout-Min-Version", c.Query("v")))
	if err == nil && g.EventID != e.ID {
		err = nothingHere
	}
	g.event = e
	return g, err
}
