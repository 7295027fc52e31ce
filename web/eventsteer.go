package web

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/turnout-events/turnout/internal/contract"
)

type overviewPage struct {
	Title   string
	Event   ownEvent
	Org     organizationView
	Tabs    eventTabs
	Key     string
	Public  string // the origin's address
	Done    string // what was just done, as a sentence
	Form    url.Values
	Action  string // that was refused
	Trouble *trouble
	Figures *figuresShown
	Proof   *proofShown
}

// Can tells whether an action makes sense now. Whether it is allowed the API decides.
func (page overviewPage) Can(action string) bool {
	e := page.Event
	over := !time.Now().Before(e.EndsAt)
	switch action {
	case "publish":
		return page.Org.Edits() && e.Status == contract.EventDraft && !over
	case "cancel":
		return page.Org.Edits() && e.Status != contract.EventCancelled && !over
	case "duplicate":
		return page.Org.Edits()
	}
	return page.Org.Edits() && e.Status != contract.EventCancelled
}

// Typed is what was typed into a form that was refused, and otherwise what stands there at first.
func (page overviewPage) Typed(name, first string) string {
	if page.Form.Has(name) {
		return page.Form.Get(name)
	}
	return first
}

// Limit is the capacity as its form shows it.
func (page overviewPage) Limit() string {
	if page.Event.Capacity == nil {
		return ""
	}
	return strconv.Itoa(*page.Event.Capacity)
}

// ownEventOf is memberEvent with what an event's forms need; the caller shows the problem.
func (p *pages) ownEventOf(c *gin.Context) (ownEvent, organizationView, error) {
	var e ownEvent
	if err := p.readEvent(c, c.Param("id"), &e); err != nil {
		return e, organizationView{}, err
	}
	org, err := p.membership(c, e.OrganizationID, "")
	return e, org, err
}

// editable is ownEventOf for who may change it; otherwise the page is done.
func (p *pages) editable(c *gin.Context) (ownEvent, organizationView, bool) {
	e, org, err := p.ownEventOf(c)
	if err == nil && !org.Edits() {
		err = notForRole(org.Role)
	}
	if err != nil {
		p.memberSorry(c, err)
	}
	return e, org, err == nil
}

// overview is an event with its figures and what can be done with it.
func (p *pages) overview(c *gin.Context) {
	e, org, err := p.ownEventOf(c)
	if err != nil {
		p.memberSorry(c, err)
		return
	}
	p.showOverview(c, overviewPage{Event: e, Org: org, Done: doneBy(c), Form: url.Values{}}, http.StatusOK)
}

func (p *pages) showOverview(c *gin.Context, page overviewPage, status int) {
	page.Public = p.public
	page.Key, page.Title, page.Tabs = keyOf(c), page.Event.Title, eventTabs{ID: page.Event.ID, Now: "overview", Role: page.Org.Role}
	if page.Org.Figures() && page.Event.Announced() {
		page.Figures = p.figuresOf(c, page.Event)
	}
	if c.Query("proof") != "" && page.Event.Announced() {
		page.Proof = p.proofOf(c, page.Event)
	}
	p.show(c, status, "o_event", page)
}

// steer does what a button of the overview says.
func (p *pages) steer(c *gin.Context) {
	id, action := url.PathEscape(c.Param("id")), c.PostForm("action")
	method, path, body := http.MethodPost, "/v1/events/"+id, any(nil)
	switch action {
	case "publish", "duplicate":
		path += "/" + action
	case "capacity":
		method, path, body = http.MethodPut, path+"/capacity", map[string]any{"capacity": number(c.PostForm("capacity"))}
	case "repeat":
		path, body = path+"/repeat", map[string]string{"rrule": rule(c.Request.PostForm)}
	case "uncover":
		method, path = http.MethodDelete, path+"/cover"
	default:
		p.sorry(c, &problem{Status: http.StatusBadRequest, Title: "This form is of another time", Detail: "Please open the page again."})
		return
	}
	var made struct {
		ID    string     `json:"id"`
		Items []ownEvent `json:"items"`
	}
	version, err := p.api.write(c.Request.Context(), method, path, body, &made, steering(c))
	if err != nil {
		p.overviewAgain(c, action, err)
		return
	}
	to := withVersion("/o/events/"+id, nil, version, action)
	switch {
	case action == "duplicate":
		to = withVersion("/o/events/"+made.ID+"/edit", nil, version, action)
	case action == "repeat" && len(made.Items) > 0:
		to = withVersion("/o/"+made.Items[0].OrganizationID, url.Values{"made": {strconv.Itoa(len(made.Items))}}, version, "")
	}
	c.Redirect(http.StatusSeeOther, to)
}

