// Package httpapi is the notifier's HTTP surface, one file per resource.
package httpapi

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/fault"
	"github.com/turnout-events/turnout/internal/seal"
	"github.com/turnout-events/turnout/internal/token"
	"github.com/turnout-events/turnout/notifier/campaign"
	"github.com/turnout-events/turnout/notifier/mail"
	"github.com/turnout-events/turnout/notifier/notice"
	"github.com/turnout-events/turnout/notifier/pgstore"
	"github.com/turnout-events/turnout/notifier/template"
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
	// HourlyLimit bounds announcements per organization, MailsPerHour the mails
	// of its announcements and campaigns.
	HourlyLimit  int
	MailsPerHour int
	// Words writes previews, PublicURL is what their links begin with, and Test
	// delivers a mail at once.
	Words     *template.Writer
	PublicURL string
	Test      func(ctx context.Context, d *notice.Delivery, p contract.Personal, now time.Time) error
	// WakeCampaigns has campaigns planned now.
	WakeCampaigns func()
	// Ring wraps the secrets of webhooks; PrivateWebhooks lets them be anywhere.
	Ring            *seal.Keyring
	PrivateWebhooks bool
	WakeHooks       func()
	Guests
	// VAPIDKey is what browsers subscribe with; empty: there is no push.
	// PrivatePush lets push services be anywhere.
	VAPIDKey    string
	PrivatePush bool
	// Wake has due notices looked for at once.
	Wake func()

	previews atomic.Int32 // being counted
}

// Routes adds all routes of the role.
func (a *API) Routes(e *gin.Engine) {
	e.GET("/v1/events/:id/notifications", a.listNotifications)
	e.POST("/v1/events/:id/announcements", a.announce)
	e.GET("/v1/events/:id/announcements", a.listAnnouncements)
	e.DELETE("/v1/events/:id/announcements/:announcement", a.cancelAnnouncement)
	e.GET("/v1/events/:id/templates", a.listTemplates)
	e.GET("/v1/events/:id/templates/:kind", a.getTemplate)
	e.PUT("/v1/events/:id/templates/:kind", a.putTemplate)
	e.DELETE("/v1/events/:id/templates/:kind", a.deleteTemplate)
	e.POST("/v1/events/:id/templates/:kind/preview", a.previewTemplate)
	e.POST("/v1/events/:id/templates/:kind/test", a.testTemplate)
	e.POST("/v1/events/:id/campaigns", a.addCampaign)
	e.GET("/v1/events/:id/campaigns", a.listCampaigns)
	e.POST("/v1/events/:id/campaigns/preview", a.previewCampaign)
	e.GET("/v1/events/:id/campaigns/:campaign", a.getCampaign)
	e.POST("/v1/events/:id/campaigns/:campaign/preview", a.previewSavedCampaign)
	for _, action := range []campaign.Action{campaign.Start, campaign.Pause, campaign.Resume, campaign.Cancel} {
		e.POST("/v1/events/:id/campaigns/:campaign/"+string(action), a.moveCampaign(action))
	}
	e.GET("/t/o/:token", a.opened)
	e.GET("/t/c/:token", a.clicked)
	e.POST("/v1/hooks/bounces/:provider", a.takeBounces)
	e.POST("/v1/webhooks", a.addWebhook)
	e.GET("/v1/webhooks", a.listWebhooks)
	e.DELETE("/v1/webhooks/:webhook", a.deleteWebhook)
	e.POST("/v1/webhooks/:webhook/rotate", a.rotateWebhook)
	e.POST("/v1/webhooks/:webhook/redeliver", a.redeliver)
	e.GET("/v1/webhooks/:webhook/deliveries", a.listDeliveries)
	e.GET("/v1/organizations/:org/mail-preferences", a.getPreferences)
	e.PATCH("/v1/organizations/:org/mail-preferences", a.patchPreferences)
	e.GET("/v1/push-key", a.pushKey)
	e.POST("/v1/push-subscriptions", a.addDevice)
	e.GET("/v1/push-subscriptions", a.listDevices)
	e.DELETE("/v1/push-subscriptions/:subscription", a.deleteDevice)
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
func (a *API) member(c *gin.Context, eventID string, roles []string) (ev *notice.Event, role string, err error) {
	account, err := a.account(c)
	if err != nil {
		return nil, "", err
	}
	role, err = awaitRole(c.Request.Context(), roles, func(ctx context.Context) (string, error) {
		var err error
		if ev, err = a.Store.Event(ctx, eventID); err != nil {
			return "", err
		}
		return a.role(ctx, ev.OrganizationID, account)
	})
	return ev, role, err
}

// memberOf requires a role in an organization.
func (a *API) memberOf(c *gin.Context, organizationID string, roles []string) (account string, err error) {
	if account, err = a.account(c); err != nil {
		return "", err
	}
	_, err = awaitRole(c.Request.Context(), roles, func(ctx context.Context) (string, error) {
		return a.role(ctx, organizationID, account)
	})
	return account, err
}

// awaitRole asks until there is a role, or soon is over.
func awaitRole(ctx context.Context, roles []string, ask func(context.Context) (string, error)) (string, error) {
	late := time.NewTimer(soon)
	defer late.Stop()
	pause := time.NewTicker(50 * time.Millisecond)
	defer pause.Stop()
	for {
		role, err := ask(ctx)
		switch {
		case err == nil && slices.Contains(roles, role):
			return role, nil
		case err == nil && role != "":
			return "", fault.ErrForbidden
		case err != nil && !errors.Is(err, pgstore.ErrNotFound):
			return "", err
		}
		select {
		case <-pause.C:
		case <-late.C:
			return "", fault.ErrNotFound
		case <-ctx.Done():
			return "", fault.ErrNotFound
		}
	}
}

func (a *API) role(ctx context.Context, organizationID, account string) (string, error) {
	org, err := a.Store.Organization(ctx, organizationID)
	if err != nil {
		return "", err
	}
	for _, m := range org.Body.Members {
		if m.AccountID == account {
			return m.Role, nil
		}
	}
	return "", nil
}
