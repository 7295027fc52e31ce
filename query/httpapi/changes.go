package httpapi

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/turnout-events/turnout/internal/document"
	"github.com/turnout-events/turnout/internal/fault"
	"github.com/turnout-events/turnout/internal/id"
)

// change is a message as integrators get it: without its sealed part.
type change struct {
	ID             string         `json:"id"`
	Type           string         `json:"type"`
	OrganizationID string         `json:"organization_id"`
	EventID        string         `json:"event_id"`
	Version        int64          `json:"version"`
	At             time.Time      `json:"at"`
	ValidAt        time.Time      `json:"valid_at"`
	Actor          string         `json:"actor"`
	Reason         string         `json:"reason,omitempty"`
	Data           map[string]any `json:"data"`
}

// changes answers GET /v1/changes: every message of the caller's organizations,
// or of one, at least once and in order per event. next_cursor is always there:
// ask again with it.
func (a *API) changes(c *gin.Context) error {
	p := paramsOf(c, "after", "organization_id", "limit")
	limit, org := p.limit(), p.text("organization_id")
	if p.has("organization_id") && !id.Valid(org) {
		p.complain("organization_id", "is no id")
	}
	if err := p.err(); err != nil {
		return err
	}
	organizations, err := a.readable(c, org)
	if err != nil {
		return err
	}
	want, err := least(c)
	if err != nil {
		return err
	}
	if err := a.Stores.ChangesVisible(c.Request.Context(), want); err != nil {
		return err
	}
	facts, next, err := a.Stores.Changes(c.Request.Context(), organizations, p.values.Get("after"), limit)
	if err != nil {
		return err
	}
	out := list[change]{Items: make([]change, 0, len(facts)), NextCursor: &next}
	for _, f := range facts {
		item, err := changeOf(f)
		if err != nil {
			return err
		}
		out.Items = append(out.Items, item)
	}
	return sendPrivate(c, out)
}

// readable gives the organizations whose messages the caller may read.
func (a *API) readable(c *gin.Context, org string) ([]string, error) {
	account, err := a.account(c)
	if err != nil {
		return nil, err
	}
	if org != "" {
		return []string{org}, a.member(c, org, rolesAnalytics)
	}
	all, err := a.Stores.OrganizationsSoon(c.Request.Context(), account)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, o := range all {
		if slices.Contains(rolesAnalytics, o.RoleOf(account)) {
			ids = append(ids, o.ID)
		}
	}
	if len(ids) == 0 {
		return nil, fault.ErrForbidden.Detailf("You belong to no organization whose messages you may read.")
	}
	return ids, nil
}

func changeOf(f document.Fact) (change, error) {
	out := change{ID: document.FactID(f.EventID, f.Version), Type: f.Type, OrganizationID: f.OrganizationID, EventID: f.EventID,
		Version: f.Version, At: f.At, ValidAt: f.ValidAt, Actor: f.Actor, Reason: f.Reason}
	if err := json.Unmarshal(f.Payload, &out.Data); err != nil {
		return out, err
	}
	if rsvp, ok := out.Data["rsvp"].(map[string]any); ok {
		delete(rsvp, "sealed")
	}
	return out, nil
}
