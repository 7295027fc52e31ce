package contract

import "time"

// The states of an event.
const (
	EventDraft     = "draft"
	EventPublished = "published"
	EventCancelled = "cancelled"
)

// What happens when an event is full.
const (
	WaitlistAuto  = "auto"  // the next who fits is promoted at once
	WaitlistOffer = "offer" // the next who fits gets an offer that lapses
	WaitlistNone  = "none"  // full is full
)

// Who may find an event.
const (
	VisibilityPublic   = "public"
	VisibilityUnlisted = "unlisted"
)

// Event is a gathering, whole: every message about the event carries all of
// it. Times are instants in UTC; TimeZone is the IANA zone whose wall clock
// the organizer meant.
type Event struct {
	ID             string     `json:"id"`
	OrganizationID string     `json:"organization_id"`
	Slug           string     `json:"slug"`
	ExternalID     string     `json:"external_id,omitempty"`
	SeriesID       string     `json:"series_id,omitempty"`
	Status         string     `json:"status"`
	CancelReason   string     `json:"cancel_reason,omitempty"`
	Title          string     `json:"title"`
	Description    string     `json:"description"`
	StartsAt       time.Time  `json:"starts_at"`
	EndsAt         time.Time  `json:"ends_at"`
	TimeZone       string     `json:"time_zone"`
	Venue          *Venue     `json:"venue,omitempty"`
	OnlineURL      string     `json:"online_url,omitempty"`
	Online         bool       `json:"online"`
	Category       string     `json:"category,omitempty"`
	Tags           []string   `json:"tags"`
	Capacity       *int       `json:"capacity"` // people; null = unlimited
	MaxParty       int        `json:"max_party"`
	WaitlistPolicy string     `json:"waitlist_policy"`
	OfferTTL       Duration   `json:"offer_ttl"`
	Approval       bool       `json:"approval"`
	ConfirmAddress bool       `json:"confirm_address"`
	Visibility     string     `json:"visibility"`
	RSVPOpensAt    *time.Time `json:"rsvp_opens_at,omitempty"`
	RSVPClosesAt   time.Time  `json:"rsvp_closes_at"`
	Reminders      []Duration `json:"reminders"`
	RemindMaybe    bool       `json:"remind_maybe"`
	RetentionDays  int        `json:"retention_days"`
	Questions      []Question `json:"questions"`
	Price          *Price     `json:"price_range,omitempty"`
	Cover          *Cover     `json:"cover,omitempty"`
	Revision       int64      `json:"revision"` // grows with each edit: the ETag
	Sequence       int64      `json:"sequence"` // RFC 5545 SEQUENCE: grows when time, place or status changes
	CreatedAt      time.Time  `json:"created_at"`
	UpdatedAt      time.Time  `json:"updated_at"`
	PublishedAt    *time.Time `json:"published_at,omitempty"`
}

// Announced tells whether everybody may see the event: it is published, or was
// before it was cancelled.
func (e *Event) Announced() bool {
	return e.Status == EventPublished || e.Status == EventCancelled && e.PublishedAt != nil
}

// Venue is where an event takes place. Lat and Lon are WGS 84 degrees, both or
// neither. Country is ISO 3166-1 alpha-2.
type Venue struct {
	Name    string   `json:"name,omitempty"`
	Address string   `json:"address,omitempty"`
	City    string   `json:"city,omitempty"`
	Country string   `json:"country,omitempty"`
	Lat     *float64 `json:"lat,omitempty"`
	Lon     *float64 `json:"lon,omitempty"`
}

// The kinds of a question.
const (
	QuestionText     = "text"
	QuestionChoice   = "choice"
	QuestionCheckbox = "checkbox"
)

// Question is asked of each guest who answers.
type Question struct {
	ID       string   `json:"id"`
	Label    string   `json:"label"`
	Kind     string   `json:"kind"`
	Options  []string `json:"options,omitempty"`
	Required bool     `json:"required"`
}

// Price is shown, never charged; Min and Max are in Currency's major unit.
type Price struct {
	Min      float64 `json:"min"`
	Max      float64 `json:"max"`
	Currency string  `json:"currency"` // ISO 4217
}

// Cover points at the event's picture by the SHA-256 of its bytes, in hex.
type Cover struct {
	SHA256      string `json:"sha256"`
	ContentType string `json:"content_type"`
	Width       int    `json:"width"`
	Height      int    `json:"height"`
}

// Counters are an event's numbers after a change. All but Capacity count
// people, not parties.
type Counters struct {
	Capacity   *int `json:"capacity"`
	Going      int  `json:"going"`
	Maybe      int  `json:"maybe"`
	Waitlisted int  `json:"waitlisted"`
	Held       int  `json:"held"` // people with an open offer
	CheckedIn  int  `json:"checked_in"`
}

// Remaining is capacity − going − held; nil means unlimited. It is negative
// when the organizer lowered the capacity below those who have a seat.
func (c Counters) Remaining() *int {
	if c.Capacity == nil {
		return nil
	}
	r := *c.Capacity - c.Going - c.Held
	return &r
}
