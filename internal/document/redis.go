package document

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/turnout-events/turnout/internal/contract"
)

// First parts of the keys in Redis; the second is an id. The namespace goes
// before them (redisconn.Key).
const (
	KeyAvailability = "avail"   // hash of an event: the fields below
	KeyApplied      = "applied" // hash of an event: projector → version up to which all is applied
	KeyRoles        = "roles"   // hash of an organization: account → role, and FieldVersion
	KeyEvent        = "event"   // hash of an event: FieldVersion and FieldBody, a copy for when the search engine is away
	KeySlug         = "slug"    // string: the event of a slug
	KeySentinel     = "sentinel"
	KeyFeed         = "feed"       // hash: partition of the registrations → offset up to which the facts may be read in order
	KeyFeedEpoch    = "feed-epoch" // string: which places the facts have; a cursor of another epoch has expired
	KeyRebuild      = "rebuild"    // string of a store: how far its last rebuild is
	KeyNext         = "next"       // before another key: what a rebuild fills beside it
	KeyPrevious     = "previous"   // before another key: what a rebuild replaced; alone: when that was; expires
	KeyFilling      = "filling"    // of a store: somebody rebuilds it; expires
	// ChannelAvailability is the pub/sub channel on which the projector's script
	// publishes each change, as Availability in JSON.
	ChannelAvailability = "avail"
)

// Fields of the hashes. Account ids are UUIDs, so FieldVersion cannot be one.
const (
	FieldVersion = "v"
	FieldBody    = "b"
)

// Availability is an event's seats as every reader sees them: people.
type Availability struct {
	EventID    string `json:"event_id"`
	Capacity   *int   `json:"capacity"`
	Going      int    `json:"going"`
	Maybe      int    `json:"maybe"`
	Waitlisted int    `json:"waitlisted"`
	Held       int    `json:"held"`
	Remaining  *int   `json:"remaining"`
	CheckedIn  int    `json:"checked_in"`
	Version    int64  `json:"version"`
}

// Told is what ChannelAvailability carries. Repaired: a rebuild has replaced what
// was wrong, perhaps by a lower version.
type Told struct {
	Availability

	Repaired bool `json:"repaired"`
}

// NewAvailability joins counters with the event and the version they belong to.
func NewAvailability(event string, version int64, c contract.Counters) Availability {
	return Availability{
		EventID: event, Capacity: c.Capacity, Going: c.Going, Maybe: c.Maybe, Waitlisted: c.Waitlisted,
		Held: c.Held, Remaining: c.Remaining(), CheckedIn: c.CheckedIn, Version: version,
	}
}

// Encode gives the bytes that are kept, published and answered alike, so that
// the hot path of a reader encodes nothing.
func (a Availability) Encode() ([]byte, error) { return a.Append(make([]byte, 0, 256)), nil }

// Append is Encode onto what is there. A page of a search has twenty of them:
// by hand, because encoding/json took as long for these as the rest of the page.
func (a Availability) Append(out []byte) []byte {
	number := func(name string, n *int) {
		out = append(out, name...)
		if n == nil {
			out = append(out, "null"...)
			return
		}
		out = strconv.AppendInt(out, int64(*n), 10)
	}
	out = append(out, `{"event_id":"`...)
	out = append(out, a.EventID...) // an id: nothing to escape
	number(`","capacity":`, a.Capacity)
	number(`,"going":`, &a.Going)
	number(`,"maybe":`, &a.Maybe)
	number(`,"waitlisted":`, &a.Waitlisted)
	number(`,"held":`, &a.Held)
	number(`,"remaining":`, a.Remaining)
	number(`,"checked_in":`, &a.CheckedIn)
	out = append(out, `,"version":`...)
	return append(strconv.AppendInt(out, a.Version, 10), '}')
}

// DecodeAvailability is the inverse of Encode.
func DecodeAvailability(b []byte) (Availability, error) {
	var a Availability
	if err := json.Unmarshal(b, &a); err != nil {
		return a, fmt.Errorf("availability in redis: %w", err)
	}
	return a, nil
}

// ParseVersion reads a version field; "" is 0.
func ParseVersion(s string) (int64, error) {
	if s == "" {
		return 0, nil
	}
	return strconv.ParseInt(s, 10, 64)
}
