package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/turnout-events/turnout/command/admission"
	"github.com/turnout-events/turnout/command/rsvp"
	"github.com/turnout-events/turnout/command/soldout"
	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/fault"
	"github.com/turnout-events/turnout/internal/httpserver"
	"github.com/turnout-events/turnout/internal/id"
)

// submission is the body of POST …/rsvps. There is no status in it: what an
// answer becomes is decided here, and a client that sends one is refused.
type submission struct {
	Name      string                     `json:"name"`
	Email     string                     `json:"email"`
	Response  string                     `json:"response"`
	PartySize *int                       `json:"party_size"` // nil: 1
	Answers   map[string]contract.Answer `json:"answers"`
	Locale    string                     `json:"locale"`
	TimeZone  string                     `json:"time_zone"`
	Consents  consents                   `json:"consents"`
	Notify    notify                     `json:"notify"`
}

type consents struct {
	Updates   bool `json:"updates"`
	Marketing bool `json:"marketing"`
}

type notify struct {
	Reminders *bool `json:"reminders"`
}

// answered is an RSVP as its guest sees it.
type answered struct {
	ID               string     `json:"id"`
	EventID          string     `json:"event_id"`
	Status           string     `json:"status"`
	Response         string     `json:"response"`
	Position         *int       `json:"position"`
	PartySize        int        `json:"party_size"`
	OfferExpiresAt   *time.Time `json:"offer_expires_at,omitempty"`
	PendingExpiresAt *time.Time `json:"pending_expires_at,omitempty"`
	AddressConfirmed bool       `json:"address_confirmed"`
	Approved         bool       `json:"approved"`
	CheckedIn        int        `json:"checked_in"`
	Rating           int        `json:"rating,omitempty"`
	ManageToken      string     `json:"manage_token,omitempty"`
	ManageURL        string     `json:"manage_url,omitempty"`
	Version          int64      `json:"version"`
}

// encodeAnswered answers a guest with their manage token, and a member without.
func (a *API) encodeAnswered(status int, withToken bool) func(rsvp.Outcome) (int, []byte, error) {
	return func(o rsvp.Outcome) (int, []byte, error) {
		r := o.RSVP
		if r == nil {
			return 0, nil, errors.New("the outcome has no rsvp")
		}
		out := answered{
			ID: r.ID, EventID: r.EventID, Status: r.Status, Response: r.Response, PartySize: r.PartySize,
			AddressConfirmed: r.AddressConfirmed, Approved: r.Approved, CheckedIn: r.CheckedIn, Rating: r.Rating, Version: o.Version,
		}
		switch r.Status {
		case contract.StatusWaitlisted:
			if o.Position > 0 {
				out.Position = &o.Position
			}
		case contract.StatusOffered:
			out.OfferExpiresAt = r.OfferExpiresAt
		case contract.StatusPending:
			out.PendingExpiresAt = r.PendingExpiresAt
		}
		if withToken {
			text, err := a.manager.Make(r.ID, r.Epoch)
			if err != nil {
				return 0, nil, err
			}
			out.ManageToken, out.ManageURL = text, a.PublicURL+"/r/"+text
		}
		body, err := json.Marshal(out)
		return status, body, err
	}
}

