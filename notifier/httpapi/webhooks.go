package httpapi

import (
	"encoding/hex"
	"errors"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/turnout-events/turnout/internal/fault"
	"github.com/turnout-events/turnout/internal/httpserver"
	"github.com/turnout-events/turnout/internal/id"
	"github.com/turnout-events/turnout/internal/seal"
	"github.com/turnout-events/turnout/notifier/egress"
	"github.com/turnout-events/turnout/notifier/pgstore"
)

var errTooManyHooks = fault.New(fault.Conflict, "too-many-webhooks", "The organization has as many webhooks as it may have")

const (
	maxWebhooks = 20
	// overlap is how long a secret that was replaced still signs.
	overlap = 24 * time.Hour
)

type webhookView struct {
	ID             string     `json:"id"`
	OrganizationID string     `json:"organization_id"`
	URL            string     `json:"url"`
	Secret         string     `json:"secret,omitempty"` // shown once
	CreatedAt      time.Time  `json:"created_at"`
	DisabledAt     *time.Time `json:"disabled_at"`
	DisabledReason string     `json:"disabled_reason,omitempty"`
}

func viewWebhook(w pgstore.Webhook, secret []byte) webhookView {
	v := webhookView{ID: w.ID, OrganizationID: w.OrganizationID, URL: w.URL, Secret: hex.EncodeToString(secret), CreatedAt: w.CreatedAt,
		DisabledReason: w.DisabledReason}
	if !w.DisabledAt.IsZero() {
		v.DisabledAt = &w.DisabledAt
	}
	return v
}

func (a *API) addWebhook(c *gin.Context) {
	var body struct {
		OrganizationID string `json:"organization_id"`
		URL            string `json:"url"`
	}
	if err := httpserver.DecodeJSON(c, &body); err != nil {
		httpserver.Problem(c, err)
		return
	}
	w, secret, err := a.newWebhook(c, body.OrganizationID, body.URL)
	if err != nil {
		httpserver.Problem(c, err)
		return
	}
	if err := a.Store.AddWebhook(c.Request.Context(), w); err != nil {
		httpserver.Problem(c, err)
		return
	}
	c.JSON(http.StatusCreated, viewWebhook(w, secret))
}

func (a *API) newWebhook(c *gin.Context, organizationID, url string) (w pgstore.Webhook, secret []byte, err error) {
	if !id.Valid(organizationID) {
		return w, nil, fault.ErrInvalid.About(fault.Field{Pointer: "/organization_id", Detail: "is not an id"})
	}
	account, err := a.memberOf(c, organizationID, rolesAddresses)
	if err != nil {
		return w, nil, err
	}
	if err := egress.CheckURL(url, a.PrivateWebhooks); err != nil {
		return w, nil, fault.ErrInvalid.About(fault.Field{Pointer: "/url", Detail: err.Error()})
	}
	there, err := a.Store.Webhooks(c.Request.Context(), organizationID)
	if err != nil {
		return w, nil, err
	}
	if len(there) >= maxWebhooks {
		return w, nil, errTooManyHooks
	}
	w = pgstore.Webhook{OrganizationID: organizationID, URL: url, CreatedBy: account, CreatedAt: a.Now().UTC().Truncate(time.Microsecond)}
	if w.ID, err = id.New(); err != nil {
		return w, nil, err
	}
	w.Secret, secret, err = a.newSecret(w.ID)
	return w, secret, err
}

func (a *API) newSecret(owner string) (wrapped, secret []byte, err error) {
	if secret, err = seal.NewKey(); err != nil {
		return nil, nil, err
	}
	wrapped, err = a.Ring.Wrap(secret, owner)
	return wrapped, secret, err
}

func (a *API) listWebhooks(c *gin.Context) {
	organizationID := c.Query("organization_id")
	if !id.Valid(organizationID) {
		httpserver.Problem(c, fault.ErrInvalid.About(fault.Field{Pointer: "organization_id", Detail: "is not an id"}))
		return
	}
	if _, err := a.memberOf(c, organizationID, rolesAddresses); err != nil {
		httpserver.Problem(c, err)
		return
	}
	list, err := a.Store.Webhooks(c.Request.Context(), organizationID)
	if err != nil {
		httpserver.Problem(c, err)
		return
	}
	items := make([]webhookView, len(list))
	for i := range list {
		items[i] = viewWebhook(list[i], nil)
	}
	c.JSON(http.StatusOK, gin.H{"items": items, "next_cursor": nil})
}

