package token

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"

	"github.com/google/uuid"

	"github.com/turnout-events/turnout/internal/seal"
)

// Ticket is what the QR code says. The event is in it so that a door device
// without a network can tell a ticket for another event.
type Ticket struct {
	EventID   string
	RSVPID    string
	Epoch     int
	PartySize int
}

const ticketSize = 16 + 16 + 2 + 2

// Tickets signs and verifies tickets with Ed25519 (RFC 8032). Safe for
// concurrent use.
type Tickets struct {
	private ed25519.PrivateKey
	public  []ed25519.PublicKey
}

// NewTickets takes its keys from the ring.
func NewTickets(ring *seal.Keyring) (*Tickets, error) {
	seeds, err := ring.Purpose(seal.PurposeTicket)
	if err != nil {
		return nil, err
	}
	t := &Tickets{}
	for i, seed := range seeds {
		key := ed25519.NewKeyFromSeed(seed)
		if i == 0 {
			t.private = key
		}
		t.public = append(t.public, key.Public().(ed25519.PublicKey))
	}
	return t, nil
}

// PublicKeys are what a door device needs; the first is the current one.
func (t *Tickets) PublicKeys() []ed25519.PublicKey { return t.public }

// Sign makes the text of the QR code: base64url of the fields and 64 bytes of
// signature. The same ticket gives the same text.
func (t *Tickets) Sign(k Ticket) (string, error) {
	event, err := uuid.Parse(k.EventID)
	if err != nil {
		return "", ErrToken
	}
	rsvp, err := uuid.Parse(k.RSVPID)
	if err != nil || k.Epoch < 0 || k.Epoch > 0xffff || k.PartySize < 1 || k.PartySize > 0xffff {
		return "", ErrToken
	}
	raw := make([]byte, 0, ticketSize+ed25519.SignatureSize)
	raw = append(raw, event[:]...)
	raw = append(raw, rsvp[:]...)
	raw = binary.BigEndian.AppendUint16(raw, uint16(k.Epoch))
	raw = binary.BigEndian.AppendUint16(raw, uint16(k.PartySize))
	return base64.RawURLEncoding.EncodeToString(append(raw, ed25519.Sign(t.private, raw)...)), nil
}

// Verify reads the text of a QR code.
func (t *Tickets) Verify(s string) (Ticket, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(raw) != ticketSize+ed25519.SignatureSize {
		return Ticket{}, ErrToken
	}
	body, signature := raw[:ticketSize], raw[ticketSize:]
	for _, key := range t.public {
		if ed25519.Verify(key, body, signature) {
			return Ticket{
				EventID:   uuid.UUID(body[:16]).String(),
				RSVPID:    uuid.UUID(body[16:32]).String(),
				Epoch:     int(binary.BigEndian.Uint16(body[32:])),
				PartySize: int(binary.BigEndian.Uint16(body[34:])),
			}, nil
		}
	}
	return Ticket{}, ErrToken
}