// steering are the headers of a write: done once, and to what its form showed.
func steering(c *gin.Context) map[string]string {
	headers := by(c, "Idempotency-Key", formKey(c.Request.PostForm))
	if revision := c.PostForm("revision"); revision != "" {
		headers["If-Match"] = revisionTag(revision)
	}
	return headers
}

// overviewAgain shows what was refused beside what is stored now.
func (p *pages) overviewAgain(c *gin.Context, action string, err error) {
	why := asProblem(err)
	e, org, read := p.ownEventOf(c)
	if read != nil || why.Status == http.StatusUnauthorized {
		p.memberSorry(c, err)
		return
	}
	page := overviewPage{Event: e, Org: org, Action: action, Form: c.Request.PostForm}
	switch why.Code {
	case "revision-mismatch":
		why = &problem{Status: why.Status, Detail: "Somebody has changed this event since you opened the page. Nothing was done: look at it as it is now, and send it again if you still want to."}
	case "unsupported-picture": // its detail is about headers
		why = &problem{Status: why.Status, Detail: "The picture must be a PNG, JPEG or WebP."}
	}
	page.Trouble, _ = eventTrouble(why, page.Form)
	p.showOverview(c, page, why.Status)
}

// rule is the recurrence rule (RFC 5545) that the fields say. UNTIL is a day, all of it, on the event's clock.
func rule(f url.Values) string {
	r := "FREQ=" + strings.ToUpper(strings.TrimSpace(f.Get("freq")))
	if every := strings.TrimSpace(f.Get("interval")); every != "" && every != "1" {
		r += ";INTERVAL=" + every
	}
	if f.Get("ends") == "until" {
		return r + ";UNTIL=" + strings.ReplaceAll(strings.TrimSpace(f.Get("until")), "-", "")
	}
	return r + ";COUNT=" + strings.TrimSpace(f.Get("count"))
}

type cancelPage struct {
	Title   string
	Event   ownEvent
	Tabs    eventTabs
	Key     string
	Reason  string
	Trouble *trouble
}

// askCancel asks once more: it cannot be undone, and everybody is mailed.
func (p *pages) askCancel(c *gin.Context) {
	e, org, ok := p.editable(c)
	if !ok {
		return
	}
	p.show(c, http.StatusOK, "o_event_cancel", cancelOf(c, e, org))
}

func cancelOf(c *gin.Context, e ownEvent, org organizationView) cancelPage {
	return cancelPage{Title: "Cancel " + e.Title, Event: e, Tabs: eventTabs{ID: e.ID, Now: "cancel", Role: org.Role}, Key: keyOf(c)}
}

func (p *pages) cancelEvent(c *gin.Context) {
	id, reason := url.PathEscape(c.Param("id")), lines(c.PostForm("reason"))
	version, err := p.api.write(c.Request.Context(), http.MethodPost, "/v1/events/"+id+"/cancel", map[string]string{"reason": reason}, nil, steering(c))
	if err == nil {
		c.Redirect(http.StatusSeeOther, withVersion("/o/events/"+id, nil, version, "cancel"))
		return
	}
	e, org, ok := p.editable(c)
	if !ok {
		return
	}
	why := asProblem(err)
	if why.Code == "revision-mismatch" {
		why = &problem{Status: why.Status, Detail: "Somebody has changed this event since you opened this page. It is not cancelled: look at it as it is now, and send this again if you still want to."}
	}
	page := cancelOf(c, e, org)
	page.Reason = reason
	page.Trouble, _ = eventTrouble(why, nil)
	p.show(c, why.Status, "o_event_cancel", page)
}
