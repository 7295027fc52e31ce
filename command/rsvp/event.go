package rsvp

import (
	"time"

	"github.com/turnout-events/turnout/internal/contract"
)

// EventInput is the body of POST and PATCH on an event. A missing member keeps
// what is there (PATCH) or takes its default (POST); null clears it. Times and
// durations are text here, so that a bad one gets a pointer of its own.
// OrganizationID and ExternalID count for a new event only.
type EventInput struct {
	OrganizationID string                   `json:"organization_id"`
	ExternalID     string                   `json:"external_id"`
	Title          Opt[string]              `json:"title"`
	Description    Opt[string]              `json:"description"`
	StartsAt       Opt[string]              `json:"starts_at"` // RFC 3339 with offset
	EndsAt         Opt[string]              `json:"ends_at"`
	TimeZone       Opt[string]              `json:"time_zone"` // IANA
	Venue          Opt[contract.Venue]      `json:"venue"`
	OnlineURL      Opt[string]              `json:"online_url"`
	Online         Opt[bool]                `json:"online"` // default: there is a url, or no venue
	Category       Opt[string]              `json:"category"`
	Tags           Opt[[]string]            `json:"tags"`
	Capacity       Opt[int]                 `json:"capacity"` // null: unlimited
	MaxParty       Opt[int]                 `json:"max_party"`
	WaitlistPolicy Opt[string]              `json:"waitlist_policy"`
	OfferTTL       Opt[string]              `json:"offer_ttl"`
	Approval       Opt[bool]                `json:"approval"`
	ConfirmAddress Opt[bool]                `json:"confirm_address"`
	Visibility     Opt[string]              `json:"visibility"`
	RSVPOpensAt    Opt[string]              `json:"rsvp_opens_at"`  // null: at once
	RSVPClosesAt   Opt[string]              `json:"rsvp_closes_at"` // null: at the start
	Reminders      Opt[[]string]            `json:"reminders"`
	RemindMaybe    Opt[bool]                `json:"remind_maybe"`
	RetentionDays  Opt[int]                 `json:"retention_days"`
	Questions      Opt[[]contract.Question] `json:"questions"`
	Price          Opt[contract.Price]      `json:"price_range"`
}

// mayPromote tells whether applying the input can let waiting parties in.
func (in *EventInput) mayPromote() bool {
	return in.Capacity.Set || in.StartsAt.Set || in.TimeZone.Set
}

// Limits are the operator's bounds on events.
type Limits struct {
	MaxCapacity int // people at one event with a capacity
}

// DefaultLimits are those of a deployment that sets none.
func DefaultLimits() Limits { return Limits{MaxCapacity: 1000} }

// Birth is what the rules cannot make up themselves for a new event.
type Birth struct {
	EventID  string
	Suffix   string // random, [a-z0-9]{6,}: ends the slug
	SeriesID string // for Repeat
}

// NewEvent makes a draft. The book that it gives is new (Created), has no
// RSVPs and one message; faults carry pointers into the input.
func NewEvent(in *EventInput, birth Birth, limits Limits, by Actor, now time.Time) (*Book, error) {
	return nil, errNotLoaded
}

// Duplicate makes a draft like source: without answers, external id and
// series, at version 1. What input sets replaces what source has. Without
// starts_at in it, a source that has begun is moved by whole weeks of its own
// zone until it lies ahead.
func Duplicate(source contract.Event, in *EventInput, birth Birth, limits Limits, by Actor, now time.Time) (*Book, error) {
	return nil, errNotLoaded
}

// Repeat makes the occurrences of source that an RFC 5545 recurrence rule
// (DAILY, WEEKLY, MONTHLY or YEARLY, with COUNT or UNTIL) gives after its own
// start, COUNT including it, at the same wall-clock time. A published source
// gives published events. births has one for each, or more; MaxOccurrences are
// enough. Call SetSeries on the source as well.
func Repeat(source contract.Event, rule string, births []Birth, limits Limits, by Actor, now time.Time) ([]*Book, error) {
	return nil, errNotLoaded
}

// MaxOccurrences bounds a series.
const MaxOccurrences = 200
