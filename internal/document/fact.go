package document

import (
	"bytes"
	"encoding/json"
	"fmt"
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

	Payload json.RawMessage `json:"payload"` // the last: Line relies on it
}

// Line is the document as JSON on one line. Payload must be valid JSON; it is
// most of the document and is taken as it is, where encoding/json would read
// it twice more.
func (f Fact) Line() ([]byte, error) {
	payload := f.Payload
	f.Payload = nil
	b, err := json.Marshal(f)
	head, whole := bytes.CutSuffix(b, []byte("null}"))
	if err != nil || !whole {
		return nil, fmt.Errorf("encode fact %s: %w", FactID(f.EventID, f.Version), err)
	}
	line := bytes.NewBuffer(make([]byte, 0, len(head)+len(payload)+1))
	line.Write(head)
	if len(payload) > 0 && !bytes.ContainsAny(payload, "\r\n") {
		line.Write(payload)
	} else if err := json.Compact(line, payload); err != nil {
		return nil, fmt.Errorf("encode fact %s: %w", FactID(f.EventID, f.Version), err)
	}
	line.WriteByte('}')
	return line.Bytes(), nil
}

// LateLane stands where the partition of a fact was that was written when others
// behind it in its partition could be read already: of a dead letter that was
// redriven. Its Offset is the time of the writing, Unix in nanoseconds: who
// follows the feed of changes finds it there.
const LateLane int32 = -1

// LateAfter is the age from which the feed of changes gives late facts. Until
// then one that was written before may still become visible: a writing has
// LateWithin for it, the rest is for clocks that differ.
const (
	LateAfter  = 15 * time.Second
	LateWithin = 5 * time.Second
)

// FactID is the document's id and the message's: event@version.
func FactID(event string, version int64) string { return event + "@" + strconv.FormatInt(version, 10) }
