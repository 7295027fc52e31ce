package httpapi

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"

	"github.com/turnout-events/turnout/command/admission"
	"github.com/turnout-events/turnout/command/rsvp"
	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/fault"
	"github.com/turnout-events/turnout/internal/httpserver"
	"github.com/turnout-events/turnout/internal/id"
)

// event is an event as its organizer sees it.
type event struct {
	contract.Event
	Version int64 `json:"version"`
}

func encodeEvent(o rsvp.Outcome) (int, []byte, error) {
	if o.Event == nil {
		return 0, nil, errors.New("the outcome has no event")
	}
	body, err := json.Marshal(event{Event: *o.Event, Version: o.Version})
	return http.StatusOK, body, err
}

func (a *API) createEvent(c *gin.Context) error {
	accountID, err := a.account(c)
	if err != nil {
		return err
	}
	var in rsvp.EventInput
	body, err := decode(c, &in)
	if err != nil {
		return err
	}
	if in.OrganizationID == "" {
		return fault.ErrInvalid.About(fault.Field{Pointer: "/organization_id", Detail: "is required"})
	}
	if err := a.Organizations.Allow(c.Request.Context(), in.OrganizationID, accountID, mayEdit...); err != nil {
		return err
	}
	birth, err := newBirth()
	if err != nil {
		return err
	}
	actor := rsvp.MemberActor(accountID)
	build := func() (admission.CreateRequest, error) {
		return one(rsvp.NewEvent(&in, birth, a.EventLimits, actor, a.Now()))
	}
	return a.create(c, actor, body, build, func(books []*rsvp.Book) (int, []byte, error) {
		b, err := json.Marshal(event{Event: books[0].Event, Version: books[0].Version})
		return http.StatusCreated, b, err
	})
}

// create saves the new events that build makes and answers with the first of
// them, or with the series that encode makes.
func (a *API) create(c *gin.Context, actor rsvp.Actor, body []byte, build func() (admission.CreateRequest, error),
	encode func([]*rsvp.Book) (int, []byte, error),
) error {
	k, err := key(c, false)
	if err != nil {
		return err
	}
	under := scope(c, c.Param("id"), actor.ID)
	var got admission.Answer
	if r, refusal := build(); refusal != nil {
		got, err = a.earlier(c, under, k, body, refusal)
	} else {
		r.Source, r.Key, r.Scope, r.RequestHash = c.Param("id"), k, under, a.hash(c, body)
		r.Traceparent, r.Encode = httpserver.Traceparent(c.Request.Context()), encode
		got, err = a.Desk.Create(c.Request.Context(), r)
	}
	if err != nil {
		return err
	}
	giveEvent(c, got)
	return nil
}

func one(book *rsvp.Book, err error) (admission.CreateRequest, error) {
	return admission.CreateRequest{Books: []*rsvp.Book{book}}, err
}

func giveEvent(c *gin.Context, got admission.Answer) {
	c.Header("ETag", `"`+strconv.FormatInt(got.Revision, 10)+`"`)
	answer(c, got, "/v1/events/"+got.EventID)
}

// edit has a command of a member decided and answers with the event.
func (a *API) edit(c *gin.Context, actor rsvp.Actor, body []byte, command rsvp.Command) error {
	eventID := c.Param("id")
	r, err := a.request(c, eventID, eventID, actor, body)
	if err != nil {
		return err
	}
	r.Command, r.Encode = command, encodeEvent
	got, err := a.Desk.Do(c.Request.Context(), r)
	if err != nil {
		return err
	}
	giveEvent(c, got)
	return nil
}

// editor is the member who may edit the event of the path, and the revision
// that they have seen.
func (a *API) editor(c *gin.Context) (actor rsvp.Actor, rev int64, err error) {
	if actor, err = a.member(c, c.Param("id"), mayEdit); err != nil {
		return actor, 0, err
	}
	rev, err = revision(c)
	return actor, rev, err
}

func (a *API) editEvent(c *gin.Context) error {
	actor, rev, err := a.editor(c)
	if err != nil {
		return err
	}
	var in rsvp.EventInput
	body, err := decode(c, &in)
	if err != nil {
		return err
	}
	return a.edit(c, actor, body, &rsvp.EditEvent{Input: in, Revision: rev, Limits: a.EventLimits})
}

func (a *API) setCapacity(c *gin.Context) error {
	actor, rev, err := a.editor(c)
	if err != nil {
		return err
	}
	var in struct {
		Capacity rsvp.Opt[int] `json:"capacity"`
	}
	body, err := decode(c, &in)
	if err != nil {
		return err
	}
	if !in.Capacity.Set { // {} must not mean "unlimited"
		return fault.ErrInvalid.About(fault.Field{Pointer: "/capacity", Detail: "is required: a number of people, or null for no limit"})
	}
	return a.edit(c, actor, body, &rsvp.SetCapacity{Capacity: in.Capacity.Value, Revision: rev, Limits: a.EventLimits})
}

