package document

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
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

// AppendLine appends the document as JSON on one line. There is one for every
// message, and encoding/json took a sixth of what the facts cost their
// projector: five times as long as this. Payload must be valid JSON; it is most
// of the document and is taken as it is.
func (f *Fact) AppendLine(b []byte) ([]byte, error) {
	l := line{b: append(b, '{')}
	l.text("event_id", f.EventID)
	l.text("organization_id", f.OrganizationID)
	l.number("version", f.Version)
	l.text("type", f.Type)
	l.time("at", f.At)
	l.time("valid_at", f.ValidAt)
	l.text("actor", f.Actor)
	l.some("reason", f.Reason)
	l.number("partition", int64(f.Partition))
	l.number("offset", f.Offset)

	l.some("rsvp_id", f.RSVPID)
	l.some("status", f.Status)
	l.some("before", f.Before)
	l.count("party_size", f.PartySize)
	l.count("party_before", f.PartyBefore)
	if f.First {
		l.b = append(l.b, `"first":true,`...)
	}
	l.count("check_in_delta", f.CheckInDelta)
	l.some("conflict", f.Conflict)
	l.count("rating", f.Rating)

	l.number("going", int64(f.Going))
	l.number("maybe", int64(f.Maybe))
	l.number("waitlisted", int64(f.Waitlisted))
	l.number("held", int64(f.Held))
	l.number("checked_in", int64(f.CheckedIn))
	if f.Capacity != nil {
		l.number("capacity", int64(*f.Capacity))
	}
	l.name("payload")
	if len(f.Payload) > 0 && !bytes.ContainsAny(f.Payload, "\r\n") {
		l.b = append(l.b, f.Payload...)
	} else {
		compact := bytes.NewBuffer(l.b)
		if err := json.Compact(compact, f.Payload); err != nil {
			return b, fmt.Errorf("encode fact %s: %w", FactID(f.EventID, f.Version), err)
		}
		l.b = compact.Bytes()
	}
	return append(l.b, '}'), nil
}

// line is an object that is being written; each member ends with a comma.
type line struct{ b []byte }

func (l *line) name(name string) {
	l.b = append(append(append(l.b, '"'), name...), '"', ':')
}

func (l *line) text(name, value string) {
	l.name(name)
	b, _ := jsontext.AppendQuote(l.b, value) // what is no text is replaced, as encoding/json does; that is all it could say
	l.b = append(b, ',')
}

func (l *line) some(name, value string) {
	if value != "" {
		l.text(name, value)
	}
}

func (l *line) number(name string, value int64) {
	l.name(name)
	l.b = append(strconv.AppendInt(l.b, value, 10), ',')
}

func (l *line) count(name string, value int) {
	if value != 0 {
		l.number(name, int64(value))
	}
}

func (l *line) time(name string, value time.Time) {
	l.name(name)
	l.b = append(value.AppendFormat(append(l.b, '"'), time.RFC3339Nano), '"', ',')
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
