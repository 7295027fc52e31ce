package rsvp

import (
	"strings"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/fault"
)

// EventInput is the body of POST and PATCH on an event. A missing member keeps
// what is there (PATCH) or takes its default (POST); null clears it. Times and
// durations are text here, so that a bad one gets a pointer of its own.
// OrganizationID and ExternalID are for a new event; they never change.
//
// starts_at and ends_at are instants, whatever their offset; time_zone is the
// wall clock that people read and that a series keeps.
type EventInput struct {
	OrganizationID string                   `json:"organization_id"`
	ExternalID     string                   `json:"external_id"`
	Title          Opt[string]              `json:"title"`
	Description    Opt[string]              `json:"description"`
	StartsAt       Opt[string]              `json:"starts_at"` // RFC 3339 with offset
	EndsAt         Opt[string]              `json:"ends_at"`
	TimeZone       Opt[string]              `json:"time_zone"` // IANA; default UTC
	Venue          Opt[contract.Venue]      `json:"venue"`
	OnlineURL      Opt[string]              `json:"online_url"`
	Online         Opt[bool]                `json:"online"` // default: there is an online_url
	Category       Opt[string]              `json:"category"`
	Tags           Opt[[]string]            `json:"tags"`
	Capacity       Opt[int]                 `json:"capacity"`        // null, the default: unlimited
	MaxParty       Opt[int]                 `json:"max_party"`       // default 10, or the limit if that is less
	WaitlistPolicy Opt[string]              `json:"waitlist_policy"` // default auto
	OfferTTL       Opt[string]              `json:"offer_ttl"`       // default 12h
	Approval       Opt[bool]                `json:"approval"`
	ConfirmAddress Opt[bool]                `json:"confirm_address"`
	Visibility     Opt[string]              `json:"visibility"`     // default public
	RSVPOpensAt    Opt[string]              `json:"rsvp_opens_at"`  // null: at once
	RSVPClosesAt   Opt[string]              `json:"rsvp_closes_at"` // null: at the start
	Reminders      Opt[[]string]            `json:"reminders"`      // default 24h, 1h
	RemindMaybe    Opt[bool]                `json:"remind_maybe"`
	RetentionDays  Opt[int]                 `json:"retention_days"` // default 365
	Questions      Opt[[]contract.Question] `json:"questions"`
	Price          Opt[contract.Price]      `json:"price_range"`
}

// mayPromote tells whether applying the input can let waiting parties in.
func (in *EventInput) mayPromote() bool { return in.Capacity.Set || in.StartsAt.Set }

// Limits are the operator's bounds on events.
type Limits struct {
	MaxCapacity int // people at one event with a capacity
}

// DefaultLimits are those of a deployment that sets none.
func DefaultLimits() Limits { return Limits{MaxCapacity: 1000} }

// Birth is what the rules cannot make up themselves for a new event.
type Birth struct {
	EventID string
	Suffix  string // random, [a-z0-9]{6,}: ends the slug
}

// The defaults of a new event.
const (
	defaultMaxParty      = 10
	defaultOfferTTL      = contract.Duration(12 * time.Hour)
	defaultRetentionDays = 365
)

// NewEvent makes a draft. The book that it gives is new (Created), has no
// RSVPs and one message; faults carry pointers into the input.
func NewEvent(in *EventInput, birth Birth, limits Limits, by Actor, now time.Time) (*Book, error) {
	now = contract.Time(now)
	e := contract.Event{
		OrganizationID: in.OrganizationID, ExternalID: strings.TrimSpace(in.ExternalID),
		TimeZone: "UTC", Tags: []string{}, Questions: []contract.Question{},
		MaxParty: min(defaultMaxParty, limits.MaxCapacity), WaitlistPolicy: contract.WaitlistAuto, OfferTTL: defaultOfferTTL,
		Visibility: contract.VisibilityPublic, RetentionDays: defaultRetentionDays,
		Reminders: []contract.Duration{contract.Duration(24 * time.Hour), contract.Duration(time.Hour)},
	}
	fields := in.apply(&e)
	if err := check(&e, nil, fields, limits, now); err != nil {
		return nil, err
	}
	return born(e, birth, by, now), nil
}

// born opens the book of a new draft.
func born(e contract.Event, birth Birth, by Actor, now time.Time) *Book {
	e.ID, e.Slug = birth.EventID, slugOf(e.Title, birth.Suffix)
	e.Status, e.CancelReason, e.PublishedAt = contract.EventDraft, "", nil
	e.Revision, e.Sequence = 1, 0
	e.CreatedAt, e.UpdatedAt = now, now
	b := NewBook(e, contract.Counters{Capacity: e.Capacity}, 0)
	b.created, b.revised = true, true
	b.tell(contract.EventDraftedV1, by, "", now)
	return b
}

// check refuses an event that is not right. fields are the complaints that
// reading the input had already; old is nil for a new event.
func check(e, old *contract.Event, fields []fault.Field, limits Limits, now time.Time) error {
	c := &checker{fields: fields}
	c.words(e)
	c.times(e, old, now)
	c.place(e)
	c.answers(e, old, limits)
	c.questions(e.Questions)
	if len(c.fields) > 0 {
		return fault.ErrInvalid.About(c.fields...)
	}
	return nil
}
