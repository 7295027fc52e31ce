package httpapi

import (
	"errors"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/turnout-events/turnout/command/admission"
	"github.com/turnout-events/turnout/command/rsvp"
	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/fault"
	"github.com/turnout-events/turnout/internal/id"
	"github.com/turnout-events/turnout/internal/seal"
)

// subject is the body of export and erase. A guest sends nothing: the token
// tells the address. An owner names a guest of their organization.
type subject struct {
	OrganizationID string `json:"organization_id"`
	Email          string `json:"email"`
}

// person is whose data it is about, and who asks.
type person struct {
	rows   []*rsvp.Row
	member *rsvp.Actor // nil: the guest
}

func (p person) actor(rsvpID string) rsvp.Actor {
	if p.member != nil {
		return *p.member
	}
	return rsvp.GuestActor(rsvpID)
}

// person finds every answer of the address that the request is about.
func (a *API) person(c *gin.Context) (person, error) {
	var in subject
	text := guestToken(c)
	accountID := ""
	if text == "" {
		var err error
		if accountID, err = a.account(c); err != nil {
			return person{}, err
		}
	}
	if _, err := decodeOptional(c, &in); err != nil {
		return person{}, err
	}
	if text != "" {
		who, err := a.personOfGuest(c, text)
		if err == nil && in != (subject{}) {
			err = fault.ErrInvalid.Detailf("A guest's token tells the address; send no body.")
		}
		return who, err
	}
	return a.personOfOrganization(c, accountID, in)
}

func (a *API) personOfGuest(c *gin.Context, text string) (person, error) {
	address, err := a.sessions.VerifySession(text, a.Now())
	if err != nil {
		holder, _, err := a.manager.Verify(text)
		if err != nil {
			return person{}, errGuestToken.Because(err)
		}
		by, err := a.guestOf(c, holder, text)
		if err != nil {
			return person{}, err
		}
		// Whoever typed the address got the token of the 201: it opens that one answer. All of the address's answers
		// are for who has read its mail. A guest without address is known by one answer only.
		if by.row.EmailHMAC == nil || !a.manager.Proves(text) {
			return person{rows: []*rsvp.Row{by.row}}, nil
		}
		address = by.row.EmailHMAC
	}
	rows, err := a.Store.ByAddress(c.Request.Context(), address)
	return person{rows: rows}, err
}

func (a *API) personOfOrganization(c *gin.Context, accountID string, in subject) (person, error) {
	if !id.Valid(in.OrganizationID) {
		return person{}, fault.ErrInvalid.About(fault.Field{Pointer: "/organization_id", Detail: "is required of a member"})
	}
	err := a.Organizations.Allow(c.Request.Context(), in.OrganizationID, accountID, contract.RoleOwner)
	if err != nil {
		return person{}, err
	}
	normalized, err := seal.NormalizeEmail(in.Email)
	if err != nil {
		return person{}, fault.ErrInvalid.About(fault.Field{Pointer: "/email", Detail: "is not an e-mail address"})
	}
	rows, err := a.Store.ByAddress(c.Request.Context(), a.Keyring.EmailHMAC(normalized))
	if err != nil {
		return person{}, err
	}
	actor := rsvp.MemberActor(accountID)
	out := person{member: &actor}
	for _, row := range rows {
		if row.RSVP.OrganizationID == in.OrganizationID {
			out.rows = append(out.rows, row)
		}
	}
	return out, nil
}

// exported is everything that is kept about a guest's answer.
type exported struct {
	RSVP    contract.RSVP              `json:"rsvp"`
	Event   exportedEvent              `json:"event"`
	Name    string                     `json:"name"`
	Email   string                     `json:"email"`
	Answers map[string]contract.Answer `json:"answers,omitempty"`
	Comment string                     `json:"comment,omitempty"`
}

type exportedEvent struct {
	ID       string    `json:"id"`
	Title    string    `json:"title"`
	StartsAt time.Time `json:"starts_at"`
}

