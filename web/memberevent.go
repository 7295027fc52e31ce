package web

import (
	"net/http"
	"net/url"

	"github.com/gin-gonic/gin"
)

// memberEvent reads the event of the path with the member's token, and the organization that it belongs to with the
// member's role there. ok is false after the problem was shown. Whoever is no member may know of a published event, but
// these pages are not theirs: they do not exist.
func (p *pages) memberEvent(c *gin.Context) (e eventView, o organizationView, ok bool) {
	path := p.api.query + "/v1/events/" + url.PathEscape(c.Param("id"))
	_, err := p.api.do(c.Request.Context(), http.MethodGet, path, nil, &e, by(c, "Turnout-Min-Version", c.Query("v")))
	if err != nil {
		p.memberSorry(c, err)
		return e, o, false
	}
	o, err = p.membership(c, e.OrganizationID, "")
	if err != nil && asProblem(err).Status == http.StatusNotFound {
		// One that was founded a moment ago is in no list yet; asked for by its first version, it is waited for.
		o, err = p.membership(c, e.OrganizationID, e.OrganizationID+"@1")
	}
	if err != nil {
		p.memberSorry(c, err)
		return e, o, false
	}
	return e, o, true
}

var nothingHere = &problem{Status: http.StatusNotFound, Code: "not-found", Title: "There is nothing at this address", Detail: "The link may be old, or it is not yours to see."}
