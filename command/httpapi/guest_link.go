package httpapi

import (
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/turnout-events/turnout/internal/fault"
	"github.com/turnout-events/turnout/internal/seal"
	"github.com/turnout-events/turnout/internal/token"
)

// requestGuestLink has a sign-in link mailed. It rides on the mail for the
// manage link (rsvp.link_requested) of the address's latest answer: the
// notifier puts both into it. Whether the address is known does not show.
func (a *API) requestGuestLink(c *gin.Context) error {
	var in struct {
		Email string `json:"email"`
	}
	if _, err := decode(c, &in); err != nil {
		return err
	}
	normalized, err := seal.NormalizeEmail(in.Email)
	if err != nil {
		return fault.ErrInvalid.About(fault.Field{Pointer: "/email", Detail: "is not an e-mail address"})
	}
	if err := a.takeClient(c, a.Limits.GuestClient, "guest-client"); err != nil {
		return err
	}
	if err := a.take(c, a.Limits.policy(a.Limits.GuestLink, "guest-link"), normalized); err != nil {
		return err
	}
	// Asking for a mail takes a transaction: without a common pace the time tells who is known.
	pace := time.NewTimer(linkPace)
	defer pace.Stop()
	rows, err := a.Store.ByAddress(c.Request.Context(), a.Keyring.EmailHMAC(normalized))
	if err != nil {
		return err
	}
	if len(rows) > 0 {
		last := rows[len(rows)-1] // by id, so by time
		if err := a.mailLink(c, last.RSVP.EventID, last.RSVP.ID); err != nil {
			return err
		}
	}
	select {
	case <-pace.C:
	case <-c.Request.Context().Done():
		return c.Request.Context().Err()
	}
	write(c, http.StatusAccepted, []byte(`{"status":"accepted"}`))
	return nil
}

// linkPace is when an address that asked for a link is answered, known or not: longer than a commit takes.
const linkPace = 250 * time.Millisecond

type guestSession struct {
	SessionToken string `json:"session_token"`
	ExpiresIn    int    `json:"expires_in"` // seconds
}

// openGuestSession exchanges the token of a mailed link for a session, which
// goes behind "Authorization: Guest ".
func (a *API) openGuestSession(c *gin.Context) error {
	var in struct {
		Token string `json:"token"`
	}
	if _, err := decode(c, &in); err != nil {
		return err
	}
	now := a.Now()
	address, err := a.sessions.VerifyLink(strings.TrimSpace(in.Token), now)
	if err != nil {
		return fault.ErrUnauthorized.Detailf("The link is not valid, or no longer: ask for a new one.").Because(err)
	}
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusOK, guestSession{
		SessionToken: a.sessions.Session(address, now), ExpiresIn: int(token.SessionTTL.Seconds()),
	})
	return nil
}
