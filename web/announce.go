package web

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/gin-gonic/gin"
)

type announcePage struct {
	memberPage
	Audience string
	Reach    *reachView // nil: not known for the moment
}

// reachView is how many get it.
type reachView struct {
	People  int
	Skipped int // did not want updates
	AtLeast bool
	Pending bool // those are not counted
}

// changeMessages takes the page's forms.
func (p *pages) changeMessages(c *gin.Context) {
	_ = c.Request.ParseForm() // what cannot be read has no action
	form := c.Request.PostForm
	switch form.Get("action") {
	case "preview":
		p.previewAnnouncement(c, form)
	case "send":
		body := map[string]string{"to": form.Get("to"), "subject": strings.TrimSpace(form.Get("subject")), "body": strings.TrimSpace(lines(form.Get("body")))}
		p.told(c, "sent", http.MethodPost, "/announcements", body)
	case "take-back":
		p.askedAbout(c, form, "taken-back", http.MethodDelete, "/announcements/"+url.PathEscape(form.Get("id")), askPage{
			Question: "Take this announcement back?", Words: []string{"What has not gone yet does not go. Who has it keeps it."}, Button: "Take it back"})
	case "pause", "resume":
		p.told(c, form.Get("action"), http.MethodPost, "/campaigns/"+url.PathEscape(form.Get("id"))+"/"+form.Get("action"), nil)
	case "cancel":
		p.askedAbout(c, form, "stopped", http.MethodPost, "/campaigns/"+url.PathEscape(form.Get("id"))+"/cancel", askPage{
			Question: "Cancel this campaign?", Words: []string{"What has not gone yet does not go, and it cannot be started again."}, Button: "Cancel the campaign"})
	case "edit":
		p.messagesAgain(c, nil)
	default:
		p.messagesAgain(c, errNoAction)
	}
}

// told asks the notifier, and leads back to the page, or shows what was typed once more.
func (p *pages) told(c *gin.Context, done, method, path string, body any) {
	if err := p.tell(c, method, path, body); err != nil {
		p.messagesAgain(c, asProblem(err))
		return
	}
	c.Redirect(http.StatusSeeOther, withVersion(messagesPath(c.Param("id")), nil, "", done))
}

func (p *pages) tell(c *gin.Context, method, path string, body any) error {
	target := p.api.notifier + "/v1/events/" + url.PathEscape(c.Param("id")) + path
	_, err := p.api.do(c.Request.Context(), method, target, body, nil, by(c, "Idempotency-Key", formKey(c.Request.PostForm)))
	return err
}

// askedAbout does what one is sure of, and asks first.
func (p *pages) askedAbout(c *gin.Context, form url.Values, done, method, path string, page askPage) {
	var why *problem
	if sure(form) {
		err := p.tell(c, method, path, nil)
		if err == nil {
			c.Redirect(http.StatusSeeOther, withVersion(messagesPath(c.Param("id")), nil, "", done))
			return
		}
		why = asProblem(err)
	}
	e, o, ok := p.memberEvent(c)
	if !ok {
		return
	}
	page.memberPage = newMemberPage(c, e, o, "messages", page.Button)
	page.Problem, page.Back = why, messagesPath(e.ID)
	p.ask(c, page, form, "action", "id")
}

// messagesAgain shows the page with what was typed.
func (p *pages) messagesAgain(c *gin.Context, why *problem) {
	page, ok := p.loadMessages(c)
	if !ok {
		return
	}
	page.Problem = why
	for name, typed := range c.Request.PostForm {
		page.Form[name] = typed
	}
	p.show(c, page.status(), "o_messages", page)
}

// previewAnnouncement shows what would be sent, and to how many, before it is.
func (p *pages) previewAnnouncement(c *gin.Context, form url.Values) {
	if strings.TrimSpace(form.Get("subject")) == "" || strings.TrimSpace(form.Get("body")) == "" {
		p.messagesAgain(c, &problem{Status: http.StatusBadRequest, Detail: "Please write a subject and a text."})
		return
	}
	e, o, ok := p.memberEvent(c)
	if !ok {
		return
	}
	page := announcePage{memberPage: newMemberPage(c, e, o, "messages", "Send?"), Audience: toWord(form.Get("to")), Reach: p.reach(c, e.ID, form.Get("to"))}
	page.Form = form
	p.show(c, http.StatusOK, "o_announce", page)
}

// reach counts who an announcement goes to. The API has no preview of announcements; a campaign to the same answers of
// this event reaches the same guests, those apart who are still pending.
func (p *pages) reach(c *gin.Context, event, to string) *reachView {
	answers := []string{to}
	r := &reachView{}
	if to == "all" { // of a campaign that is also who is not coming
		answers, r.Pending = []string{"going", "maybe", "waitlisted"}, true
	}
	for _, answer := range answers {
		var counted struct {
			Recipients int            `json:"recipients"`
			Skipped    map[string]int `json:"skipped"`
			Exact      bool           `json:"exact"`
		}
		body := map[string]any{"subject": "-", "body": "-", "segment": map[string]string{"scope": "event", "answer": answer}}
		path := p.api.notifier + "/v1/events/" + event + "/campaigns/preview"
		if _, err := p.api.do(c.Request.Context(), http.MethodPost, path, body, &counted, by(c)); err != nil {
			return nil
		}
		r.People += counted.Recipients
		r.Skipped += counted.Skipped["without-consent"]
		r.AtLeast = r.AtLeast || !counted.Exact
	}
	return r
}

// Goes says how many get it.
func (r reachView) Goes() string {
	said := "It goes to " + counted(r.People, "guest")
	if r.AtLeast {
		said = "It goes to at least " + counted(r.People, "guest")
	}
	if r.Pending {
		said += ", and to those who are still pending"
	}
	if r.Skipped > 0 {
		said += ". " + counted(r.Skipped, "guest") + " did not want news about this event, and get none"
	}
	return said + "."
}
