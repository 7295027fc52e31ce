package web

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/turnout-events/turnout/internal/id"
)

type account struct {
	ID            string             `json:"id"`
	Organizations []organizationView `json:"organizations"`
}

// whoAmI is the account that has signed in; min is the Turnout-Version of a write that must be seen.
func (p *pages) whoAmI(c *gin.Context, min string) (account, error) {
	var me account
	_, err := p.api.do(c.Request.Context(), http.MethodGet, p.api.query+"/v1/me", nil, &me, by(c, "Turnout-Min-Version", min))
	return me, err
}

// membership is what the member is in an organization; min is the Turnout-Version of a write, of an event's too. Where they
// are nothing it does not exist for them.
func (p *pages) membership(c *gin.Context, org, min string) (organizationView, error) {
	if !strings.HasPrefix(min, org+"@") {
		min = "" // of an event
	}
	me, err := p.whoAmI(c, min)
	if err != nil {
		return organizationView{}, err
	}
	if o, there := me.in(org); there {
		return o, nil
	}
	if min != "" || !id.Valid(org) {
		return organizationView{}, nothingHere
	}
	// One that was founded a moment ago is in no list yet; asked for by its first version, it is waited for.
	me, err = p.whoAmI(c, org+"@1")
	if err != nil && asProblem(err).Code != notYetVisible {
		return organizationView{}, err
	}
	if o, there := me.in(org); there {
		return o, nil
	}
	return organizationView{}, nothingHere
}

func (a account) in(org string) (organizationView, bool) {
	for _, o := range a.Organizations {
		if o.ID == org {
			o.Me = a.ID
			return o, true
		}
	}
	return organizationView{}, false
}

// readEvent reads an event with the member's token. What others have published is read too: membership tells whose it is.
func (p *pages) readEvent(c *gin.Context, event string, into any) error {
	_, err := p.api.do(c.Request.Context(), http.MethodGet, p.api.query+"/v1/events/"+url.PathEscape(event), nil, into, by(c, "Turnout-Min-Version", c.Query("v")))
	return err
}

// memberEvent reads the event of the path and the organization that it belongs to, with the member's role there. ok is false
// after the problem was shown. Whoever is no member may know of a published event, but these pages are not theirs: they do
// not exist.
func (p *pages) memberEvent(c *gin.Context) (e eventView, o organizationView, ok bool) {
	err := p.readEvent(c, c.Param("id"), &e)
	if err == nil {
		o, err = p.membership(c, e.OrganizationID, "")
	}
	if err != nil {
		p.memberSorry(c, err)
	}
	return e, o, err == nil
}

var nothingHere = &problem{Status: http.StatusNotFound, Code: "not-found", Title: "There is nothing at this address", Detail: "The link may be old, or it is not yours to see."}
