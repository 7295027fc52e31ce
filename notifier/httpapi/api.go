// Package httpapi is the notifier's HTTP surface, one file per resource.
package httpapi

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/fault"
	"github.com/turnout-events/turnout/internal/seal"
	"github.com/turnout-events/turnout/internal/token"
	"github.com/turnout-events/turnout/notifier/mail"
	"github.com/turnout-events/turnout/notifier/notice"
	"github.com/turnout-events/turnout/notifier/pgstore"
)

// Verifier gives the account that an access token was issued to.
type Verifier interface {
	Verify(ctx context.Context, bearer string) (account string, err error)
}

// Keys gives the data keys of RSVPs.
type Keys interface {
	Fetch(ctx context.Context, ids []string) (seal.DataKeys, error)
}

// API is the routes' common ground.
type API struct {
	Store     *pgstore.Store
	Verifier  Verifier
	Keys      Keys
	Links     *mail.Links
	Now       func() time.Time
	Log       *slog.Logger
	MessageID func(noticeID string) string
	// BounceToken is what mail providers show at the bounce hooks; empty: there are none.
	BounceToken string
	// HourlyLimit bounds announcements per organization.
	HourlyLimit int
	// Wake has due notices looked for at once.
	Wake func()
}

// Routes adds all routes of the role.
func (a *API) Routes(e *gin.Engine) {
	e.GET("/v1/events/:id/notifications", a.listNotifications)
	e.POST("/v1/events/:id/announcements", a.announce)
	e.GET("/v1/events/:id/announcements", a.listAnnouncements)
	e.DELETE("/v1/events/:id/announcements/:announcement", a.cancelAnnouncement)
	e.POST("/v1/hooks/bounces/:provider", a.takeBounces)
	e.GET("/u/:token", a.showUnsubscribe)
	e.POST("/u/:token", a.unsubscribe)
}

// Who may read an event's notifications. With the addresses only those who may
// read the guest list.
var (
	rolesNotifications = []string{contract.RoleOwner, contract.RoleEditor, contract.RoleAnalyst}
	rolesAddresses     = []string{contract.RoleOwner, contract.RoleEditor}
)

// account gives who has signed in.
func (a *API) account(c *gin.Context) (string, error) {
	scheme, bearer, _ := strings.Cut(c.GetHeader("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || bearer == "" {
		return "", fault.ErrUnauthorized
	}
	account, err := a.Verifier.Verify(c.Request.Context(), strings.TrimSpace(bearer))
	switch {
	case errors.Is(err, token.ErrKeysAway):
		return "", fault.ErrUnavailable.Detailf("Sign-in cannot be checked for the moment.").Because(err)
	case err != nil:
		return "", fault.ErrUnauthorized.Detailf("The access token is not valid, or no longer.").Because(err)
	}
	return account, nil
}

// soon bounds the wait for what a message will bring in a moment.
const soon = 2 * time.Second

// member requires a role in the organization of an event. The notifier knows
// both from messages, so it waits a little for one that is on its way. Who has
// no role may not know of the event: 404.
func (a *API) member(c *gin.Context, eventID string, roles []string) (*notice.Event, string, error) {
	account, err := a.account(c)
	if err != nil {
		return nil, "", err
	}
	ctx, cancel := context.WithTimeout(c.Request.Context(), soon)
	defer cancel()
	pause := time.NewTicker(50 * time.Millisecond)
	defer pause.Stop()
	for {
		ev, role, err := a.role(c.Request.Context(), eventID, account)
		switch {
		case err == nil && slices.Contains(roles, role):
			return ev, role, nil
		case err == nil && role != "":
			return nil, "", fault.ErrForbidden
		case err != nil && !errors.Is(err, pgstore.ErrNotFound):
			return nil, "", err
		}
		select {
		case <-pause.C:
		case <-ctx.Done():
			return nil, "", fault.ErrNotFound
		}
	}
}

func (a *API) role(ctx context.Context, eventID, account string) (*notice.Event, string, error) {
	ev, err := a.Store.Event(ctx, eventID)
	if err != nil {
		return nil, "", err
	}
	org, err := a.Store.Organization(ctx, ev.OrganizationID)
	if err != nil {
		return nil, "", err
	}
	for _, m := range org.Body.Members {
		if m.AccountID == account {
			return ev, m.Role, nil
		}
	}
	return ev, "", nil
}
