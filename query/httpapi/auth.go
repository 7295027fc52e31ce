package httpapi

import (
	"errors"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/fault"
	"github.com/turnout-events/turnout/internal/token"
	"github.com/turnout-events/turnout/query/reader"
)

var errRevoked = fault.New(fault.Unauthorized, "token-revoked", "This link was replaced by a newer one")

// Who may read what, by role. Everything else about an organization is for all
// of its members.
var (
	rolesGuests    = []string{contract.RoleOwner, contract.RoleEditor, contract.RoleDoor}
	rolesAnalytics = []string{contract.RoleOwner, contract.RoleEditor, contract.RoleAnalyst}
	rolesAll       = []string{contract.RoleOwner, contract.RoleEditor, contract.RoleDoor, contract.RoleAnalyst}
)

// credentials are what a request carries: one of both, or nothing.
type credentials struct {
	bearer string // a member's
	guest  string // a manage token
}

func credentialsOf(c *gin.Context) (credentials, error) {
	header := c.GetHeader("Authorization")
	if header == "" {
		return credentials{guest: c.Query("token")}, nil
	}
	scheme, value, _ := strings.Cut(header, " ")
	value = strings.TrimSpace(value)
	switch {
	case strings.EqualFold(scheme, "Bearer") && value != "":
		return credentials{bearer: value}, nil
	case strings.EqualFold(scheme, "Guest") && value != "":
		return credentials{guest: value}, nil
	}
	return credentials{}, fault.ErrUnauthorized.Detailf("Authorization must be Bearer or Guest with a token.")
}

// account gives who has signed in.
func (a *API) account(c *gin.Context) (string, error) {
	cred, err := credentialsOf(c)
	if err != nil {
		return "", err
	}
	if cred.bearer == "" {
		return "", fault.ErrUnauthorized
	}
	account, err := a.Verifier.Verify(c.Request.Context(), cred.bearer)
	switch {
	case errors.Is(err, token.ErrKeysAway):
		return "", fault.ErrUnavailable.Detailf("Sign-in cannot be checked for the moment.").Because(err)
	case err != nil:
		return "", fault.ErrUnauthorized.Detailf("The access token is not valid, or no longer.").Because(err)
	}
	return account, nil
}

// member requires a role in an organization. Who has none may not know of it:
// 404. Who has another one may: 403.
func (a *API) member(c *gin.Context, org string, roles []string) error {
	account, err := a.account(c)
	if err != nil {
		return err
	}
	role, err := a.Stores.RoleSoon(c.Request.Context(), org, account)
	switch {
	case err != nil:
		return err
	case role == "":
		return fault.ErrNotFound
	case !slices.Contains(roles, role):
		return fault.ErrForbidden
	}
	return nil
}

// mayKnow hides drafts from all but members.
func (a *API) mayKnow(c *gin.Context, e reader.Owner) error {
	if e.Public() {
		return nil
	}
	if c.GetHeader("Authorization") == "" {
		return fault.ErrNotFound
	}
	err := a.member(c, e.OrganizationID, rolesAll)
	if errors.Is(err, fault.ErrUnauthorized) {
		return fault.ErrNotFound
	}
	return err
}
