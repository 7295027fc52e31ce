package web

import (
	"net/http"
	"net/url"

	"github.com/gin-gonic/gin"

	"github.com/turnout-events/turnout/internal/contract"
)

type oneGuestPage struct {
	memberPage
	Guest    guestView
	Mails    mailLog
	MailsOff *problem // why there are none to show
	Log      []loggedView
	LogNext  string
	LogOff   *problem
	Scans    []contract.Scan
	Back     string
}

// oneGuest is everything that is known of an answer.
func (p *pages) oneGuest(c *gin.Context) {
	page, ok := p.loadGuest(c)
	if ok {
		p.show(c, page.status(), "o_guest", page)
	}
}

func (p *pages) loadGuest(c *gin.Context) (oneGuestPage, bool) {
	e, o, ok := p.memberEvent(c)
	if !ok {
		return oneGuestPage{}, false
	}
	g, err := p.guest(c, e, c.Param("rsvp"))
	if err != nil {
		p.memberSorry(c, err)
		return oneGuestPage{}, false
	}
	page := oneGuestPage{memberPage: newMemberPage(c, e, o, "guests", g.Called()), Guest: g, Back: guestsPath(e.ID)}
	about := url.Values{"rsvp_id": {g.ID}}
	if o.Edits() { // the door reads no mail
		if page.Mails, err = p.mailLog(c, e.ID, about, c.Query("mails")); err != nil {
			page.MailsOff = asProblem(err)
		}
		if page.Mails.NextCursor != nil {
			page.Mails.Next = page.path() + "?" + url.Values{"mails": {*page.Mails.NextCursor}}.Encode() + "#mails"
		}
	}
	about.Set("limit", "100")
	if from := c.Query("log"); from != "" {
		about.Set("cursor", from)
	}
	log, err := p.logged(c, e, o, about)
	if err != nil {
		page.LogOff = asProblem(err)
		return page, true
	}
	page.Log = log.Items
	if log.NextCursor != nil {
		page.LogNext = page.path() + "?" + url.Values{"log": {*log.NextCursor}}.Encode() + "#log"
	}
	if n := len(log.Items); n > 0 && log.NextCursor == nil {
		page.Scans = log.Items[n-1].Data.RSVP.Door // the last message carries all of them
	}
	return page, true
}

func (g oneGuestPage) path() string { return guestsPath(g.Event.ID) + "/" + g.Guest.ID }

// Most is how many people the party may have: what it has already stays allowed.
func (g oneGuestPage) Most() int { return max(g.Event.MaxParty, g.Guest.PartySize) }

// Scanned is what a device did at the door.
func (g oneGuestPage) Scanned(s contract.Scan) string {
	said := scanned(s.People, s.Conflict)
	if s.Undo {
		said = "Taken back"
	}
	return said + onDevice(s.Device)
}

// changeGuest takes the buttons of a guest's page.
func (p *pages) changeGuest(c *gin.Context) {
	_ = c.Request.ParseForm() // what cannot be read has no action
	form, id := c.Request.PostForm, c.Param("rsvp")
	here := guestsPath(c.Param("id")) + "/" + url.PathEscape(id)
	switch {
	case form.Get("action") == "erase":
		p.erase(c, id, here)
		return
	case asksFirst(form):
		p.askGuest(c, id, here, nil)
		return
	}
	version, err := p.actOnGuest(c, id)
	switch {
	case err == nil:
		c.Redirect(http.StatusSeeOther, withVersion(here, nil, version, guestDone(form)))
	case sure(form):
		p.askGuest(c, id, here, asProblem(err))
	default:
		page, ok := p.loadGuest(c)
		if !ok {
			return
		}
		page.Problem, page.Form = asProblem(err), form
		p.show(c, page.status(), "o_guest", page)
	}
}
