package web

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
)

// peopleRoutes are an event's people, what was told to them and what happened, and the people of an organization.
func peopleRoutes(o *gin.RouterGroup, p *pages) {
	o.GET("/events/:id/guests", p.guests)
	o.POST("/events/:id/guests", p.changeGuests)
	o.GET("/events/:id/guests.csv", p.guestsCSV)
	o.GET("/events/:id/guests/:rsvp", p.oneGuest)
	o.POST("/events/:id/guests/:rsvp", p.changeGuest)
	o.GET("/events/:id/messages", p.messages)
	o.POST("/events/:id/messages", p.changeMessages)
	o.GET("/events/:id/history", p.eventHistory)
	o.GET("/:org/members", p.members)
	o.POST("/:org/members", p.changeMembers)
}

// memberPage is what the pages of an event have in common.
type memberPage struct {
	Title   string
	Tabs    eventTabs
	Event   eventView
	Org     organizationView
	Done    string // what the last form did
	Key     string // makes the writes of this page's forms unlike those of any other
	Form    url.Values
	Problem *problem
}

func newMemberPage(c *gin.Context, e eventView, o organizationView, now, title string) memberPage {
	return memberPage{Done: doneBy(c), Title: title + " · " + e.Title, Tabs: eventTabs{ID: e.ID, Now: now, Role: o.Role}, Event: e, Org: o, Key: keyOf(c), Form: url.Values{}}
}

// When is a time on the event's clock.
func (m memberPage) When(t time.Time) string { return shortTime(t, m.Event.TimeZone) }

// Clock is the zone that times are shown in, without its letters: they differ between summer and winter.
func (m memberPage) Clock() string {
	return inZone(m.Event.StartsAt, m.Event.TimeZone).Location().String()
}

func (m memberPage) status() int {
	if m.Problem != nil {
		return m.Problem.Status
	}
	return http.StatusOK
}

func shortTime(t time.Time, tz string) string {
	return inZone(t, tz).Format("Mon 2 Jan 2006, 15:04")
}

// keyOf is the random key of the forms of a page. A page that answers a form keeps the form's own: what may have been done
// is done once, however often it is sent and looked at in between. Only 2xx are kept under a key, so a refusal costs nothing.
func keyOf(c *gin.Context) string {
	if key := c.PostForm("key"); key != "" {
		return key
	}
	return rand.Text()
}

// formKey is the Idempotency-Key of what a form asks for: the form's own random key and everything that was typed. The same
// form sent twice is one write; changed and sent again it is another.
func formKey(form url.Values) string {
	if form.Get("key") == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(form.Encode()))
	return "page-" + hex.EncodeToString(sum[:16])
}

// done are what a form's redirect may say of it; an address that says anything else says nothing.
var done = map[string]string{
	"made": "The draft is stored. Only members see it until it is published.", "saved": "The changes are stored.",
	"publish": "It is published: guests can find it, and answer.", "capacity": "The number of seats is changed.",
	"cancel": "It is cancelled. Whoever has answered is told.", "cover": "The picture is set.", "uncover": "The picture is removed.",
	"duplicate": "This draft is a copy. Look at its times, then save it.", "repeat": "The series has all these dates already: none was made.",
	"approve": "Approved: the guest is told by mail.", "reject": "Rejected: the guest is told by mail.", "cancelled": "Cancelled: the guest is told by mail.",
	"party": "The number of people is changed.",
	"add":   "The role is given.", "remove": "Removed.", "change": "Saved.",
	"sent": "The mails go out now. What becomes of them is shown below.", "taken-back": "Taken back: what had not gone does not go.",
	"pause": "Paused: what has not gone waits.", "resume": "Going on.", "stopped": "Cancelled: what had not gone does not go.",
}

// doneBy is what the form did that led to a page. A form's own address has it still: what is refused next says its own.
func doneBy(c *gin.Context) string {
	if c.Request.Method != http.MethodGet {
		return ""
	}
	return done[c.Query("done")]
}

// withVersion adds the version of a write to an address, so that what it leads to shows it, and what was done.
func withVersion(path string, query url.Values, version, did string) string {
	q := url.Values{}
	for name, given := range query {
		q[name] = given
	}
	if version != "" {
		q.Set("v", version)
	}
	if did != "" {
		q.Set("done", did)
	}
	return address(path, q)
}

func address(path string, q url.Values) string {
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}

// askPage asks once more before something that cannot be taken back.
type askPage struct {
	memberPage
	Question string
	Words    []string
	Hidden   map[string]string
	Reason   string // the field's label; no field when empty
	Button   string
	Back     string
}

// ask shows the question. The form repeats what was asked for, with the word that one is sure.
func (p *pages) ask(c *gin.Context, page askPage, form url.Values, names ...string) {
	page.Hidden = map[string]string{"sure": "yes", "key": page.Key}
	for _, name := range names {
		page.Hidden[name] = form.Get(name)
	}
	page.Form = form
	p.show(c, page.status(), "o_ask", page)
}

func sure(form url.Values) bool { return form.Get("sure") == "yes" }

// readable makes words of a code: no-longer-going, event_moved.
func readable(code string) string { return strings.NewReplacer("-", " ", "_", " ").Replace(code) }
