package httpapi

import (
	"errors"
	"html/template"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/turnout-events/turnout/internal/fault"
	"github.com/turnout-events/turnout/internal/httpserver"
	"github.com/turnout-events/turnout/notifier/notice"
	"github.com/turnout-events/turnout/notifier/pgstore"
)

var unsubscribePage = template.Must(template.New("unsubscribe").Parse(`<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Reminders and news</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:34rem;margin:4rem auto;padding:0 1rem}button{font:inherit;padding:.6rem 1.2rem}</style>
</head><body><main>
{{if .Done}}<h1>Done</h1>
<p role="status">{{with .What}}You get no more {{.}} from {{$.Organizer}}.{{else}}You get no more reminders and news from {{.Organizer}}. Answers to what you do yourself, and word that something is
cancelled or moved, still come.{{end}}</p>
{{else}}<h1>No more {{or .What "reminders and news"}}?</h1>
<p>You will get no more {{or .What "reminders and news"}} from {{.Organizer}}.</p>
<form method="post"><button>Unsubscribe</button></form>
{{end}}</main></body></html>
`))

type unsubscribeView struct {
	Organizer string
	What      string // that stops; empty: reminders and news
	Done      bool
}

// showUnsubscribe asks: mail scanners follow links, so that a GET must never
// unsubscribe (RFC 8058, 1).
func (a *API) showUnsubscribe(c *gin.Context) {
	if a.showMemberOff(c) {
		return
	}
	_, organizer, err := a.subscriber(c)
	if err != nil {
		httpserver.Problem(c, err)
		return
	}
	renderUnsubscribe(c, unsubscribeView{Organizer: organizer})
}

// unsubscribe serves the page's button and the one click of a mail program
// (RFC 8058, 3.2), which sends neither cookies nor anything else of ours.
func (a *API) unsubscribe(c *gin.Context) {
	if a.memberOff(c) {
		return
	}
	ctx := c.Request.Context()
	g, organizer, err := a.subscriber(c)
	if err != nil {
		httpserver.Problem(c, err)
		return
	}
	keys, err := a.Keys.Fetch(ctx, []string{g.RSVPID})
	if err != nil {
		httpserver.Problem(c, fault.ErrUnavailable.Because(err))
		return
	}
	now := a.Now().UTC()
	if p, ok := personal(g, keys); ok {
		one := pgstore.Suppression{OrganizationID: g.OrganizationID, Reason: pgstore.Unsubscribed}
		if err := a.Store.Suppress(ctx, p.EmailHMAC, one, "rsvp "+g.RSVPID, now); err != nil {
			httpserver.Problem(c, err)
			return
		}
	} // else erased: there is nobody to write to any more
	if err := a.Store.VoidOptional(ctx, g.RSVPID, pgstore.Unsubscribed, now); err != nil {
		httpserver.Problem(c, err)
		return
	}
	renderUnsubscribe(c, unsubscribeView{Organizer: organizer, Done: true})
}

// subscriber reads the link.
func (a *API) subscriber(c *gin.Context) (*notice.Guest, string, error) {
	rsvpID, err := a.Links.RSVP(c.Param("token"))
	if err != nil {
		return nil, "", fault.ErrNotFound
	}
	g, err := a.Store.Guest(c.Request.Context(), rsvpID)
	if errors.Is(err, pgstore.ErrNotFound) {
		return nil, "", fault.ErrNotFound
	}
	if err != nil {
		return nil, "", err
	}
	name, err := a.organizerName(c, g.OrganizationID)
	return g, name, err
}

func (a *API) organizerName(c *gin.Context, organizationID string) (string, error) {
	org, err := a.Store.Organization(c.Request.Context(), organizationID)
	if errors.Is(err, pgstore.ErrNotFound) {
		return "the organizer", nil
	}
	if err != nil {
		return "", err
	}
	return org.Body.Name, nil
}

func renderUnsubscribe(c *gin.Context, v unsubscribeView) {
	c.Header("Content-Type", "text/html; charset=utf-8")
	c.Header("Cache-Control", "no-store")
	c.Header("Referrer-Policy", "no-referrer")
	c.Status(http.StatusOK)
	_ = unsubscribePage.Execute(c.Writer, v) // the client has gone: nobody is left to tell
}
