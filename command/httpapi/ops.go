package httpapi

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/turnout-events/turnout/command/pgstore"
	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/fault"
	"github.com/turnout-events/turnout/internal/id"
	"github.com/turnout-events/turnout/internal/seal"
)

// dataKeys gives data keys to the roles that need clear text. It is on the ops
// address, which clients do not reach, and wants the token that the roles share.
func (a *API) dataKeys(c *gin.Context) error {
	if err := a.role(c); err != nil {
		return err
	}
	var in seal.KeyRequest
	if _, err := decode(c, &in); err != nil {
		return err
	}
	if len(in.IDs) > seal.MaxKeyIDs {
		return tooMany("/ids", seal.MaxKeyIDs)
	}
	for i, each := range in.IDs {
		if !id.Valid(each) {
			return fault.ErrInvalid.About(fault.Field{Pointer: fmt.Sprintf("/ids/%d", i), Detail: "is not an id"})
		}
	}
	found, err := a.Store.DataKeys(c.Request.Context(), in.IDs)
	if err != nil {
		return err
	}
	out := seal.KeyAnswer{Keys: make(map[string][]byte, len(found.Wrapped)), Gone: found.Gone}
	for owner, wrapped := range found.Wrapped {
		if out.Keys[owner], err = a.Keyring.Unwrap(wrapped, owner); err != nil {
			return fmt.Errorf("data key of %s: %w", owner, err)
		}
	}
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusOK, out)
	return nil
}

// role refuses who does not show the service token.
func (a *API) role(c *gin.Context) error {
	given, ok := credentialOf(c, schemeMember)
	// Of equal length as hashes, so that the comparison tells nothing by its time.
	got, want := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(a.ServiceToken))
	if !ok || a.ServiceToken == "" || subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
		return fault.ErrUnauthorized.Detailf("This route is for the other roles: send TURNOUT_SERVICE_TOKEN.")
	}
	return nil
}

type backlog struct {
	Topic   string  `json:"topic"`
	Pending int64   `json:"pending"` // messages
	Seconds float64 `json:"oldest_age_seconds"`
}

func (a *API) outbox(c *gin.Context) error {
	rows, err := a.Store.Backlogs(c.Request.Context())
	if err != nil {
		return err
	}
	items := []backlog{{Topic: contract.TopicRegistrations}, {Topic: contract.TopicOrganizations}}
	for _, r := range rows {
		at := 0
		if r.Topic == pgstore.TopicOrganizations {
			at = 1
		}
		items[at].Pending, items[at].Seconds = r.Rows, r.Seconds
	}
	c.JSON(http.StatusOK, gin.H{"items": items, "next_cursor": nil})
	return nil
}
