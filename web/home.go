package web

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/gin-gonic/gin"
)

type homePage struct {
	Title         string
	Organizations []organizationView
	Form          url.Values
	Problem       *problem
}

// organizationView is an organization as one of its members sees it.
type organizationView struct {
	ID   string `json:"id"`
	Slug string `json:"slug"`
	Name string `json:"name"`
	Role string `json:"role"` // the caller's: owner, editor, door, analyst
	// What its owners may change.
	Colors   colors `json:"colors"`
	Tracking bool   `json:"tracking"`
	Me       string `json:"-"` // the caller's account
}

type colors struct {
	Primary    string `json:"primary"`
	Background string `json:"background"`
}

// Edits tells whether the member may change events.
func (o organizationView) Edits() bool { return o.Role == "owner" || o.Role == "editor" }

// Owns tells whether the member may change the others, and know their names.
func (o organizationView) Owns() bool { return o.Role == "owner" }

// Guests tells whether the member sees the guest list.
func (o organizationView) Guests() bool { return o.Role != "analyst" }

// home lists the member's organizations; who has none founds one.
func (p *pages) home(c *gin.Context) {
	page := homePage{Title: "Organizations", Form: url.Values{}}
	p.showHome(c, page, c.Query("v"))
}

func (p *pages) showHome(c *gin.Context, page homePage, min string) {
	me, err := p.whoAmI(c, min)
	if err != nil {
		p.memberSorry(c, err)
		return
	}
	page.Organizations = me.Organizations
	status := http.StatusOK
	if page.Problem != nil {
		status = page.Problem.Status
	}
	p.show(c, status, "o_home", page)
}

// found makes an organization, whose first owner is the member.
func (p *pages) found(c *gin.Context) {
	body := map[string]string{"name": strings.TrimSpace(c.PostForm("name")), "slug": strings.TrimSpace(c.PostForm("slug"))}
	var made struct {
		ID string `json:"id"`
	}
	version, err := p.api.write(c.Request.Context(), http.MethodPost, "/v1/organizations", body, &made, by(c))
	if err != nil {
		page := homePage{Title: "Organizations", Problem: asProblem(err), Form: url.Values{"name": {body["name"]}, "slug": {body["slug"]}}}
		p.showHome(c, page, "")
		return
	}
	c.Redirect(http.StatusSeeOther, withVersion("/o/"+made.ID, nil, version, ""))
}

// memberSorry is the page of a member's request that failed. An access token that is not good any more is let go, and the
// page asked for again with another one; a session that has ended leads to the sign-in, what is about to be seen to itself.
func (p *pages) memberSorry(c *gin.Context, err error) {
	why := asProblem(err)
	switch {
	case why.Status == http.StatusUnauthorized:
		p.cookie(c, accessCookie, "", -1)
		m := c.MustGet(memberKey).(*member) //nolint:forcetypeassert // signedIn sets it
		if refresh, _ := c.Cookie(refreshCookie); refresh != "" && !m.fresh && c.Request.Method == http.MethodGet {
			c.Redirect(http.StatusSeeOther, c.Request.URL.RequestURI())
			return
		}
		p.askIn(c)
		return
	case why.Code == notYetVisible:
		why = &problem{Status: http.StatusServiceUnavailable, Title: "It is stored", Detail: "This page is catching up, and looks again by itself."}
		c.Header("Refresh", "2")
	}
	p.sorry(c, why)
}
