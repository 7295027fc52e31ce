package httpapi

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/turnout-events/turnout/internal/fault"
	"github.com/turnout-events/turnout/internal/httpserver"
	"github.com/turnout-events/turnout/internal/id"
	"github.com/turnout-events/turnout/internal/seal"
	"github.com/turnout-events/turnout/internal/token"
	"github.com/turnout-events/turnout/notifier/egress"
	"github.com/turnout-events/turnout/notifier/notice"
	"github.com/turnout-events/turnout/notifier/pgstore"
	"github.com/turnout-events/turnout/notifier/push"
)

var (
	errNoPush         = fault.New(fault.NotFound, "push-off", "This installation sends no push notifications")
	errTooManyDevices = fault.New(fault.Conflict, "too-many-devices", "The answer has as many devices as it may have")
)

const (
	maxDevices     = 10
	maxEndpoint    = 2048 // bytes
	schemeGuest    = "Guest"
	reasonSwitched = "switched-off-by-guest"
)

// subscription is PushSubscription.toJSON of the W3C Push API, and what is ours.
type subscription struct {
	Endpoint       string `json:"endpoint"`
	ExpirationTime any    `json:"expirationTime"` // browsers send it, mostly null; 410 tells when it is over
	Keys           struct {
		P256DH string `json:"p256dh"`
		Auth   string `json:"auth"`
	} `json:"keys"`
	RSVPID string        `json:"rsvp_id"`
	Kinds  []notice.Kind `json:"kinds"`
}

type deviceView struct {
	ID        string        `json:"id"`
	RSVPID    string        `json:"rsvp_id"`
	Kinds     []notice.Kind `json:"kinds"`
	CreatedAt time.Time     `json:"created_at"`
}

func viewDevice(d notice.Device) deviceView {
	return deviceView{ID: d.ID, RSVPID: d.RSVPID, Kinds: d.Kinds, CreatedAt: d.AddedAt}
}

// pushKey is public: every browser that subscribes needs it.
func (a *API) pushKey(c *gin.Context) {
	if a.VAPIDKey == "" {
		httpserver.Problem(c, errNoPush)
		return
	}
	c.Header("Cache-Control", "public, max-age=300")
	c.JSON(http.StatusOK, gin.H{"public_key": a.VAPIDKey, "kinds": notice.PushKinds})
}

func (a *API) addDevice(c *gin.Context) {
	var body subscription
	if err := httpserver.DecodeJSON(c, &body); err != nil {
		httpserver.Problem(c, err)
		return
	}
	d, added, err := a.keepDevice(c, body)
	if err != nil {
		httpserver.Problem(c, err)
		return
	}
	status := http.StatusOK
	if added {
		status = http.StatusCreated
	}
	c.JSON(status, viewDevice(d))
}

func (a *API) keepDevice(c *gin.Context, body subscription) (d notice.Device, added bool, err error) {
	if a.VAPIDKey == "" {
		return d, false, errNoPush
	}
	g, epoch, err := a.guest(c, body.RSVPID)
	if err != nil {
		return d, false, err
	}
	if err := a.checkSubscription(&body); err != nil {
		return d, false, err
	}
	keys, err := a.Keys.Fetch(c.Request.Context(), []string{g.RSVPID})
	if err != nil {
		return d, false, fault.ErrUnavailable.Because(err)
	}
	key, there := keys.Keys[g.RSVPID]
	if !there {
		return d, false, fault.ErrNotFound // erased meanwhile
	}
	plain, err := json.Marshal(notice.Endpoint{URL: body.Endpoint, P256DH: body.Keys.P256DH, Auth: body.Keys.Auth})
	if err != nil {
		return d, false, err
	}
	now := a.Now().UTC().Truncate(time.Microsecond)
	d = notice.Device{ID: deviceID(key, g.RSVPID, body.Endpoint), RSVPID: g.RSVPID, Epoch: epoch, Kinds: body.Kinds, AddedAt: now}
	if d.Sealed, err = seal.Seal(key, plain, d.ID); err != nil {
		return d, false, err
	}
	added, err = a.Store.AddDevice(c.Request.Context(), d, g.EventID, maxDevices, now)
	switch {
	case errors.Is(err, pgstore.ErrTooManyDevices):
		err = errTooManyDevices
	case errors.Is(err, pgstore.ErrNotFound):
		err = fault.ErrNotFound
	}
	return d, added, err
}

// deviceID is the same for the same browser and answer, and tells nothing of
// either to who lacks the RSVP's key.
func deviceID(key []byte, rsvpID, endpoint string) string {
	h := hmac.New(sha256.New, key)
	h.Write([]byte("push-subscription\x00" + rsvpID + "\x00" + endpoint))
	u := uuid.UUID(h.Sum(nil)[:16])
	u[6], u[8] = u[6]&0x0f|0x80, u[8]&0x3f|0x80 // version 8 (RFC 9562, 5.8): made up by us
	return u.String()
}

