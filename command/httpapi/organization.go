package httpapi

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/turnout-events/turnout/command/account"
	"github.com/turnout-events/turnout/command/pgstore"
	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/httpserver"
)

type organization struct {
	ID        string           `json:"id"`
	Slug      string           `json:"slug"`
	Name      string           `json:"name"`
	Colors    *contract.Colors `json:"colors,omitempty"`
	Tracking  bool             `json:"tracking"`
	Members   []member         `json:"members"`
	CreatedAt time.Time        `json:"created_at"`
	Version   int64            `json:"version"`
}

type member struct {
	AccountID string `json:"account_id"`
	Role      string `json:"role"`
}

func encodeOrganization(status int) pgstore.Encode {
	return func(o contract.Organization, version int64) (int, []byte, error) {
		out := organization{
			ID: o.ID, Slug: o.Slug, Name: o.Name, Colors: o.Colors, Tracking: o.Tracking, CreatedAt: o.CreatedAt,
			Version: version, Members: []member{},
		}
		for _, m := range o.Members {
			out.Members = append(out.Members, member{AccountID: m.AccountID, Role: m.Role})
		}
		body, err := json.Marshal(out)
		return status, body, err
	}
}

func (a *API) asked(c *gin.Context, subject string, body []byte, status int) (account.Asked, error) {
	accountID, err := a.account(c)
	if err != nil {
		return account.Asked{}, err
	}
	once, err := a.once(c, accountID, subject, body)
	return account.Asked{
		AccountID: accountID, Traceparent: httpserver.Traceparent(c.Request.Context()), Once: once,
		Encode: encodeOrganization(status), Now: a.Now(),
	}, err
}

func giveOrganization(c *gin.Context, kept pgstore.Kept) error {
	var o struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(kept.Body, &o); err != nil {
		return err
	}
	c.Header("Turnout-Version", o.ID+"@"+strconv.FormatInt(kept.Version, 10))
	if kept.Status == http.StatusCreated {
		c.Header("Location", "/v1/organizations/"+o.ID)
	}
	write(c, kept.Status, kept.Body)
	return nil
}

func (a *API) createOrganization(c *gin.Context) error {
	if _, err := a.account(c); err != nil {
		return err
	}
	var in struct {
		Name string `json:"name"`
		Slug string `json:"slug"`
	}
	body, err := decode(c, &in)
	if err != nil {
		return err
	}
	asked, err := a.asked(c, "", body, http.StatusCreated)
	if err != nil {
		return err
	}
	kept, _, err := a.Organizations.Create(c.Request.Context(), asked, in.Name, in.Slug)
	if err != nil {
		return err
	}
	return giveOrganization(c, kept)
}

func (a *API) changeOrganization(c *gin.Context) error {
	orgID := c.Param("org")
	if err := a.owner(c, orgID); err != nil {
		return err
	}
	var in account.Edit
	body, err := decode(c, &in)
	if err != nil {
		return err
	}
	asked, err := a.asked(c, orgID, body, http.StatusOK)
	if err != nil {
		return err
	}
	kept, _, err := a.Organizations.Change(c.Request.Context(), asked, orgID, in)
	if err != nil {
		return err
	}
	return giveOrganization(c, kept)
}

// owner refuses before the body is looked at: a stranger learns nothing of it.
func (a *API) owner(c *gin.Context, orgID string) error {
	accountID, err := a.account(c)
	if err != nil {
		return err
	}
	return a.Organizations.Allow(c.Request.Context(), orgID, accountID, contract.RoleOwner)
}

// people is command's, for names and addresses of accounts are in no read store.
func (a *API) people(c *gin.Context) error {
	accountID, err := a.account(c)
	if err != nil {
		return err
	}
	if err := knownParams(c); err != nil {
		return err
	}
	people, err := a.Organizations.People(c.Request.Context(), c.Param("org"), accountID)
	if err != nil {
		return err
	}
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusOK, gin.H{"items": people, "next_cursor": nil})
	return nil
}

func (a *API) addMember(c *gin.Context) error {
	orgID := c.Param("org")
	if err := a.owner(c, orgID); err != nil {
		return err
	}
	var in struct {
		Email string `json:"email"`
		Role  string `json:"role"`
	}
	body, err := decode(c, &in)
	if err != nil {
		return err
	}
	asked, err := a.asked(c, orgID, body, http.StatusCreated)
	if err != nil {
		return err
	}
	kept, _, err := a.Organizations.AddMember(c.Request.Context(), asked, orgID, in.Email, in.Role)
	if err != nil {
		return err
	}
	return giveOrganization(c, kept)
}

func (a *API) removeMember(c *gin.Context) error {
	orgID := c.Param("org")
	accountID, err := a.account(c)
	if err != nil {
		return err
	}
	if _, err := a.Organizations.Role(c.Request.Context(), orgID, accountID); err != nil {
		return err
	}
	var in struct {
		Email string `json:"email"`
		Role  string `json:"role"` // as it was added; not looked at
	}
	body, err := decode(c, &in)
	if err != nil {
		return err
	}
	asked, err := a.asked(c, orgID, body, http.StatusOK)
	if err != nil {
		return err
	}
	kept, _, err := a.Organizations.RemoveMember(c.Request.Context(), asked, orgID, in.Email)
	if err != nil {
		return err
	}
	return giveOrganization(c, kept)
}
