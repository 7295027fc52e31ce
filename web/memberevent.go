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
	ctx := c.Request.Context()
	path := p.api.query + "/v1/events/" + url.PathEscape(c.Param("id"))
	if _, err := p.api.do(ctx, http.MethodGet, path, nil, &e, by(c, "Turnout-Min-Version", c.Query("v"))); err != nil {
		p.memberSorry(c, err)
		return e, o, false
	}
	all, err := p.organizations(ctx, by(c))
	if err != nil {
		p.memberSorry(c, err)
		return e, o, false
	}
	for _, o := range all {
		if o.ID == e.OrganizationID {
			return e, o, true
		}
	}
	p.sorry(c, nothingHere)
	return e, o, false
}

var nothingHere = &problem{Status: http.StatusNotFound, Code: "not-found", Title: "There is nothing at this address", Detail: "The link may be old, or it is not yours to see."}
