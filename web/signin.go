package web

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/gin-gonic/gin"
)

type signInPage struct {
	Title   string
	To      string // where it leads
	New     bool   // an account is made
	Left    bool   // somebody has just signed out
	Form    url.Values
	Problem *problem
}

// memberSignIn is the form, for an account that is there or a new one.
func (p *pages) memberSignIn(c *gin.Context) {
	p.show(c, http.StatusOK, "o_signin", signInForm(c, inside(c.Query("to"))))
}

func signInForm(c *gin.Context, to string) signInPage {
	page := signInPage{Title: "Sign in", To: to, New: strings.HasSuffix(c.FullPath(), "/sign-up"), Left: c.Query("left") != "", Form: url.Values{}}
	if page.New {
		page.Title = "Sign up"
	}
	return page
}

// memberStart takes the form and leads to where one wanted to go.
func (p *pages) memberStart(c *gin.Context) {
	page := signInForm(c, inside(c.PostForm("to")))
	body, path := map[string]string{"email": strings.TrimSpace(c.PostForm("email")), "password": c.PostForm("password")}, "/v1/auth/login"
	if page.New {
		body["name"], path = strings.TrimSpace(c.PostForm("name")), "/v1/auth/register"
	}
	var t tokens
	if _, err := p.api.write(c.Request.Context(), http.MethodPost, path, body, &t, forwarded(c)); err != nil {
		page.Problem = asProblem(err)
		page.Form = url.Values{"email": {body["email"]}, "name": {body["name"]}}
		p.show(c, page.Problem.Status, "o_signin", page)
		return
	}
	p.keepMember(c, t)
	c.Redirect(http.StatusSeeOther, page.To)
}

// memberEnd ends the session here and at command. Where command is away the browser forgets all the same.
func (p *pages) memberEnd(c *gin.Context) {
	if refresh, _ := c.Cookie(refreshCookie); refresh != "" {
		if _, err := p.api.write(c.Request.Context(), http.MethodPost, "/v1/auth/logout", map[string]string{"refresh_token": refresh}, nil, forwarded(c)); err != nil {
			p.log.WarnContext(c.Request.Context(), "session not ended", "error", err)
		}
	}
	p.signedOut(c)
	c.Redirect(http.StatusSeeOther, "/o/sign-in?left=1") // where the device forgets the door's lists
}
