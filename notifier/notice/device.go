package notice

import (
	"slices"
	"time"
)

// PushKinds also go to the devices on which a guest wants them.
var PushKinds = []Kind{Promoted, Offer, Reminder, EventMoved, EventCancelled}

// Pushed tells whether k is one of PushKinds.
func (k Kind) Pushed() bool { return slices.Contains(PushKinds, k) }

// Device is a browser that takes pushes for a guest.
type Device struct {
	ID      string
	RSVPID  string
	Epoch   int      // of the manage token that it was added with
	Kinds   []Kind   // what the guest wants on it
	Sealed  []byte   // Endpoint as JSON, under the RSVP's data key
	Open    Endpoint // in clear only while it is delivered
	AddedAt time.Time
}

// Endpoint is what a browser gives out to be reached (W3C Push API,
// PushSubscription.toJSON). It is personal: it leads to one browser.
type Endpoint struct {
	URL    string `json:"endpoint"`
	P256DH string `json:"p256dh"` // base64url, an uncompressed point of P-256
	Auth   string `json:"auth"`   // base64url, 16 bytes
}

// PushOccurrence tells apart the notices of an occurrence to a guest's devices.
func PushOccurrence(occurrence, subscriptionID string) string {
	return occurrence + "/" + subscriptionID
}
