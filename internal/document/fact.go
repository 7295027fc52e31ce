package document

import (
	"encoding/json"
	"strconv"
	"time"
)

// Fact is the document of a message about an event: what the analytics add up
// and what the changes feed lists. Personal data stays ciphertext in Payload.
type Fact struct {
	EventID        string    `json:"event_id"`
	OrganizationID string    `json:"organization_id"`
	Version        int64     `json:"version"`
	Type           string    `json:"type"`
	At             time.Time `json:"at"`       // recorded
	ValidAt        time.Time `json:"valid_at"` // true since
	Actor          string    `json:"actor"`
	Reason         string    `json:"reason,omitempty"`
	Partition      int32     `json:"partition"`
	Offset         int64     `json:"offset"`

	RSVPID       string `json:"rsvp_id,omitempty"`
	Status       string `json:"status,omitempty"` // of the RSVP after the message
	Before       string `json:"before,omitempty"`
	PartySize    int    `json:"party_size,omitempty"`
	PartyBefore  int    `json:"party_before,omitempty"`
	First        bool   `json:"first,omitempty"` // the RSVP's first message
	CheckInDelta int    `json:"check_in_delta,omitempty"`
	Conflict     string `json:"conflict,omitempty"`
	Rating       int    `json:"rating,omitempty"`

	Going      int  `json:"going"`
	Maybe      int  `json:"maybe"`
	Waitlisted int  `json:"waitlisted"`
	Held       int  `json:"held"`
	CheckedIn  int  `json:"checked_in"`
	Capacity   *int `json:"capacity,omitempty"`

	Payload json.RawMessage `json:"payload"`
}

// FactID is the document's id and the message's: event@version.
func FactID(event string, version int64) string { return event + "@" + strconv.FormatInt(version, 10) }
