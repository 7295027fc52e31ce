package httpapi

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/document"
	"github.com/turnout-events/turnout/internal/fault"
	"github.com/turnout-events/turnout/internal/id"
	"github.com/turnout-events/turnout/query/reader"
)

// rsvpView is an RSVP as its guest and the organization's members see it.
type rsvpView struct {
	ID               string                     `json:"id"`
	EventID          string                     `json:"event_id"`
	Status           string                     `json:"status"`
	Response         string                     `json:"response"`
	Name             string                     `json:"name"`
	Email            string                     `json:"email"`
	PartySize        int                        `json:"party_size"`
	Position         *int64                     `json:"position"` // in the queue, from 1; null when not waiting
	Why              string                     `json:"why"`
	Queue            *queueView                 `json:"queue,omitempty"`
	OfferExpiresAt   *time.Time                 `json:"offer_expires_at,omitempty"`
	PendingExpiresAt *time.Time                 `json:"pending_expires_at,omitempty"`
	AddressConfirmed bool                       `json:"address_confirmed"`
	Approved         bool                       `json:"approved"`
	WalkIn           bool                       `json:"walk_in"`
	CheckedIn        int                        `json:"checked_in"`
	CheckedInAt      *time.Time                 `json:"checked_in_at,omitempty"`
	Conflicts        []contract.Scan            `json:"conflicts,omitempty"` // in the guest list
	Answers          map[string]contract.Answer `json:"answers,omitempty"`
	Locale           string                     `json:"locale"`
	TimeZone         string                     `json:"time_zone,omitempty"`
	Consents         contract.Consents          `json:"consents"`
	Notify           notifyView                 `json:"notify"`
	Rating           int                        `json:"rating,omitempty"`
	Comment          string                     `json:"comment,omitempty"`
	Erased           bool                       `json:"erased,omitempty"`
	Version          int64                      `json:"version"`
	CreatedAt        time.Time                  `json:"created_at"`
	UpdatedAt        time.Time                  `json:"updated_at"`
	Event            *eventBrief                `json:"event,omitempty"`
	ManageURL        string                     `json:"manage_url,omitempty"` // for the guest's own list alone; derived, in no store
}

type notifyView struct {
	Reminders bool `json:"reminders"`
}

// queueView says why a party waits.
type queueView struct {
	PartiesAhead int64 `json:"parties_ahead"`
	SeatsFree    *int  `json:"seats_free"` // null: no limit
	OffersOpen   int   `json:"people_with_an_offer"`
	PassedOverBy int64 `json:"passed_over_by"` // smaller parties from behind that have a seat or an offer
}

type eventBrief struct {
	ID       string          `json:"id"`
	Slug     string          `json:"slug"`
	Title    string          `json:"title"`
	Status   string          `json:"status"`
	StartsAt time.Time       `json:"starts_at"`
	EndsAt   time.Time       `json:"ends_at"`
	TimeZone string          `json:"time_zone"`
	Venue    *contract.Venue `json:"venue,omitempty"`
	Online   bool            `json:"online"`
}

func briefOf(e reader.Event) *eventBrief {
	return &eventBrief{ID: e.ID, Slug: e.Slug, Title: e.Title, Status: e.Status, StartsAt: e.StartsAt, EndsAt: e.EndsAt,
		TimeZone: e.TimeZone, Venue: e.Venue, Online: e.Online}
}

func viewOf(g document.Guest) rsvpView {
	return rsvpView{
		ID: g.RSVPID, EventID: g.EventID, Status: g.Status, Response: g.Response, Name: g.Name, Email: g.Email,
		PartySize: g.PartySize, OfferExpiresAt: g.OfferExpiresAt, PendingExpiresAt: g.PendingExpiresAt,
		AddressConfirmed: g.AddressConfirmed, Approved: g.Approved, WalkIn: g.WalkIn, CheckedIn: g.CheckedIn,
		CheckedInAt: g.CheckedInAt, Answers: g.Answers, Locale: g.Locale, TimeZone: g.TimeZone, Consents: g.Consents,
		Notify: notifyView{Reminders: g.Reminders}, Rating: g.Rating, Comment: g.Comment, Erased: g.Erased,
		Version: g.Version, CreatedAt: g.CreatedAt, UpdatedAt: g.UpdatedAt,
	}
}