func (a *API) submitRSVP(c *gin.Context) error {
	k, err := key(c, true)
	if err != nil {
		return err
	}
	if err := a.takeClient(c, a.Limits.RSVPClient, "rsvp-client"); err != nil {
		return err
	}
	if strings.HasPrefix(k, contract.FormKey) {
		if err := a.take(c, a.Limits.policy(a.Limits.RSVPForm, "rsvp-form"), k); err != nil {
			return err
		}
	}
	eventID := c.Param("id")
	if !id.Valid(eventID) {
		return fault.ErrNotFound
	}
	actor, err := a.submitter(c, eventID)
	if err != nil {
		return err
	}
	var in submission
	body, err := decode(c, &in)
	if err != nil {
		return err
	}
	// Everybody who is not signed in has the same scope: the key is the client's secret.
	under := "rsvps " + eventID + " guest"
	if actor.Member {
		under = "rsvps " + eventID + " " + actor.ID
	}
	who, checked, err := a.guest(c, eventID, in, actor.Member)
	if err != nil {
		got, err := a.earlier(c, under, k, body, err)
		if err == nil {
			answer(c, got, "/v1/rsvps/"+idOf(got.Body))
		}
		return err
	}
	if who.EmailHMAC != nil { // walk-ins without an address are many guests, whom a member adds
		if err := a.take(c, a.Limits.policy(a.Limits.RSVPGuest, "rsvp-guest"), eventID+string(who.EmailHMAC)); err != nil {
			return err
		}
	}
	// The desk has a bound of its own; a second timer for each of a thousand guests is one too many.
	wait := httpserver.Unbound(c)
	// Most who ask for a seat of a sold-out event are told here; nothing was encrypted or queued for them.
	if !actor.Member {
		looked, err := a.SoldOut.Refuse(c.Request.Context(), soldout.Ask{
			EventID: eventID, Key: k, Scope: under, Address: who.EmailHMAC, Response: in.Response, People: party(in.PartySize),
		}, a.Now)
		if err != nil {
			return err
		}
		if looked {
			wait = c.Request.Context() // part of its bound is over
		}
	}
	rsvpID, err := id.New()
	if err != nil {
		return err
	}
	if !actor.Member {
		actor = rsvp.GuestActor(rsvpID)
	}
	command, err := a.sealed(rsvpID, in, who)
	if err != nil {
		return err
	}
	command.Checked = checked
	request := admission.Request{
		EventID: eventID, Command: command, Actor: actor, Key: k, Scope: under,
		RequestHash: a.hash(c, body), Traceparent: traceparent(c), Encode: a.encodeAnswered(http.StatusCreated, true),
	}
	got, err := a.Desk.Do(wait, request)
	for n := 0; n < maxRechecks && errors.Is(err, rsvp.ErrEventChanged); n++ {
		if _, command.Checked, err = a.guest(c, eventID, in, actor.Member); err == nil {
			got, err = a.Desk.Do(wait, request)
		}
	}
	if err != nil {
		return a.refusedSubmission(c, eventID, actor, err)
	}
	answer(c, got, "/v1/rsvps/"+idOf(got.Body))
	return nil
}

// submitter is a member who adds a guest; the zero Actor is a guest, whose RSVP
// has no id yet. A member of another organization is a guest like everybody.
func (a *API) submitter(c *gin.Context, eventID string) (rsvp.Actor, error) {
	accountID, err := a.bearer(c)
	if err != nil || accountID == "" {
		return rsvp.Actor{}, err
	}
	actor, err := a.member(c, eventID, mayCheck)
	if errors.Is(err, fault.ErrNotFound) || errors.Is(err, fault.ErrForbidden) {
		return rsvp.Actor{}, nil
	}
	return actor, err
}

// refusedSubmission hides what a guest may not know (a draft), and has the
// manage link mailed to an address that answered before: nothing in the answer
// tells more than that.
func (a *API) refusedSubmission(c *gin.Context, eventID string, actor rsvp.Actor, err error) error {
	if errors.Is(err, rsvp.ErrEventFull) {
		a.SoldOut.Mark(eventID)
	}
	if errors.Is(err, rsvp.ErrNotPublished) && !actor.Member {
		return fault.ErrNotFound
	}
	var before *rsvp.Answered
	if errors.As(err, &before) {
		if e := a.mailLink(c, eventID, before.RSVPID); e != nil {
			a.Log.WarnContext(c.Request.Context(), "manage link not sent", "error", e, "rsvp", before.RSVPID)
		}
		return rsvp.ErrAlreadyAnswered.Detailf("The link to change that answer is on its way to the address.")
	}
	return err
}

// idOf reads the id of an answer: that of a repeated request, or of a guest who
// comes back, is not the one made for this request. encodeAnswered writes it
// first, so the rest need not be read; that was 3 % of what an answer costs.
func idOf(body []byte) string {
	const first, length = `{"id":"`, 36
	if after, ok := bytes.CutPrefix(body, []byte(first)); ok && len(after) > length && after[length] == '"' {
		return string(after[:length])
	}
	var v struct {
		ID string `json:"id"`
	}
	_ = json.Unmarshal(body, &v) // ours, and an empty id makes no link
	return v.ID
}
