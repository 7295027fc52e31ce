package httpapi

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/turnout-events/turnout/internal/document"
	"github.com/turnout-events/turnout/internal/fault"
	"github.com/turnout-events/turnout/query/reader"
)

// myRSVPs answers GET /v1/me/rsvps: what the address of a guest's session has
// answered, across events and organizations, newest first.
func (a *API) myRSVPs(c *gin.Context) error {
	p := paramsOf(c, "status", "limit", "cursor")
	q := reader.GuestQuery{Status: p.oneOf("status", "", statuses...), Sort: reader.GuestsByDate, Limit: p.limit()}
	if err := p.err(); err != nil {
		return err
	}
	cred, err := credentialsOf(c)
	if err != nil {
		return err
	}
	identity, err := a.Sessions.VerifySession(cred.guest, a.Now())
	if err != nil {
		return fault.ErrUnauthorized.Detailf("Sign in with the link that is mailed to you.").Because(err)
	}
	q.Identity = hex.EncodeToString(identity)
	want, err := least(c)
	if err != nil {
		return err
	}
	ctx := c.Request.Context()
	if err := a.Stores.Visible(ctx, document.GuestList, want); err != nil {
		return err
	}
	page, err := a.Stores.Guests(ctx, q, p.values.Get("cursor"))
	if err != nil {
		return err
	}
	ids := make([]string, 0, len(page.Items))
	for _, g := range page.Items {
		ids = append(ids, g.EventID)
	}
	events, err := a.Stores.Events(ctx, ids)
	if err != nil {
		return err
	}
	out := guestList{Items: make([]rsvpView, 0, len(page.Items)), Total: page.Total}
	for _, g := range page.Items {
		v, err := a.ownCard(ctx, g, events)
		if err != nil {
			return err
		}
		out.Items = append(out.Items, v)
	}
	if page.NextCursor != "" {
		out.NextCursor = &page.NextCursor
	}
	return sendPrivate(c, out)
}

// ownCard is an RSVP with the link to its page. The session shows that the
// address is the guest's, which is all that the link's own mail would show; the
// token is derived here, so that no store has it.
func (a *API) ownCard(ctx context.Context, g document.Guest, events map[string]reader.Event) (rsvpView, error) {
	v := viewOf(g)
	e, known := events[g.EventID]
	if err := a.explainWith(ctx, &v, g, e, known); err != nil {
		return v, err
	}
	manage, err := a.Manage.Make(g.RSVPID, g.Epoch)
	if err != nil {
		return v, fmt.Errorf("manage link of %s: %w", g.RSVPID, err)
	}
	v.ManageURL = strings.TrimSuffix(a.Public, "/") + "/r/" + manage
	return v, nil
}
