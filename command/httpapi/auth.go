package httpapi

import (
	"crypto/sha256"
	"errors"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/turnout-events/turnout/command/account"
	"github.com/turnout-events/turnout/internal/httpserver"
	"github.com/turnout-events/turnout/internal/seal"
)

type credentials struct {
	Email    string `json:"email"`
	Password string `json:"password"`
}

type registration struct {
	Email    string `json:"email"`
	Password string `json:"password"`
	Name     string `json:"name"`
}

type refreshing struct {
	RefreshToken string `json:"refresh_token"`
}

type tokens struct {
	AccountID    string `json:"account_id"`
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	RefreshToken string `json:"refresh_token"`
	ExpiresIn    int    `json:"expires_in"` // seconds
}

// giveTokens answers without an idempotency key being stored: the hash of a
// password has no place in that table, and a repeat of these is harmless.
func giveTokens(c *gin.Context, status int, t account.Tokens) {
	c.Header("Cache-Control", "no-store")
	c.JSON(status, tokens{
		AccountID: t.AccountID, AccessToken: t.Access, TokenType: "Bearer", RefreshToken: t.Refresh,
		ExpiresIn: int(t.ExpiresIn.Seconds()),
	})
}

func (a *API) register(c *gin.Context) error {
	var in registration
	if _, err := decode(c, &in); err != nil {
		return err
	}
	if err := a.takeClient(c, a.Limits.Register, "register"); err != nil {
		return err
	}
	t, err := a.Accounts.Register(c.Request.Context(), in.Email, in.Password, in.Name, a.Now())
	if err != nil {
		return err
	}
	giveTokens(c, http.StatusCreated, t)
	return nil
}

// login counts failed attempts only, per address and per client: who knows the
// password is not kept out by their own sign-ins.
func (a *API) login(c *gin.Context) error {
	var in credentials
	if _, err := decode(c, &in); err != nil {
		return err
	}
	ip := httpserver.ClientIP(c)
	failures := []counted{ // the client first: who is refused for it takes no room under an address
		{a.Limits.perClient(a.Limits.LoginClient, "login-client", ip), clientKey(ip)},
		{a.Limits.policy(a.Limits.LoginAddress, "login-address"), addressKey(in.Email)},
	}
	now := a.Now()
	if err := a.takeAll(c, failures, now); err != nil {
		return err
	}
	t, err := a.Accounts.Login(c.Request.Context(), in.Email, in.Password, now)
	if !errors.Is(err, account.ErrCredentials) {
		a.giveBack(failures, now)
	}
	if err != nil {
		return err
	}
	giveTokens(c, http.StatusOK, t)
	return nil
}

// addressKey is what failures of an address are counted under: what the account
// is found by, as one address can be written in many ways. What is no address
// may be as long as a body, and a count is kept for long: its hash stands for it.
func addressKey(typed string) string {
	if address, err := seal.NormalizeEmail(typed); err == nil {
		return address
	}
	sum := sha256.Sum256([]byte(typed))
	return string(sum[:])
}

func (a *API) refresh(c *gin.Context) error {
	var in refreshing
	if _, err := decode(c, &in); err != nil {
		return err
	}
	t, err := a.Accounts.Refresh(c.Request.Context(), in.RefreshToken, a.Now())
	if err != nil {
		return err
	}
	giveTokens(c, http.StatusOK, t)
	return nil
}

func (a *API) logout(c *gin.Context) error {
	var in refreshing
	if _, err := decode(c, &in); err != nil {
		return err
	}
	if err := a.Accounts.Logout(c.Request.Context(), in.RefreshToken); err != nil {
		return err
	}
	write(c, http.StatusNoContent, nil)
	return nil
}

func (a *API) jwks(c *gin.Context) error {
	// Shorter than a new key is published before it signs.
	c.Header("Cache-Control", "public, max-age=300")
	c.Data(http.StatusOK, "application/json", a.Signer.JWKS())
	return nil
}