func (a *API) checkSubscription(s *subscription) error {
	var bad []fault.Field
	switch err := egress.CheckURL(s.Endpoint, a.PrivatePush); {
	case len(s.Endpoint) > maxEndpoint:
		bad = append(bad, fault.Field{Pointer: "/endpoint", Detail: "wants at most 2048 bytes"})
	case err != nil:
		bad = append(bad, fault.Field{Pointer: "/endpoint", Detail: err.Error()})
	}
	if pointer, err := push.CheckKeys(s.Keys.P256DH, s.Keys.Auth); err != nil {
		bad = append(bad, fault.Field{Pointer: pointer, Detail: err.Error()})
	}
	if s.Kinds == nil {
		s.Kinds = notice.PushKinds
	}
	for _, k := range s.Kinds {
		if !k.Pushed() {
			bad = append(bad, fault.Field{Pointer: "/kinds", Detail: "wants some of promoted, offer, reminder, event_moved, event_cancelled"})
			break
		}
	}
	if len(s.Kinds) == 0 {
		bad = append(bad, fault.Field{Pointer: "/kinds", Detail: "is empty: delete the subscription instead"})
	}
	if len(bad) > 0 {
		return fault.ErrInvalid.About(bad...)
	}
	s.Kinds = slices.Compact(slices.Sorted(slices.Values(s.Kinds)))
	return nil
}

func (a *API) listDevices(c *gin.Context) {
	g, _, err := a.guest(c, c.Query("rsvp_id"))
	if err != nil {
		httpserver.Problem(c, err)
		return
	}
	list, err := a.Store.Devices(c.Request.Context(), g.RSVPID)
	if err != nil {
		httpserver.Problem(c, err)
		return
	}
	items := make([]deviceView, len(list))
	for i := range list {
		items[i] = viewDevice(list[i])
	}
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusOK, gin.H{"items": items, "next_cursor": nil})
}

func (a *API) deleteDevice(c *gin.Context) {
	if err := a.forgetDevice(c); err != nil {
		httpserver.Problem(c, err)
		return
	}
	c.Status(http.StatusNoContent)
}

func (a *API) forgetDevice(c *gin.Context) error {
	if _, ok := guestText(c); !ok {
		return errGuest
	}
	deviceID := c.Param("subscription")
	if !id.Valid(deviceID) {
		return fault.ErrNotFound
	}
	d, err := a.Store.Device(c.Request.Context(), deviceID)
	if errors.Is(err, pgstore.ErrNotFound) {
		return fault.ErrNotFound
	}
	if err != nil {
		return err
	}
	if _, _, err := a.guest(c, d.RSVPID); err != nil {
		return err
	}
	return a.Store.ForgetDevice(c.Request.Context(), d.ID, reasonSwitched, a.Now().UTC())
}

var errGuest = fault.ErrUnauthorized.Detailf("The manage token is not valid, or no longer.")

// guestText is what a guest shows: a manage token or a session.
func guestText(c *gin.Context) (string, bool) {
	scheme, text, _ := strings.Cut(c.GetHeader("Authorization"), " ")
	text = strings.TrimSpace(text)
	return text, strings.EqualFold(scheme, schemeGuest) && text != ""
}

// guest requires the guest of an answer: by its manage token, which names it
// (rsvpID may be empty), or by a session of its address. Somebody else's
// answer is 404. It gives the epoch of the links that are good now.
func (a *API) guest(c *gin.Context, rsvpID string) (*notice.Guest, int, error) {
	text, ok := guestText(c)
	if !ok {
		return nil, 0, errGuest
	}
	address, sessionErr := a.Sessions.VerifySession(text, a.Now())
	if sessionErr != nil {
		named, epoch, err := a.Manage.Verify(text)
		if err != nil {
			return nil, 0, errGuest
		}
		if rsvpID != "" && rsvpID != named {
			return nil, 0, fault.ErrNotFound
		}
		g, err := a.knownGuest(c, named)
		if err == nil && g.Epoch != epoch {
			err = errGuest
		}
		return g, epoch, err
	}
	if !id.Valid(rsvpID) {
		return nil, 0, fault.ErrInvalid.About(fault.Field{Pointer: "/rsvp_id", Detail: "wants the id of one of your answers"})
	}
	g, err := a.knownGuest(c, rsvpID)
	if err != nil {
		return nil, 0, err
	}
	keys, err := a.Keys.Fetch(c.Request.Context(), []string{rsvpID})
	if err != nil {
		return nil, 0, fault.ErrUnavailable.Because(err)
	}
	if p, ok := personal(g, keys); !ok || !bytes.Equal(p.EmailHMAC, address) {
		return nil, 0, fault.ErrNotFound
	}
	return g, g.Epoch, nil
}

// knownGuest waits a little for an answer whose message is on its way.
func (a *API) knownGuest(c *gin.Context, rsvpID string) (g *notice.Guest, err error) {
	_, err = awaitRole(c.Request.Context(), []string{schemeGuest}, func(ctx context.Context) (string, error) {
		if g, err = a.Store.Guest(ctx, rsvpID); err != nil {
			return "", err
		}
		return schemeGuest, nil
	})
	if err == nil && g.Erased {
		err = fault.ErrNotFound
	}
	return g, err
}

// Guests are how guests show who they are.
type Guests struct {
	Manage   *token.Manager
	Sessions *token.Sessions
}

// NewGuests takes its keys from the ring.
func NewGuests(ring *seal.Keyring) (g Guests, err error) {
	if g.Manage, err = token.NewManager(ring); err != nil {
		return g, err
	}
	g.Sessions, err = token.NewSessions(ring)
	return g, err
}