// ownWebhook reads the webhook of the path if the caller may.
func (a *API) ownWebhook(c *gin.Context) (pgstore.Webhook, error) {
	if !id.Valid(c.Param("webhook")) {
		return pgstore.Webhook{}, fault.ErrNotFound
	}
	if _, err := a.account(c); err != nil {
		return pgstore.Webhook{}, err
	}
	w, err := a.Store.Webhook(c.Request.Context(), c.Param("webhook"))
	if errors.Is(err, pgstore.ErrNotFound) {
		return w, fault.ErrNotFound
	}
	if err != nil {
		return w, err
	}
	_, err = a.memberOf(c, w.OrganizationID, rolesAddresses)
	return w, err
}

func (a *API) deleteWebhook(c *gin.Context) {
	w, err := a.ownWebhook(c)
	if err == nil {
		err = a.Store.DeleteWebhook(c.Request.Context(), w.ID)
	}
	if err != nil {
		httpserver.Problem(c, err)
		return
	}
	c.Status(http.StatusNoContent)
}

func (a *API) rotateWebhook(c *gin.Context) {
	w, err := a.ownWebhook(c)
	if err != nil {
		httpserver.Problem(c, err)
		return
	}
	wrapped, secret, err := a.newSecret(w.ID)
	if err == nil {
		err = a.Store.RotateWebhook(c.Request.Context(), w.ID, wrapped, a.Now().UTC().Add(overlap))
	}
	if err != nil {
		httpserver.Problem(c, err)
		return
	}
	w.DisabledAt, w.DisabledReason = time.Time{}, ""
	c.JSON(http.StatusOK, viewWebhook(w, secret))
}

// redeliver takes {"delivery_id"} for one, or {"since"} for all since then.
func (a *API) redeliver(c *gin.Context) {
	w, err := a.ownWebhook(c)
	if err != nil {
		httpserver.Problem(c, err)
		return
	}
	var body struct {
		DeliveryID string    `json:"delivery_id"`
		Since      time.Time `json:"since"`
	}
	if err := httpserver.DecodeJSON(c, &body); err != nil {
		httpserver.Problem(c, err)
		return
	}
	if (body.DeliveryID == "") == body.Since.IsZero() || body.DeliveryID != "" && !id.Valid(body.DeliveryID) {
		httpserver.Problem(c, fault.ErrInvalid.Detailf("Name one delivery_id, or a time in since."))
		return
	}
	n, err := a.Store.Redeliver(c.Request.Context(), w.ID, body.DeliveryID, body.Since, a.Now().UTC())
	if err != nil {
		httpserver.Problem(c, err)
		return
	}
	a.WakeHooks()
	c.JSON(http.StatusAccepted, gin.H{"redelivered": n})
}

type deliveryView struct {
	ID        string     `json:"id"`
	EventID   string     `json:"event_id"`
	Sequence  int64      `json:"sequence"`
	Type      string     `json:"type"`
	State     string     `json:"state"`
	Outcome   string     `json:"outcome"`
	Attempts  int        `json:"attempts"`
	PlannedAt time.Time  `json:"planned_at"`
	NextAt    *time.Time `json:"next_at"`
}

func (a *API) listDeliveries(c *gin.Context) {
	w, err := a.ownWebhook(c)
	if err != nil {
		httpserver.Problem(c, err)
		return
	}
	list, err := a.Store.HookDeliveries(c.Request.Context(), w.ID, maxLimit)
	if err != nil {
		httpserver.Problem(c, err)
		return
	}
	items := make([]deliveryView, len(list))
	for i, d := range list {
		items[i] = deliveryView{ID: d.ID, EventID: d.EventID, Sequence: d.Version, Type: d.Type, State: d.State, Outcome: d.Outcome,
			Attempts: d.Attempts, PlannedAt: d.PlannedAt}
		if d.Finished.IsZero() {
			next := d.NextAt
			items[i].NextAt = &next
		}
	}
	c.JSON(http.StatusOK, gin.H{"items": items, "next_cursor": nil})
}
