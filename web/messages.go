package web

import (
	"net/http"
	"net/url"
	"time"

	"github.com/gin-gonic/gin"
)

type messagesPage struct {
	memberPage
	Announcements []announcementView
	Campaigns     []campaignView
	Mails         mailLog
	First         string // the log's first page
	Filter        url.Values
}

type announcementView struct {
	ID         string         `json:"id"`
	To         string         `json:"to"`
	Subject    string         `json:"subject"`
	Body       string         `json:"body"`
	Recipients int            `json:"recipients"`
	Unwanted   int            `json:"without_consent"`
	CreatedAt  time.Time      `json:"created_at"`
	States     map[string]int `json:"states"`
}

type campaignView struct {
	ID         string     `json:"id"`
	Name       string     `json:"name"`
	Status     string     `json:"state"`
	Reason     string     `json:"reason"`
	StartsAt   *time.Time `json:"starts_at"`
	StartedAt  *time.Time `json:"started_at"`
	FinishedAt *time.Time `json:"finished_at"`
	CreatedAt  time.Time  `json:"created_at"`
	Variants   []struct {
		Subject string `json:"subject"`
	} `json:"variants"`
}

var audiences = []struct{ Value, Words string }{
	{"going", "Who is going"}, {"maybe", "Who may come"}, {"waitlisted", "Who is on the waitlist or has an offer"}, {"all", "All of them, and who is still pending"},
}

// messages is what was told to the guests, and the form to tell them something.
func (p *pages) messages(c *gin.Context) {
	page, ok := p.loadMessages(c)
	if ok {
		p.show(c, page.status(), "o_messages", page)
	}
}

func (p *pages) loadMessages(c *gin.Context) (messagesPage, bool) {
	e, o, ok := p.memberEvent(c)
	if !ok {
		return messagesPage{}, false
	}
	page := messagesPage{memberPage: newMemberPage(c, e, o, "messages", "Messages"), Filter: url.Values{}}
	page.Form = url.Values{"to": {"going"}}
	for _, name := range []string{"kind", "state"} {
		if given := c.Query(name); given != "" {
			page.Filter.Set(name, given)
		}
	}
	err := p.announced(c, &page)
	if err == nil {
		page.Mails, err = p.mailLog(c, e.ID, page.Filter, c.Query("cursor"))
	}
	if err != nil && c.Request.Method == http.MethodGet { // what was typed goes before what cannot be read
		p.memberSorry(c, err)
		return page, false
	}
	if c.Query("cursor") != "" {
		page.First = address(messagesPath(e.ID), page.Filter) + "#log"
	}
	if page.Mails.NextCursor != nil {
		q := url.Values{"cursor": {*page.Mails.NextCursor}}
		for name, given := range page.Filter {
			q[name] = given
		}
		page.Mails.Next = address(messagesPath(e.ID), q) + "#log"
	}
	return page, true
}

// announced reads what organizers wrote. Analysts see of mail what became of it, and to nobody by name.
func (p *pages) announced(c *gin.Context, page *messagesPage) error {
	if !page.Org.Edits() {
		return nil
	}
	var announcements struct {
		Items []announcementView `json:"items"`
	}
	var campaigns struct {
		Items []campaignView `json:"items"`
	}
	ctx, path := c.Request.Context(), p.api.notifier+"/v1/events/"+page.Event.ID
	_, err := p.api.do(ctx, http.MethodGet, path+"/announcements", nil, &announcements, by(c))
	if err == nil {
		_, err = p.api.do(ctx, http.MethodGet, path+"/campaigns", nil, &campaigns, by(c))
	}
	page.Announcements, page.Campaigns = announcements.Items, campaigns.Items
	return err
}

func messagesPath(event string) string { return "/o/events/" + url.PathEscape(event) + "/messages" }

// Audiences are whom one can write to.
func (messagesPage) Audiences() any { return audiences }

// ToWord is an audience in words.
func (messagesPage) ToWord(to string) string { return toWord(to) }

func toWord(to string) string {
	for _, a := range audiences {
		if a.Value == to {
			return a.Words
		}
	}
	return readable(to)
}

// MailStates are what the log can be narrowed to, in the order in which mail gets there.
func (messagesPage) MailStates() []string {
	return []string{"planned", "claimed", "sent", "delivered", "bounced", "failed", "dead", "void"}
}

// MailKinds are what the log can be narrowed to.
func (messagesPage) MailKinds() []string { return sortedKeys(mailKinds) }

// StateWord is what became of mail.
func (messagesPage) StateWord(state string) string { return mailState(state) }

// KindWord is what mail is about.
func (messagesPage) KindWord(kind string) string { return mailKind(kind) }

// Waiting tells whether any of it can still be taken back.
func (a announcementView) Waiting() bool {
	return a.States["planned"]+a.States["claimed"]+a.States["failed"] > 0
}

// Called is its name; guests never see that.
func (c campaignView) Called() string {
	if c.Name == "" && len(c.Variants) > 0 {
		return c.Variants[0].Subject
	}
	return c.Name
}

// May tells whether an action is worth a button: the API decides.
func (c campaignView) May(action string) bool {
	switch action {
	case "pause":
		return c.Status == "running"
	case "resume":
		return c.Status == "paused"
	}
	return c.Status != "done" && c.Status != "cancelled"
}

// State is where it stands, in words.
func (c campaignView) State() string {
	switch c.Status {
	case "draft":
		return "Not started"
	case "scheduled":
		return "Begins by itself"
	case "running":
		return "Going out"
	case "paused":
		return "Paused"
	case "cancelled":
		return "Cancelled"
	case "done":
		return "Over"
	}
	return readable(c.Status)
}

// Because says how it came there, where anything does.
func (c campaignView) Because() string { return readable(c.Reason) }
