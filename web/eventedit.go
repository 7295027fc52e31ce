package web

import (
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"
)

// rows of questions that are offered empty, and that "more" adds.
const spareRows = 2

type eventFormPage struct {
	Title    string
	Org      organizationView
	Event    *ownEvent // nil for a new one
	Tabs     eventTabs
	Key      string // of the write that this form becomes
	Revision string // that it was made from
	Base     string // what it read then
	Done     string
	Form     url.Values
	Rows     []questionRow
	Trouble  *trouble
	Wrong    map[string]string // by the names of the inputs
	Clashes  []difference      // what somebody else has changed too
	Policies []choice
	Kinds    []choice
}

// choice is one of several, with what it means.
type choice struct{ Value, Label, Meaning string }

// difference is a field that two have changed, each to something else.
type difference struct{ Label, Yours, Stored string }

var waitlistPolicies = []choice{
	{"auto", "Move up by themselves", "Whoever is next and fits gets the free seat at once, and is told."},
	{"offer", "Offer the seat", "Whoever is next and fits has some time to take the seat; then it goes to the one after."},
	{"none", "No waitlist", "When the event is full, answers are refused."},
}

var questionKinds = []choice{
	{Value: "text", Label: "a text"}, {Value: "choice", Label: "one of the options"}, {Value: "checkbox", Label: "any of the options"},
}

// Action is where the form is sent.
func (page eventFormPage) Action() string {
	if page.Event == nil {
		return "/o/" + page.Org.ID + "/new"
	}
	return "/o/events/" + page.Event.ID + "/edit"
}

// newEvent is the form of a new event.
func (p *pages) newEvent(c *gin.Context) {
	page, ok := p.newForm(c)
	if !ok {
		return
	}
	page.Form = url.Values{"visibility": {"public"}, "waitlist_policy": {"auto"}, "offer_ttl": {"12h"}, "reminders": {"24h, 1h"}, "retention_days": {"365"}}
	// The next event is likely to be where the last one was.
	var events ownEvents
	if _, err := p.api.do(c.Request.Context(), http.MethodGet, p.api.query+"/v1/organizations/"+page.Org.ID+"/events?limit=1&sort=latest", nil, &events, by(c)); err == nil && len(events.Items) > 0 {
		page.Form.Set("time_zone", events.Items[0].TimeZone)
	}
	p.showForm(c, page, http.StatusOK)
}

func (p *pages) newForm(c *gin.Context) (eventFormPage, bool) {
	org, err := p.membership(c, c.Param("org"), c.Query("v"))
	if err == nil && !org.Edits() {
		err = notForRole(org.Role)
	}
	if err != nil {
		p.memberSorry(c, err)
		return eventFormPage{}, false
	}
	return eventFormPage{Title: "New event", Org: org, Key: keyOf(c)}, true
}

func notForRole(role string) *problem {
	return &problem{Status: http.StatusForbidden, Code: "forbidden", Title: "This is for editors and owners", Detail: "Your role here is " + role + ". An owner of the organization can change it."}
}

// makeEvent stores what was typed as a draft. The write comes first: command decides who may, also while reads are away.
func (p *pages) makeEvent(c *gin.Context) {
	typed, ok := p.typed(c)
	if !ok {
		return
	}
	err := error(nil)
	if !typed.Has("more") {
		var made ownEvent
		var version string
		version, err = p.api.write(c.Request.Context(), http.MethodPost, "/v1/events", fresh(typed, c.Param("org")), &made, by(c, "Idempotency-Key", formKey(typed)))
		if err == nil {
			c.Redirect(http.StatusSeeOther, withVersion("/o/events/"+made.ID, nil, version, "made"))
			return
		}
	}
	if page, ok := p.newForm(c); ok {
		page.Form = typed
		p.formAgain(c, page, err)
	}
}

// typed is the form as it came.
func (p *pages) typed(c *gin.Context) (url.Values, bool) {
	if err := c.Request.ParseForm(); err != nil {
		p.sorry(c, &problem{Status: http.StatusBadRequest, Title: "The form could not be read", Detail: "Please go back, and send it again."})
		return nil, false
	}
	return c.Request.PostForm, true
}

// formAgain shows a form with all that was typed: it was refused, or asks for more rows.
func (p *pages) formAgain(c *gin.Context, page eventFormPage, err error) {
	if err == nil {
		spare(page.Form, 2*spareRows)
		p.showForm(c, page, http.StatusOK)
		return
	}
	why := asProblem(err)
	if why.Status == http.StatusUnauthorized {
		why = &problem{Status: why.Status, Detail: "Your sign-in has ended. Sign in again in another tab, then send this form once more: nothing that you typed is lost."}
	}
	page.Trouble, page.Wrong = eventTrouble(why, page.Form)
	p.showForm(c, page, why.Status)
}

func (p *pages) showForm(c *gin.Context, page eventFormPage, status int) {
	page.Policies, page.Kinds = waitlistPolicies, questionKinds
	if rows := questionRows(page.Form); len(rows) == 0 || strings.TrimSpace(rows[len(rows)-1].Label) != "" {
		spare(page.Form, spareRows)
	}
	page.Rows = questionRows(page.Form)
	p.show(c, status, "o_event_form", page)
}

