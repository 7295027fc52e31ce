package httpapi

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
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
// tells the address. An owner names a guest of their organization: by address,
// or one answer by its id, for whom a member added without an address.
type subject struct {
	OrganizationID string `json:"organization_id"`
	Email          string `json:"email"`
	RSVPID         string `json:"rsvp_id"`
}

// person is whose data it is about, and who asks.
type person struct {
	rows   []*rsvp.Row
	member *rsvp.Actor // nil: the guest
	scope  string      // of the request's Idempotency-Key
	body   []byte
}

func (p person) actor(rsvpID string) rsvp.Actor {
	if p.member != nil {
		return *p.member
	}
	return rsvp.GuestActor(rsvpID)
}

// person finds every answer of the address that the request is about. The scope is told also where a token opens nothing
// any more: an erasure revokes the token that asked for it.
func (a *API) person(c *gin.Context) (who person, err error) {
	var in subject
	text := guestToken(c)
	accountID := ""
	if text == "" {
		if accountID, err = a.account(c); err != nil {
			return who, err
		}
	}
	body, err := decodeOptional(c, &in)
	switch {
	case err != nil:
		return who, err
	case text == "":
		who, err = a.personOfOrganization(c, accountID, in)
	case in != (subject{}):
		return who, fault.ErrInvalid.Detailf("A guest's token tells the address; send no body.")
	default:
		who, err = a.personOfGuest(c, text)
		token := a.hashes.Sum([]string{"token"}, []byte(text))
		who.scope = scope(c, "", "guest:"+hex.EncodeToString(token[:]))
	}
	who.body = body
	return who, err
}

func (a *API) personOfGuest(c *gin.Context, text string) (person, error) {
	address, err := a.sessions.VerifySession(text, a.Now())
	if err == nil {
		rows, err := a.Store.ByAddress(c.Request.Context(), address)
		return person{rows: rows}, err
	}
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
	rows, err := a.Store.ByAddress(c.Request.Context(), by.row.EmailHMAC)
	// The token's own answer last: until that is erased the token opens the others.
	rows = slices.DeleteFunc(rows, func(r *rsvp.Row) bool { return r.RSVP.ID == holder })
	return person{rows: append(rows, by.row)}, err
}

func (a *API) personOfOrganization(c *gin.Context, accountID string, in subject) (person, error) {
	if !id.Valid(in.OrganizationID) {
		return person{}, fault.ErrInvalid.About(fault.Field{Pointer: "/organization_id", Detail: "is required of a member"})
	}
	err := a.Organizations.Allow(c.Request.Context(), in.OrganizationID, accountID, contract.RoleOwner)
	if err != nil {
		return person{}, err
	}
	rows, err := a.named(c, in)
	if err != nil {
		return person{}, err
	}
	actor := rsvp.MemberActor(accountID)
	out := person{member: &actor, scope: scope(c, in.OrganizationID, actor.ID)}
	for _, row := range rows {
		if row.RSVP.OrganizationID == in.OrganizationID {
			out.rows = append(out.rows, row)
		}
	}
	return out, nil
}

func (a *API) named(c *gin.Context, in subject) ([]*rsvp.Row, error) {
	if in.RSVPID == "" {
		normalized, err := seal.NormalizeEmail(in.Email)
		if err != nil {
			return nil, fault.ErrInvalid.About(fault.Field{Pointer: "/email", Detail: "is not an e-mail address"})
		}
		return a.Store.ByAddress(c.Request.Context(), a.Keyring.EmailHMAC(normalized))
	}
	if in.Email != "" || !id.Valid(in.RSVPID) {
		return nil, fault.ErrInvalid.About(fault.Field{Pointer: "/rsvp_id", Detail: "is the id of an answer, instead of an address"})
	}
	row, err := a.Store.RSVP(c.Request.Context(), in.RSVPID)
	if err == nil && row.RSVP.OrganizationID != in.OrganizationID {
		err = fault.ErrNotFound
	}
	return []*rsvp.Row{row}, err
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

// erasePersonal erases one answer after the other, each under its event's lock. Cut off, it is sent again and goes on: what
// is erased is not found any more. The receipt is kept, under the request's key, with the last.
func (a *API) erasePersonal(c *gin.Context) error {
	who, err := a.person(c)
	k, malformed := key(c, false)
	if malformed != nil {
		return malformed
	}
	if who.scope != "" {
		if got, found, unknown := a.kept(c, who.scope, k, who.body); found || unknown != nil {
			return answerReceipt(c, got.Body, unknown)
		}
	}
	if err != nil {
		return err
	}
	out := receipt{ErasedAt: a.Now().UTC(), RSVPs: []erased{}, Stores: where}
	for i, row := range who.rows {
		last := i == len(who.rows)-1
		done := erased{RSVPID: row.RSVP.ID, EventID: row.RSVP.EventID, Status: row.RSVP.Status}
		r := admission.Request{
			EventID: row.RSVP.EventID, Command: &rsvp.EraseRSVP{RSVPID: row.RSVP.ID, Reason: "request"},
			Actor: who.actor(row.RSVP.ID), Traceparent: traceparent(c),
			Encode: func(o rsvp.Outcome) (int, []byte, error) {
				done.Status, done.Version = o.RSVP.Status, o.Version
				if !last {
					return http.StatusOK, nil, nil
				}
				whole := out
				whole.RSVPs = append(slices.Clone(out.RSVPs), done)
				body, err := json.Marshal(whole)
				return http.StatusOK, body, err
			},
		}
		if last {
			r.Key, r.Scope, r.RequestHash = k, who.scope, a.hash(c, who.body)
		}
		got, err := a.Desk.Do(c.Request.Context(), r)
		if err != nil && !errors.Is(err, rsvp.ErrErased) { // erased by somebody else meanwhile: that will do
			return err
		}
		if last && err == nil {
			return answerReceipt(c, got.Body, nil)
		}
		out.RSVPs = append(out.RSVPs, done)
	}
	body, err := json.Marshal(out)
	return answerReceipt(c, body, err)
}

func answerReceipt(c *gin.Context, body []byte, err error) error {
	if err == nil {
		write(c, http.StatusOK, body)
	}
	return err
}
