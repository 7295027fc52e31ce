package push

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	webpush "github.com/SherClockHolmes/webpush-go"

	"github.com/turnout-events/turnout/notifier/notice"
)

// Payload is what the service worker gets (web/static/sw.js reads it). It
// names the event and nobody: a locked screen shows it to whoever is near.
type Payload struct {
	ID     string `json:"id"`     // of the notice: the same when it comes twice
	Kind   string `json:"kind"`   //
	Title  string `json:"title"`  // of the event
	Body   string `json:"body"`   //
	Lang   string `json:"lang"`   // BCP 47
	Tag    string `json:"tag"`    // a newer notice with it takes the older one's place on the screen
	Device string `json:"device"` // the subscription: the page knows by it where a tap leads
	Page   string `json:"page"`   // where a tap leads otherwise, a path
	At     int64  `json:"at"`     // ms since 1970
}

func (c *Channel) payload(d *notice.Delivery, now time.Time) ([]byte, error) {
	title, body, lang, err := c.words.Write(d, now)
	if err != nil {
		return nil, err
	}
	raw, err := json.Marshal(Payload{
		ID: d.Notice.ID, Kind: string(d.Notice.Kind), Title: title, Body: body, Lang: lang, Tag: Topic(d.Notice.RSVPID),
		Device: d.Device.ID, Page: "/e/" + d.Event.Body.Slug, At: now.UnixMilli(),
	})
	if err != nil {
		return nil, fmt.Errorf("payload: %w", err)
	}
	return raw, nil
}

// Topic (RFC 8030, 5.4: at most 32 characters of base64url) is one per answer:
// whatever a device that was off has missed, the newest says it all. It is a
// hash, because push services see it.
func Topic(rsvpID string) string {
	sum := sha256.Sum256([]byte("turnout push topic/" + rsvpID))
	return base64.RawURLEncoding.EncodeToString(sum[:24])
}

// longestTTL is what push services keep at most: four weeks.
const longestTTL = 28 * 24 * time.Hour

// ttl is how long the service keeps a push for a device that is off, in
// seconds: as long as it is of use.
func ttl(d *notice.Delivery, now time.Time) int {
	until := d.Notice.UsefulUntil
	if d.Notice.Detail.Deadline != nil {
		until = *d.Notice.Detail.Deadline
	}
	if until.IsZero() {
		until = d.Event.Body.EndsAt
	}
	return int(min(max(until.Sub(now), time.Minute), longestTTL) / time.Second)
}

// urgency (RFC 8030, 5.3): high wakes a device that saves power.
func urgency(k notice.Kind) webpush.Urgency {
	switch k {
	case notice.EventCancelled, notice.EventMoved, notice.Offer:
		return webpush.UrgencyHigh
	default:
		return webpush.UrgencyNormal
	}
}