func (a *API) publishEvent(c *gin.Context) error {
	actor, rev, err := a.editor(c)
	if err != nil {
		return err
	}
	body, err := decodeOptional(c, &nothing{})
	if err != nil {
		return err
	}
	return a.edit(c, actor, body, &rsvp.PublishEvent{Revision: rev})
}

func (a *API) cancelEvent(c *gin.Context) error {
	actor, rev, err := a.editor(c)
	if err != nil {
		return err
	}
	var in struct {
		Reason string `json:"reason"`
	}
	body, err := decodeOptional(c, &in)
	if err != nil {
		return err
	}
	if err := checkText("/reason", in.Reason, maxReason); err != nil {
		return err
	}
	return a.edit(c, actor, body, &rsvp.CancelEvent{Revision: rev, Reason: in.Reason})
}

func (a *API) duplicateEvent(c *gin.Context) error {
	actor, rev, err := a.editor(c)
	if err != nil {
		return err
	}
	var in rsvp.EventInput
	body, err := decodeOptional(c, &in)
	if err != nil {
		return err
	}
	source, err := a.Store.Event(c.Request.Context(), c.Param("id"))
	if err != nil {
		return err
	}
	if in.OrganizationID != "" && in.OrganizationID != source.Event.OrganizationID {
		return fault.ErrInvalid.About(fault.Field{Pointer: "/organization_id", Detail: "must be that of the event"})
	}
	birth, err := newBirth()
	if err != nil {
		return err
	}
	build := func() (admission.CreateRequest, error) {
		if err := rsvp.CheckRevision(&source.Event, rev); err != nil {
			return admission.CreateRequest{}, err
		}
		return one(rsvp.Duplicate(source.Event, &in, birth, a.EventLimits, actor, a.Now()))
	}
	return a.create(c, actor, body, build, func(books []*rsvp.Book) (int, []byte, error) {
		b, err := json.Marshal(event{Event: books[0].Event, Version: books[0].Version})
		return http.StatusOK, b, err
	})
}

type series struct {
	SeriesID string  `json:"series_id"`
	Items    []event `json:"items"`
}

// repeatEvent makes the source part of a series first, so that a repeat of a
// request that was cut off goes on with the same series. It makes the dates
// that the series lacks: whoever repeats again, with another key, gets none twice.
func (a *API) repeatEvent(c *gin.Context) error {
	actor, rev, err := a.editor(c)
	if err != nil {
		return err
	}
	var in struct {
		RRule string `json:"rrule"`
	}
	body, err := decode(c, &in)
	if err != nil {
		return err
	}
	source, err := a.Store.Event(c.Request.Context(), c.Param("id"))
	if err != nil {
		return err
	}
	births := make([]rsvp.Birth, rsvp.MaxOccurrences)
	for i := range births {
		if births[i], err = newBirth(); err != nil {
			return err
		}
	}
	build := func() (r admission.CreateRequest, err error) {
		repeat := func() ([]*rsvp.Book, error) {
			return rsvp.Repeat(source.Event, in.RRule, births, a.EventLimits, actor, a.Now())
		}
		if _, err = repeat(); err != nil {
			return r, err // before the event is in a series for nothing
		}
		if r.Joined, err = a.joinSeries(c, actor, body, rev); err != nil {
			return r, err
		}
		r.SeriesID = string(r.Joined.Body)
		source.Event.SeriesID = r.SeriesID
		r.Books, err = repeat()
		return r, err
	}
	return a.create(c, actor, body, build, func(books []*rsvp.Book) (int, []byte, error) {
		out := series{SeriesID: source.Event.SeriesID, Items: make([]event, 0, len(books))}
		for _, b := range books {
			out.Items = append(out.Items, event{Event: b.Event, Version: b.Version})
		}
		b, err := json.Marshal(out)
		return http.StatusOK, b, err
	})
}

// joinSeries gives the id of the series that the event is in from then on. It
// has the client's key: a request that was cut off behind it has raised the
// revision that its If-Match names.
func (a *API) joinSeries(c *gin.Context, actor rsvp.Actor, body []byte, rev int64) (admission.Answer, error) {
	seriesID, err := id.New()
	if err != nil {
		return admission.Answer{}, err
	}
	r, err := a.request(c, c.Param("id"), c.Param("id"), actor, body)
	if err != nil {
		return admission.Answer{}, err
	}
	r.Scope += " join"
	r.Command = &rsvp.SetSeries{SeriesID: seriesID, Revision: rev}
	r.Encode = func(o rsvp.Outcome) (int, []byte, error) { return http.StatusOK, []byte(o.Event.SeriesID), nil }
	return a.Desk.Do(c.Request.Context(), r)
}
