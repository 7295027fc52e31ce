package document

import (
	"time"

	"github.com/turnout-events/turnout/internal/contract"
)

// ErasedName stands where a guest's name was before the key was destroyed.
const ErasedName = "(erased)"

// Guest is the document of an RSVP, in clear text: guestlist is the one read
// store that has it. Version is the event's at the RSVP's last message.
type Guest struct {
	RSVPID           string                     `json:"rsvp_id"`
	EventID          string                     `json:"event_id"`
	OrganizationID   string                     `json:"organization_id"`
	Version          int64                      `json:"version"`
	Status           string                     `json:"status"`
	Response         string                     `json:"response"`
	PartySize        int                        `json:"party_size"`
	QueuedVersion    int64                      `json:"queued_version"`
	OfferExpiresAt   *time.Time                 `json:"offer_expires_at,omitempty"`
	PendingExpiresAt *time.Time                 `json:"pending_expires_at,omitempty"`
	AddressConfirmed bool                       `json:"address_confirmed"`
	Approved         bool                       `json:"approved"`
	WalkIn           bool                       `json:"walk_in"`
	CheckedIn        int                        `json:"checked_in"`
	CheckedInAt      *time.Time                 `json:"checked_in_at,omitempty"`
	Conflicts        []contract.Scan            `json:"conflicts,omitempty"` // of the door's scans
	Conflict         bool                       `json:"conflict"`            // there is one
	Epoch            int                        `json:"epoch"`
	Locale           string                     `json:"locale"`
	TimeZone         string                     `json:"time_zone,omitempty"`
	Consents         contract.Consents          `json:"consents"`
	Reminders        bool                       `json:"reminders"`
	Rating           int                        `json:"rating,omitempty"`
	Name             string                     `json:"name"`
	Email            string                     `json:"email"`
	Answers          map[string]contract.Answer `json:"answers,omitempty"`
	Comment          string                     `json:"comment,omitempty"`
	EmailIdentity    string                     `json:"email_identity,omitempty"` // hex of the keyed HMAC
	Erased           bool                       `json:"erased"`
	CreatedAt        time.Time                  `json:"created_at"`
	UpdatedAt        time.Time                  `json:"updated_at"`

	Search  string `json:"search"` // folded words of name and address
	NameKey string `json:"name_key"`
}

// NewGuest makes the document; personal is nil when the key is gone.
func NewGuest(version int64, r contract.RSVP, personal *contract.Personal, identity string) Guest {
	g := Guest{
		RSVPID: r.ID, EventID: r.EventID, OrganizationID: r.OrganizationID, Version: version,
		Status: r.Status, Response: r.Response, PartySize: r.PartySize, QueuedVersion: r.QueuedVersion,
		OfferExpiresAt: r.OfferExpiresAt, PendingExpiresAt: r.PendingExpiresAt,
		AddressConfirmed: r.AddressConfirmed, Approved: r.Approved, WalkIn: r.WalkIn,
		CheckedIn: r.CheckedIn, CheckedInAt: r.CheckedInAt, Epoch: r.Epoch,
		Locale: r.Locale, TimeZone: r.TimeZone, Consents: r.Consents, Reminders: r.Reminders, Rating: r.Rating,
		CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt,
	}
	for _, s := range r.Door {
		if s.Conflict != "" {
			g.Conflicts, g.Conflict = append(g.Conflicts, s), true
		}
	}
	if personal == nil {
		g.Name, g.Erased = ErasedName, true
		return g
	}
	g.Name, g.Email, g.Answers, g.Comment = personal.Name, personal.Email, personal.Answers, personal.Comment
	g.EmailIdentity = identity
	g.Search = Text(g.Name, g.Email)
	g.NameKey = Key(g.Name)
	return g
}
