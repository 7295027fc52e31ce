package web

import (
	"net/http"
	"net/url"
	"time"

	"github.com/gin-gonic/gin"
)

type erasePage struct {
	memberPage
	Guest   guestView
	Here    string
	Receipt *receiptView
}

// receiptView says what was erased, and how each store forgets.
type receiptView struct {
	ErasedAt time.Time `json:"erased_at"`
	RSVPs    []struct {
		RSVPID  string `json:"rsvp_id"`
		EventID string `json:"event_id"`
		Status  string `json:"status"`
	} `json:"rsvps"`
	Stores []struct {
		Store  string `json:"store"`
		What   string `json:"what"`
		Within string `json:"within"`
	} `json:"stores"`
}

// State is what became of an answer.
func (erasePage) State(status string) string { return stateWord(status) }

// erase asks once more, and then has the API forget a guest. The receipt is shown by the answer to the form itself: it is in
// no store that could be asked for it later, but the same form sent again gets it again.
func (p *pages) erase(c *gin.Context, id, here string) {
	e, o, ok := p.memberEvent(c)
	if !ok {
		return
	}
	form := c.Request.PostForm
	page := erasePage{memberPage: newMemberPage(c, e, o, "guests", "Erase"), Here: here}
	page.Form = form
	if sure(form) {
		body := map[string]string{"organization_id": o.ID, "rsvp_id": id}
		if form.Get("what") == "address" {
			body = map[string]string{"organization_id": o.ID, "email": form.Get("email")}
		}
		var done receiptView
		_, err := p.api.write(c.Request.Context(), http.MethodPost, "/v1/privacy/erase", body, &done, by(c, "Idempotency-Key", formKey(form)))
		if err == nil {
			page.Receipt = &done
			p.show(c, http.StatusOK, "o_erase", page)
			return
		}
		page.Problem = asProblem(err)
	}
	g, err := p.guest(c, e, id)
	if err != nil {
		p.memberSorry(c, err)
		return
	}
	page.Guest = g
	if !sure(form) {
		page.Form = url.Values{"what": {"answer"}}
		if g.Email != "" {
			page.Form = url.Values{"what": {"address"}}
		}
	}
	p.show(c, page.status(), "o_erase", page)
}