// editEvent is the form of an event that is there.
func (p *pages) editEvent(c *gin.Context) {
	page, ok := p.editForm(c)
	if !ok {
		return
	}
	page.Form, page.Done = formOf(*page.Event), doneBy(c)
	page.Base = page.Form.Encode()
	p.showForm(c, page, http.StatusOK)
}

func (p *pages) editForm(c *gin.Context) (eventFormPage, bool) {
	e, org, ok := p.editable(c)
	if !ok {
		return eventFormPage{}, false
	}
	return eventFormPage{Title: "Edit " + e.Title, Org: org, Event: &e, Tabs: eventTabs{ID: e.ID, Now: "edit", Role: org.Role}, Key: keyOf(c),
		Revision: strconv.FormatInt(e.Revision, 10)}, true
}

// saveEvent sends what was changed, under the revision that the form was made from.
func (p *pages) saveEvent(c *gin.Context) {
	typed, ok := p.typed(c)
	if !ok {
		return
	}
	base, err := url.ParseQuery(typed.Get("base"))
	if err != nil || !base.Has("title") {
		p.sorry(c, &problem{Status: http.StatusBadRequest, Title: "The form could not be read", Detail: "Please open it again."})
		return
	}
	if !typed.Has("more") {
		path, headers := "/v1/events/"+url.PathEscape(c.Param("id")), by(c, "Idempotency-Key", formKey(typed), "If-Match", revisionTag(typed.Get("revision")))
		var version string
		version, err = p.api.write(c.Request.Context(), http.MethodPatch, path, changed(typed, base), nil, headers)
		if err == nil {
			c.Redirect(http.StatusSeeOther, withVersion("/o/events/"+url.PathEscape(c.Param("id")), nil, version, "saved"))
			return
		}
	}
	page, ok := p.editForm(c)
	if !ok {
		return
	}
	if page.Form = typed; err != nil && asProblem(err).Code == "revision-mismatch" {
		now := formOf(*page.Event)
		page.Form, page.Clashes = merged(base, typed, now)
		page.Base = now.Encode()
		err = &problem{Status: http.StatusPreconditionFailed, Detail: "Somebody has changed this event since you opened the form, so nothing was saved. What you typed is still here; what you had not touched reads as it is stored now. Look at it, and save again."}
	} else {
		page.Revision, page.Base = typed.Get("revision"), typed.Get("base")
	}
	p.formAgain(c, page, err)
}

// merged keeps what was typed and takes over what somebody else has stored meanwhile. Where both have changed the same, it
// keeps what was typed, and tells: who saves again has seen it.
func merged(base, typed, stored url.Values) (url.Values, []difference) {
	form, clashes := url.Values{}, []difference(nil)
	for _, name := range fieldOrder {
		mine, theirs, was := shown(typed, name), shown(stored, name), shown(base, name)
		from := typed
		if mine == was {
			from = stored
		} else if theirs != was && theirs != mine {
			clashes = append(clashes, difference{eventLabels[name], mine, theirs})
		}
		if from.Has(name) {
			form.Set(name, from.Get(name))
		}
	}
	// The questions are one thing: rows have no place of their own.
	mine, theirs, was := questionsText(typed), questionsText(stored), questionsText(base)
	from := typed
	if mine == was {
		from = stored
	} else if theirs != was && theirs != mine {
		clashes = append(clashes, difference{"Questions", mine, theirs})
	}
	for name, values := range from {
		if rowField.MatchString(name) {
			form[name] = values
		}
	}
	return form, clashes
}

var rowField = regexp.MustCompile(`^q[0-9]+_`)

// shown is a field as it reads.
func shown(f url.Values, name string) string {
	switch v := strings.TrimSpace(lines(f.Get(name))); {
	case v == "":
		return "–"
	case name == "online" || name == "approval" || name == "confirm_address" || name == "remind_maybe":
		return "yes"
	default:
		return v
	}
}

func questionsText(f url.Values) string {
	texts := []string{}
	for _, r := range kept(questionRows(f)) {
		text := r.Label
		if r.Kind == "checkbox" {
			text += ", any of"
		}
		if options := parts(r.Options, "\n"); len(options) > 0 {
			text += " (" + strings.Join(options, ", ") + ")"
		}
		if r.Required {
			text += ", required"
		}
		texts = append(texts, text)
	}
	if len(texts) == 0 {
		return "–"
	}
	return strings.Join(texts, "; ")
}

var fieldOrder = []string{"title", "description", "starts_at", "ends_at", "time_zone", "venue_name", "venue_address", "venue_city", "venue_country", "venue_lat",
	"venue_lon", "online", "online_url", "category", "tags", "visibility", "price_min", "price_max", "price_currency", "capacity", "max_party", "waitlist_policy",
	"offer_ttl", "approval", "confirm_address", "rsvp_opens_at", "rsvp_closes_at", "reminders", "remind_maybe", "retention_days"}
