package web

import (
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"
)

// sessionCookie keeps a guest's session in the browser, for /me alone: no
// script reads it, no other site sends it.
const sessionCookie = "turnout_guest"

type mePage struct {
	Title   string
	Token   string // of a mailed link that waits for its button
	Email   string // as it was typed, when it was refused
	Known   bool
	Sent    bool
	RSVPs   []myRSVP
	Problem *problem
}

type myRSVP struct {
	Status    string    `json:"status"`
	PartySize int       `json:"party_size"`
	Why       string    `json:"why"`
	ManageURL string    `json:"manage_url"`
	Event     eventView `json:"event"`
}

// me is everything that a guest has answered, across events and organizers,
// behind a link that is mailed. Opening the link changes nothing, because mail
// programs open links by themselves; the button does.
func (p *pages) me(c *gin.Context) {
	page := mePage{Title: "My answers", Token: c.Query("token"), Sent: c.Query("sent") != ""}
	session, err := c.Cookie(sessionCookie)
	if err != nil || session == "" || page.Token != "" {
		p.show(c, http.StatusOK, "me", page)
		return
	}
	var list struct {
		Items []myRSVP `json:"items"`
	}
	if _, err := p.api.do(c.Request.Context(), http.MethodGet, p.api.query+"/v1/me/rsvps?limit=100", nil, &list, guest(session)); err != nil {
		page.Problem = asProblem(err)
		if page.Problem.Status == http.StatusUnauthorized {
			p.forget(c)
			page.Problem.Detail = "Your link has run out. Ask for a new one."
		}
		p.show(c, page.Problem.Status, "me", page)
		return
	}
	page.Known, page.RSVPs = true, list.Items
	p.show(c, http.StatusOK, "me", page)
}

// signIn asks for a link, takes a link's token, or ends the session.
func (p *pages) signIn(c *gin.Context) {
	ctx, headers := c.Request.Context(), forwarded(c)
	page := mePage{Title: "My answers"}
	switch {
	case c.PostForm("out") != "":
		p.forget(c)
	case c.PostForm("token") != "":
		var session struct {
			Token string `json:"session_token"`
			TTL   int    `json:"expires_in"`
		}
		body := map[string]string{"token": c.PostForm("token")}
		if _, err := p.api.write(ctx, http.MethodPost, "/v1/guest-sessions", body, &session, headers); err != nil {
			page.Problem = asProblem(err)
			if page.Problem.Status == http.StatusTooManyRequests || page.Problem.Status >= http.StatusInternalServerError {
				page.Token = body["token"] // it is good still
			}
			p.show(c, page.Problem.Status, "me", page)
			return
		}
		p.remember(c, session.Token, session.TTL)
	default:
		body := map[string]string{"email": strings.TrimSpace(c.PostForm("email"))}
		if _, err := p.api.write(ctx, http.MethodPost, "/v1/guest-links", body, nil, headers); err != nil {
			page.Problem, page.Email = asProblem(err), body["email"]
			p.show(c, page.Problem.Status, "me", page)
			return
		}
		c.Redirect(http.StatusSeeOther, "/me?sent=1")
		return
	}
	c.Redirect(http.StatusSeeOther, "/me")
}

func (p *pages) forget(c *gin.Context) { p.remember(c, "", -1) }

func (p *pages) remember(c *gin.Context, session string, seconds int) {
	http.SetCookie(c.Writer, &http.Cookie{
		Name: sessionCookie, Value: session, Path: "/me", MaxAge: seconds,
		HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: p.secure,
	})
}
