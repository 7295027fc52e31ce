package contract

import "time"

// The states of an RSVP. Renaming one replays the topic.
const (
	StatusPending    = "pending"    // must confirm the address or be approved; holds no seat
	StatusConfirmed  = "confirmed"  // has a seat
	StatusWaitlisted = "waitlisted" // queues by QueuedVersion
	StatusOffered    = "offered"    // holds a seat until OfferExpiresAt
	StatusMaybe      = "maybe"
	StatusDeclined   = "declined"  // Not going
	StatusCancelled  = "cancelled" // withdrew, was rejected, or its pending time ran out
)

// What a guest answers.
const (
	Going    = "going"
	Maybe    = "maybe"
	NotGoing = "not_going"
)

// FormKey begins the Idempotency-Key of an answer from the page's form; the
// rest is that form's own, so that attempts with one form can be limited.
const FormKey = "form-"

// RSVP is one guest's answer to one event, whole: every message about it
// carries all of it. What tells who the guest is lies in Sealed, encrypted
// with the RSVP's own key; destroying the key erases it everywhere.
type RSVP struct {
	ID               string     `json:"id"`
	EventID          string     `json:"event_id"`
	OrganizationID   string     `json:"organization_id"`
	Status           string     `json:"status"`
	Response         string     `json:"response"`
	PartySize        int        `json:"party_size"`
	QueuedVersion    int64      `json:"queued_version,omitempty"`     // event version at which it joined the waitlist; kept with the seat it waited for
	OfferExpiresAt   *time.Time `json:"offer_expires_at,omitempty"`   // kept when the offer lapsed
	PendingExpiresAt *time.Time `json:"pending_expires_at,omitempty"` // kept when that time ran out
	AddressConfirmed bool       `json:"address_confirmed"`
	Approved         bool       `json:"approved"`
	WalkIn           bool       `json:"walk_in,omitempty"`
	CheckedIn        int        `json:"checked_in"` // people
	CheckedInAt      *time.Time `json:"checked_in_at,omitempty"`
	SeatedAt         *time.Time `json:"seated_at,omitempty"` // absent: from the first answer on
	Grew             []Growth   `json:"grew,omitempty"`      // ascending
	Door             []Scan     `json:"door,omitempty"`      // by time and id; CheckedIn follows from it
	Epoch            int        `json:"epoch"`               // raising it revokes manage tokens and tickets
	Locale           string     `json:"locale"`
	TimeZone         string     `json:"time_zone,omitempty"`
	Consents         Consents   `json:"consents"`
	Reminders        bool       `json:"reminders"`
	Rating           int        `json:"rating,omitempty"` // 1–5, 0 = none
	Sealed           []byte     `json:"sealed"`           // Personal as JSON, AES-256-GCM
	LinkSentAt       *time.Time `json:"link_sent_at,omitempty"`
	Erased           bool       `json:"erased,omitempty"`
	CreatedAt        time.Time  `json:"created_at"`
	UpdatedAt        time.Time  `json:"updated_at"`
}

// What an offline device could not know; CheckIn.Conflict and Scan.Conflict.
const (
	ConflictDouble       = "double"        // more people than the party has
	ConflictCancelled    = "cancelled"     // let in although withdrawn
	ConflictNotConfirmed = "not_confirmed" // let in without a seat
)

// Scan is what a device did at the door: let People in, or took back (Undo)
// all that was let in until At.
type Scan struct {
	ID       string    `json:"id"`
	People   int       `json:"people"`
	Device   string    `json:"device,omitempty"`
	At       time.Time `json:"at"` // by the device's clock
	Undo     bool      `json:"undo,omitempty"`
	Conflict string    `json:"conflict,omitempty"`
}

// Growth is a party of From people that became larger at a time.
type Growth struct {
	At   time.Time `json:"at"`
	From int       `json:"from"`
}

// Consents are what a guest agreed to, and when: At the first answer, or when that one was changed since.
type Consents struct {
	Updates     bool       `json:"updates"`
	Marketing   bool       `json:"marketing"`
	At          time.Time  `json:"at"`
	UpdatesAt   *time.Time `json:"updates_at,omitempty"`
	MarketingAt *time.Time `json:"marketing_at,omitempty"`
}

// Personal is the content of RSVP.Sealed. It exists in clear only in the
// memory of command, of the guest list's projector and of the notifier.
type Personal struct {
	Name      string            `json:"name"`
	Email     string            `json:"email"`      // as typed: mail goes here
	EmailHMAC []byte            `json:"email_hmac"` // identity of the address, keyed
	Answers   map[string]Answer `json:"answers,omitempty"`
	Comment   string            `json:"comment,omitempty"` // of the feedback, or why the guest withdrew
}

// Answer to a question: Text for text and choice, Choices for checkbox.
type Answer struct {
	Text    string   `json:"text,omitempty"`
	Choices []string `json:"choices,omitempty"`
}

// Change says what an RSVP was before a message: zero for a new one.
type Change struct {
	Status    string `json:"status,omitempty"`
	PartySize int    `json:"party_size,omitempty"`
	CheckedIn int    `json:"checked_in,omitempty"`
}
