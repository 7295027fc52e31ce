package httpapi

import (
	"bytes"
	"errors"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/turnout-events/turnout/command/rsvp"
	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/fault"
	"github.com/turnout-events/turnout/internal/id"
	"github.com/turnout-events/turnout/internal/token"
)

// Who may do what to an event and to its answers. Owners may do everything.
var (
	mayEdit  = []string{contract.RoleEditor, contract.RoleOwner}
	mayCheck = []string{contract.RoleDoor, contract.RoleEditor, contract.RoleOwner}
	mayRead  = []string{contract.RoleAnalyst, contract.RoleDoor, contract.RoleEditor, contract.RoleOwner}
)

const (
	schemeMember = "Bearer"
	schemeGuest  = "Guest"
)

// credentialOf is what follows the scheme, whose case does not matter (RFC 9110, 11.1).
func credentialOf(c *gin.Context, scheme string) (string, bool) {
	given, text, found := strings.Cut(c.GetHeader("Authorization"), " ")
	return strings.TrimSpace(text), found && strings.EqualFold(given, scheme)
}

// bearer gives the account of the access token; "" when there is none.
func (a *API) bearer(c *gin.Context) (accountID string, err error) {
	text, ok := credentialOf(c, schemeMember)
	if !ok {
		return "", nil
	}
	accountID, err = a.verifier.Verify(c.Request.Context(), text)
	switch {
	case errors.Is(err, token.ErrKeysAway):
		return "", fault.ErrUnavailable.Because(err)
	case err != nil:
		return "", fault.ErrUnauthorized.Detailf("The access token is not valid, or no longer.").Because(err)
	}
	return accountID, nil
}

// account is bearer for routes that only accounts may use.
func (a *API) account(c *gin.Context) (string, error) {
	accountID, err := a.bearer(c)
	if err == nil && accountID == "" {
		err = fault.ErrUnauthorized.Detailf("Send an access token: Authorization: Bearer ….")
	}
	return accountID, err
}

// member lets a member of the event's organization with one of the roles pass.
// For a stranger there is no such event.
func (a *API) member(c *gin.Context, eventID string, roles []string) (rsvp.Actor, error) {
	accountID, err := a.account(c)
	if err != nil {
		return rsvp.Actor{}, err
	}
	if !id.Valid(eventID) {
		return rsvp.Actor{}, fault.ErrNotFound
	}
	orgID, err := a.Store.Owner(c.Request.Context(), eventID)
	if err != nil {
		return rsvp.Actor{}, err
	}
	return rsvp.MemberActor(accountID), a.Organizations.Allow(c.Request.Context(), orgID, accountID, roles...)
}

// guestToken is the text of a manage token or session; "" when there is none.
// A link carries it as ?token=.
func guestToken(c *gin.Context) string {
	if text, ok := credentialOf(c, schemeGuest); ok {
		return text
	}
	if c.GetHeader("Authorization") != "" {
		return ""
	}
	return c.Query("token")
}

// answerer is who asks to change an answer, and the answer as it is.
type answerer struct {
	actor rsvp.Actor
	row   *rsvp.Row
	token string // what the guest showed; "" for a member
}

var errGuestToken = fault.ErrUnauthorized.Detailf("The manage token is not valid, or no longer.")

// answerOf lets the guest of the RSVP in the path pass, with a manage token or
// a session, and members with one of the roles (nil: none). For others there is no such RSVP.
func (a *API) answerOf(c *gin.Context, rsvpID string, roles []string) (answerer, error) {
	if text := guestToken(c); text != "" {
		return a.guestOf(c, rsvpID, text)
	}
	accountID, err := a.account(c)
	if err != nil {
		return answerer{}, err
	}
	if !id.Valid(rsvpID) {
		return answerer{}, fault.ErrNotFound
	}
	row, err := a.Store.RSVP(c.Request.Context(), rsvpID)
	if err != nil {
		return answerer{}, err
	}
	if roles == nil {
		roles = []string{"guest"} // a member knows of it, but may not
	}
	return answerer{actor: rsvp.MemberActor(accountID), row: row},
		a.Organizations.Allow(c.Request.Context(), row.RSVP.OrganizationID, accountID, roles...)
}

// guestOf takes the RSVP's own manage token, or the session of its address.
func (a *API) guestOf(c *gin.Context, rsvpID, text string) (answerer, error) {
	holder, epoch, err := a.manager.Verify(text)
	if err != nil {
		return a.guestBySession(c, rsvpID, text)
	}
	if holder != rsvpID {
		return answerer{}, fault.ErrNotFound
	}
	row, err := a.Store.RSVP(c.Request.Context(), rsvpID)
	if err != nil {
		return answerer{}, err
	}
	if row.RSVP.Epoch != epoch {
		return answerer{}, errGuestToken
	}
	return answerer{actor: rsvp.GuestActor(rsvpID), row: row, token: text}, nil
}

func (a *API) guestBySession(c *gin.Context, rsvpID, text string) (answerer, error) {
	address, err := a.sessions.VerifySession(text, a.Now())
	if err != nil {
		return answerer{}, errGuestToken.Because(err)
	}
	if !id.Valid(rsvpID) {
		return answerer{}, fault.ErrNotFound
	}
	row, err := a.Store.RSVP(c.Request.Context(), rsvpID)
	if err == nil && !bytes.Equal(row.EmailHMAC, address) {
		err = fault.ErrNotFound // somebody else's, or erased
	}
	return answerer{actor: rsvp.GuestActor(rsvpID), row: row, token: text}, err
}
