package httpapi

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/fault"
	"github.com/turnout-events/turnout/internal/httpserver"
	"github.com/turnout-events/turnout/internal/id"
	"github.com/turnout-events/turnout/internal/seal"
	"github.com/turnout-events/turnout/notifier/notice"
	"github.com/turnout-events/turnout/notifier/pgstore"
	"github.com/turnout-events/turnout/notifier/template"
)

// preferences are what a member wants by mail about an organization. A field
// that is left out stays as it is.
type preferences struct {
	Digest    *bool   `json:"digest"`
	EventFull *bool   `json:"event_full"`
	Locale    *string `json:"locale"`
}

func viewChoice(c notice.Choice) preferences {
	return preferences{Digest: &c.Digest, EventFull: &c.EventFull, Locale: &c.Locale}
}

func (a *API) getPreferences(c *gin.Context) {
	m, err := a.ownMembership(c)
	if err != nil {
		httpserver.Problem(c, err)
		return
	}
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusOK, viewChoice(m.Choice))
}

func (a *API) patchPreferences(c *gin.Context) {
	m, err := a.ownMembership(c)
	if err != nil {
		httpserver.Problem(c, err)
		return
	}
	var body preferences
	if err := httpserver.DecodeJSON(c, &body); err != nil {
		httpserver.Problem(c, err)
		return
	}
	choice := m.Choice
	if body.Digest != nil {
		choice.Digest = *body.Digest
	}
	if body.EventFull != nil {
		choice.EventFull = *body.EventFull
	}
	if body.Locale != nil {
		if choice.Locale = *body.Locale; !slices.Contains(template.Languages, choice.Locale) {
			httpserver.Problem(c, fault.ErrInvalid.About(fault.Field{Pointer: "/locale", Detail: "wants en, de, fr, es or pt"}))
			return
		}
	}
	if err := a.Store.Choose(c.Request.Context(), m.OrganizationID, m.AccountID, choice, a.Now().UTC()); err != nil {
		httpserver.Problem(c, err)
		return
	}
	c.JSON(http.StatusOK, viewChoice(choice))
}

// ownMembership is the caller's: nobody chooses for another. Who gets none of
// these mails (door, analyst) is told so.
func (a *API) ownMembership(c *gin.Context) (*notice.Member, error) {
	if !id.Valid(c.Param("org")) {
		return nil, fault.ErrNotFound
	}
	account, err := a.memberOf(c, c.Param("org"), notice.MemberRoles)
	if err != nil {
		return nil, err
	}
	m, err := a.Store.Member(c.Request.Context(), c.Param("org"), account)
	if errors.Is(err, pgstore.ErrNotFound) {
		return nil, fault.ErrNotFound
	}
	return m, err
}

// offering is what a member's unsubscribe link stops, in words.
var offering = map[notice.Kind]string{
	notice.Digest:    "digests of new answers",
	notice.EventFull: "mail that an event is full",
}

// showMemberOff asks, like showUnsubscribe; false: it is no such link.
func (a *API) showMemberOff(c *gin.Context) bool {
	org, _, kind, err := a.Links.Member(c.Param("token"))
	if err != nil {
		return false
	}
	name, err := a.organizerName(c, org)
	if err != nil {
		httpserver.Problem(c, err)
		return true
	}
	renderUnsubscribe(c, unsubscribeView{Organizer: name, What: offering[kind]})
	return true
}

// memberOff is the click.
func (a *API) memberOff(c *gin.Context) bool {
	org, account, kind, err := a.Links.Member(c.Param("token"))
	if err != nil {
		return false
	}
	name, err := a.organizerName(c, org)
	if err == nil {
		err = a.Store.SwitchOff(c.Request.Context(), org, account, kind, a.Now().UTC())
	}
	if err != nil {
		httpserver.Problem(c, err)
		return true
	}
	renderUnsubscribe(c, unsubscribeView{Organizer: name, What: offering[kind], Done: true})
	return true
}

// suppressMember spares a member's address that bounced or complained. The
// notice names whom.
func (a *API) suppressMember(ctx context.Context, noticeID, reason string, now time.Time) error {
	list, err := a.Store.Explain(ctx, noticeID)
	if err != nil || len(list) == 0 || list[0].AccountID == "" {
		return err
	}
	n := list[0]
	m, err := a.Store.Member(ctx, n.OrganizationID, n.AccountID)
	if errors.Is(err, pgstore.ErrNotFound) {
		return nil // gone meanwhile: nobody to spare
	}
	if err != nil {
		return err
	}
	keys, err := a.Keys.Fetch(ctx, []string{n.AccountID})
	if err != nil {
		return fault.ErrUnavailable.Because(err)
	}
	var who contract.MemberPersonal
	if !opened(m.AccountID, m.Sealed, keys, &who) {
		return nil
	}
	normalized, err := seal.NormalizeEmail(who.Email)
	if err != nil {
		return nil //nolint:nilerr // no address that mail could go to
	}
	return a.Store.Suppress(ctx, a.Ring.EmailHMAC(normalized), pgstore.Suppression{Reason: reason}, "notification "+noticeID, now)
}