func (a *API) exportPersonal(c *gin.Context) error {
	who, err := a.person(c)
	if err != nil {
		return err
	}
	items := []exported{}
	for _, row := range who.rows {
		clear, _, err := a.open(c, row)
		if errors.Is(err, rsvp.ErrErased) {
			continue
		}
		if err != nil {
			return err
		}
		e, err := a.Store.Known(c.Request.Context(), row.RSVP.EventID)
		if err != nil {
			return err
		}
		out := exported{
			RSVP: row.RSVP, Name: clear.Name, Email: clear.Email, Answers: clear.Answers, Comment: clear.Comment,
			Event: exportedEvent{ID: e.ID, Title: e.Title, StartsAt: e.StartsAt},
		}
		out.RSVP.Sealed = nil
		items = append(items, out)
	}
	c.Header("Cache-Control", "no-store")
	c.Header("Content-Disposition", `attachment; filename="turnout-export.json"`)
	c.JSON(http.StatusOK, gin.H{"exported_at": a.Now().UTC(), "items": items})
	return nil
}

// receipt lists every place that personal data can be, and what became of it.
type receipt struct {
	ErasedAt time.Time     `json:"erased_at"`
	RSVPs    []erased      `json:"rsvps"`
	Stores   []storeErased `json:"stores"`
}

type erased struct {
	RSVPID  string `json:"rsvp_id"`
	EventID string `json:"event_id"`
	Status  string `json:"status"` // a seat at an event that lies ahead is given back
	Version int64  `json:"version"`
}

type storeErased struct {
	Store  string `json:"store"`
	What   string `json:"what"`
	Within string `json:"within"`
}

// where says how each store forgets: all of them hold ciphertext but for one,
// and the key was in one place only.
var where = []storeErased{
	{"postgres", "the data keys were destroyed; the HMAC of the address was removed", "at once"},
	{"postgres log", "holds ciphertext that nothing can open any more", "at once"},
	{"postgres stored answers", "repeats of a request get them; sealed, without name and address, and forgotten", "24 hours"},
	{"kafka", "holds ciphertext that nothing can open any more", "at once"},
	{"elasticsearch guestlist", "the names were replaced by a placeholder", "seconds"},
	{"elasticsearch listing, facts", "never held personal data", "at once"},
	{"redis", "never held personal data", "at once"},
	{"notifier", "mail and pushes that are planned are voided, devices are forgotten; what is kept is ciphertext", "seconds"},
	{"notifier suppression list", "keeps a keyed hash of an address that wants no mail, so that none goes there", "kept"},
	{"caches of data keys", "expire", "60 seconds"},
	{"backups", "hold the key as long as they are kept; who restores one erases again first (turnout erasures replay)", "at a restore"},
}

// erasePersonal erases one answer after the other, each under its event's
// lock. Cut off, it is sent again and goes on: what is erased is not found any more.
func (a *API) erasePersonal(c *gin.Context) error {
	who, err := a.person(c)
	if err != nil {
		return err
	}
	out := receipt{ErasedAt: a.Now().UTC(), RSVPs: []erased{}, Stores: where}
	for _, row := range who.rows {
		done := erased{RSVPID: row.RSVP.ID, EventID: row.RSVP.EventID, Status: row.RSVP.Status}
		got, err := a.Desk.Do(c.Request.Context(), admission.Request{
			EventID: row.RSVP.EventID, Command: &rsvp.EraseRSVP{RSVPID: row.RSVP.ID, Reason: "request"},
			Actor: who.actor(row.RSVP.ID), Scope: "erase " + row.RSVP.ID, Traceparent: traceparent(c),
			Encode: func(o rsvp.Outcome) (int, []byte, error) {
				if o.RSVP != nil {
					return http.StatusOK, []byte(o.RSVP.Status), nil
				}
				return http.StatusOK, nil, nil
			},
		})
		if err != nil && !errors.Is(err, rsvp.ErrErased) {
			return err
		}
		if err == nil {
			done.Status, done.Version = string(got.Body), got.Version
		}
		out.RSVPs = append(out.RSVPs, done)
	}
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusOK, out)
	return nil
}
