package httpapi

import (
	"encoding/json"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/document"
	"github.com/turnout-events/turnout/internal/fault"
	"github.com/turnout-events/turnout/internal/id"
	"github.com/turnout-events/turnout/query/reader"
)

type organizationView struct {
	ID        string           `json:"id"`
	Slug      string           `json:"slug"`
	Name      string           `json:"name"`
	Role      string           `json:"role"`
	Colors    *contract.Colors `json:"colors,omitempty"`
	Tracking  bool             `json:"tracking"`
	Version   int64            `json:"version"`
	CreatedAt time.Time        `json:"created_at"`
}

type memberView struct {
	AccountID string `json:"account_id"`
	Role      string `json:"role"`
}

type list[T any] struct {
	Items      []T     `json:"items"`
	NextCursor *string `json:"next_cursor"`
}

// mine lists the account's organizations, as far as asked for.
func (a *API) mine(c *gin.Context) (string, []organizationView, error) {
	account, err := a.account(c)
	if err != nil {
		return "", nil, err
	}
	want, err := least(c)
	if err != nil {
		return "", nil, err
	}
	if err := a.Stores.Visible(c.Request.Context(), document.Access, want); err != nil {
		return "", nil, err
	}
	found, err := a.Stores.OrganizationsOf(c.Request.Context(), account)
	if err != nil {
		return "", nil, err
	}
	views := make([]organizationView, 0, len(found))
	for _, o := range found {
		views = append(views, organizationView{ID: o.ID, Slug: o.Slug, Name: o.Body.Name, Role: o.RoleOf(account),
			Colors: o.Body.Colors, Tracking: o.Body.Tracking, Version: o.Version, CreatedAt: o.Body.CreatedAt})
	}
	return account, views, nil
}

// me answers GET /v1/me.
func (a *API) me(c *gin.Context) error {
	if err := paramsOf(c).err(); err != nil {
		return err
	}
	account, views, err := a.mine(c)
	if err != nil {
		return err
	}
	return sendPrivate(c, struct {
		ID            string             `json:"id"`
		Organizations []organizationView `json:"organizations"`
	}{account, views})
}

// organizations answers GET /v1/organizations.
func (a *API) organizations(c *gin.Context) error {
	p := paramsOf(c, "limit", "cursor")
	p.limit()
	if p.values.Get("cursor") != "" {
		p.complain("cursor", "there is one page only")
	}
	if err := p.err(); err != nil {
		return err
	}
	_, views, err := a.mine(c)
	if err != nil {
		return err
	}
	return sendPrivate(c, list[organizationView]{Items: views})
}

func sendPrivate(c *gin.Context, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	c.Header("Cache-Control", "private, no-store")
	return sendJSON(c, etagOf(body), body)
}

// ownOrganization requires membership in the organization of the path.
func (a *API) ownOrganization(c *gin.Context, roles []string) (string, error) {
	org := c.Param("id")
	if _, err := a.account(c); err != nil {
		return "", err
	}
	if !id.Valid(org) {
		return "", fault.ErrNotFound
	}
	return org, a.member(c, org, roles)
}

// members answers GET /v1/organizations/{org}/members. Names are not here: the
// guest list is the one read store for personal data.
func (a *API) members(c *gin.Context) error {
	if err := paramsOf(c).err(); err != nil {
		return err
	}
	org, err := a.ownOrganization(c, rolesAll)
	if err != nil {
		return err
	}
	want, err := least(c)
	if err != nil {
		return err
	}
	if err := a.Stores.Visible(c.Request.Context(), document.Access, want); err != nil {
		return err
	}
	o, err := a.Stores.Organization(c.Request.Context(), org)
	if err != nil {
		return err
	}
	out := list[memberView]{Items: make([]memberView, 0, len(o.Body.Members))}
	for _, m := range o.Body.Members {
		out.Items = append(out.Items, memberView{AccountID: m.AccountID, Role: m.Role})
	}
	return sendPrivate(c, out)
}

// organizationEvents answers GET /v1/organizations/{org}/events for members: all
// of them, drafts, unlisted and past ones too.
func (a *API) organizationEvents(c *gin.Context) error {
	p := paramsOf(c, append([]string{"external_id"}, searchParams...)...)
	q := searchOf(p)
	q.ExternalID = p.text("external_id")
	if !p.has("status") {
		q.Status = reader.StatusAll
	}
	if !p.has("past") {
		q.Past = true
	}
	if err := p.err(); err != nil {
		return err
	}
	org, err := a.ownOrganization(c, rolesAll)
	if err != nil {
		return err
	}
	q.Organization, q.Drafts = org, true
	return a.search(c, q, p.values.Get("cursor"), false)
}
