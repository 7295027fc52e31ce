package httpapi

import (
	"encoding/json"

	"github.com/gin-gonic/gin"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/document"
	"github.com/turnout-events/turnout/internal/fault"
	"github.com/turnout-events/turnout/internal/id"
	"github.com/turnout-events/turnout/query/reader"
)

var statuses = []string{contract.StatusPending, contract.StatusConfirmed, contract.StatusWaitlisted, contract.StatusOffered,
	contract.StatusMaybe, contract.StatusDeclined, contract.StatusCancelled}

func guestQuery(p *params) reader.GuestQuery {
	return reader.GuestQuery{
		Q: p.text("q"), Status: p.oneOf("status", "", statuses...), CheckedIn: p.boolean("checked_in"), Conflict: p.boolean("conflict"),
		Sort:  p.oneOf("sort", reader.GuestsByName, reader.GuestsByName, reader.GuestsByDate, reader.GuestsByQueue),
		Limit: p.limit(),
	}
}

// ownEvent loads the event of the path for a member with one of the roles.
func (a *API) ownEvent(c *gin.Context, roles []string) (reader.Event, error) {
	if _, err := a.account(c); err != nil {
		return reader.Event{}, err
	}
	want, err := least(c)
	if err != nil {
		return reader.Event{}, err
	}
	if !id.Valid(c.Param("id")) {
		return reader.Event{}, fault.ErrNotFound
	}
	e, err := a.Stores.EventAtLeast(c.Request.Context(), c.Param("id"), want)
	if err != nil {
		return e, err
	}
	return e, a.member(c, e.OrganizationID, roles)
}

// guests answers GET /v1/events/{id}/guests.
func (a *API) guests(c *gin.Context) error {
	p := paramsOf(c, "q", "status", "checked_in", "conflict", "sort", "limit", "cursor")
	q := guestQuery(p)
	if err := p.err(); err != nil {
		return err
	}
	e, err := a.ownEvent(c, rolesGuests)
	if err != nil {
		return err
	}
	q.Event = e.ID
	ctx := c.Request.Context()
	want, err := least(c)
	if err != nil {
		return err
	}
	if err := a.Stores.Visible(ctx, document.GuestList, want); err != nil {
		return err
	}
	page, err := a.Stores.Guests(ctx, q, p.values.Get("cursor"))
	if err != nil {
		return err
	}
	return a.sendGuests(c, page)
}

type guestList struct {
	Items      []rsvpView `json:"items"`
	NextCursor *string    `json:"next_cursor"`
	Total      int64      `json:"total"`
}

func (a *API) sendGuests(c *gin.Context, page reader.GuestPage) error {
	out := guestList{Items: make([]rsvpView, 0, len(page.Items)), Total: page.Total}
	for _, g := range page.Items {
		v := viewOf(g)
		v.Conflicts = g.Conflicts
		out.Items = append(out.Items, v)
	}
	if page.NextCursor != "" {
		out.NextCursor = &page.NextCursor
	}
	body, err := json.Marshal(out)
	if err != nil {
		return err
	}
	c.Header("Cache-Control", "private, no-store")
	return sendJSON(c, etagOf(body), body)
}