// rsvp answers GET /v1/rsvps/{id} for its guest and for members.
func (a *API) rsvp(c *gin.Context) error {
	if err := paramsOf(c, "token").err(); err != nil {
		return err
	}
	g, err := a.ownRSVP(c)
	if err != nil {
		return err
	}
	v := viewOf(g)
	if err := a.explain(c, &v, g); err != nil {
		return err
	}
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	c.Header(HeaderVersion, g.EventID+"@"+strconv.FormatInt(g.Version, 10))
	c.Header("Cache-Control", "private, no-store")
	return sendJSON(c, etagOf(body), body)
}

// ownRSVP loads the RSVP of the path for somebody who may see it: the holder of
// its manage token, a guest's session of the same address, or a member.
func (a *API) ownRSVP(c *gin.Context) (document.Guest, error) {
	rsvpID := c.Param("id")
	want, err := least(c)
	if err != nil {
		return document.Guest{}, err
	}
	cred, err := credentialsOf(c)
	if err != nil {
		return document.Guest{}, err
	}
	if !id.Valid(rsvpID) {
		return document.Guest{}, fault.ErrNotFound
	}
	ctx := c.Request.Context()
	switch {
	case cred.bearer != "":
		if _, err := a.account(c); err != nil {
			return document.Guest{}, err
		}
		g, err := a.Stores.GuestAtLeast(ctx, rsvpID, -1, want)
		if err != nil {
			return g, err
		}
		return g, a.member(c, g.OrganizationID, rolesGuests)
	case cred.guest == "":
		return document.Guest{}, fault.ErrUnauthorized
	}
	if identity, err := a.Sessions.VerifySession(cred.guest, a.Now()); err == nil {
		g, err := a.Stores.GuestAtLeast(ctx, rsvpID, -1, want)
		if err == nil && (g.Erased || g.EmailIdentity != hex.EncodeToString(identity)) {
			err = fault.ErrNotFound
		}
		return g, err
	}
	owner, epoch, err := a.Manage.Verify(cred.guest)
	switch {
	case err != nil:
		return document.Guest{}, fault.ErrUnauthorized.Detailf("The link is not one of ours, or was changed.")
	case owner != rsvpID:
		return document.Guest{}, fault.ErrNotFound
	}
	g, err := a.Stores.GuestAtLeast(ctx, rsvpID, epoch, want)
	if err == nil && g.Epoch != epoch {
		err = errRevoked
	}
	return g, err
}

// explain adds the event, and where the RSVP stands and why. Both are computed
// now, from the guest list and the listing: a stored position would be wrong
// with every change before it.
func (a *API) explain(c *gin.Context, v *rsvpView, g document.Guest) error {
	want, err := least(c)
	if err != nil {
		return err
	}
	ctx := c.Request.Context()
	if g.Status == contract.StatusWaitlisted { // what counts the queue must have come that far too
		if err := a.Stores.Visible(ctx, document.GuestList, want); err != nil {
			return err
		}
	}
	e, err := a.Stores.EventAtLeast(ctx, g.EventID, want)
	if err != nil && !errors.Is(err, fault.ErrNotFound) {
		return err
	}
	return a.explainWith(ctx, v, g, e, err == nil)
}

// explainWith is explain with the event at hand; known is false when there is none yet.
func (a *API) explainWith(ctx context.Context, v *rsvpView, g document.Guest, e reader.Event, known bool) error {
	if known {
		v.Event = briefOf(e)
	}
	if g.Status == contract.StatusWaitlisted {
		ahead, err := a.Stores.Ahead(ctx, g.EventID, g.QueuedVersion)
		if err != nil {
			return err
		}
		var past int64
		if g.PartySize > 1 { // where one does not fit, nobody does
			if past, err = a.Stores.PassedOver(ctx, g.EventID, g.QueuedVersion); err != nil {
				return err
			}
		}
		position := ahead + 1
		v.Position = &position
		v.Queue = &queueView{PartiesAhead: ahead, SeatsFree: e.Seats.Remaining(), OffersOpen: e.Seats.Held, PassedOverBy: past}
	}
	v.Why = why(g, e, known, v.Queue, a.Now())
	return nil
}
