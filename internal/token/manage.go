// Package token makes and checks what guests and members carry: manage tokens,
// tickets and access tokens. All are derived and verified without a look-up, so
// that query and a door device need no store for it.
package token

import (
	"crypto/hmac"
	"encoding/base64"
	"encoding/binary"
	"errors"

	"github.com/google/uuid"

	"github.com/turnout-events/turnout/internal/seal"
)

// ErrToken means that a token is not one of ours, or was changed.
var ErrToken = errors.New("token does not verify")

// macSize is 128 bits of HMAC-SHA-256: out of reach for guessing over HTTP,
// short enough for a link in a plain-text mail.
const macSize = 16

// Manager makes and verifies manage tokens. Safe for concurrent use.
type Manager struct{ keys []*MAC }

// NewManager takes its keys from the ring.
func NewManager(ring *seal.Keyring) (*Manager, error) {
	keys, err := ring.Purpose(seal.PurposeManage)
	if err != nil {
		return nil, err
	}
	return &Manager{keys: macs(keys)}, nil
}

// mailed is the bit of a token that only a mail carries.
const mailed = 0x8000

// Make derives the manage token of an RSVP: id ‖ epoch ‖ HMAC, base64url. It
// is the same each time; raising the RSVP's epoch revokes it.
func (m *Manager) Make(rsvpID string, epoch int) (string, error) {
	return m.derive(rsvpID, epoch, 0)
}

// MakeMailed is Make for a link that goes to the guest's address and nowhere
// else: who shows it has read that mail.
func (m *Manager) MakeMailed(rsvpID string, epoch int) (string, error) {
	return m.derive(rsvpID, epoch, mailed)
}

func (m *Manager) derive(rsvpID string, epoch, bit int) (string, error) {
	u, err := uuid.Parse(rsvpID)
	if err != nil || epoch < 0 || epoch >= mailed {
		return "", ErrToken
	}
	raw := make([]byte, 0, 18+macSize)
	raw = append(raw, u[:]...)
	raw = binary.BigEndian.AppendUint16(raw, uint16(epoch|bit))
	sum := m.keys[0].short(raw)
	return base64.RawURLEncoding.EncodeToString(append(raw, sum[:]...)), nil
}

// Verify gives the RSVP and the epoch that the token was made for, mailed or
// not. The caller compares the epoch with the RSVP's present one.
func (m *Manager) Verify(s string) (rsvpID string, epoch int, err error) {
	rsvpID, number, err := m.open(s)
	return rsvpID, number &^ mailed, err
}

// Proves tells whether the token is one of MakeMailed: the address is the
// guest's own.
func (m *Manager) Proves(s string) bool {
	_, number, err := m.open(s)
	return err == nil && number&mailed != 0
}

func (m *Manager) open(s string) (rsvpID string, number int, err error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(raw) != 18+macSize {
		return "", 0, ErrToken
	}
	body, given := raw[:18], raw[18:]
	for _, key := range m.keys {
		if sum := key.short(body); hmac.Equal(given, sum[:]) {
			return uuid.UUID(body[:16]).String(), int(binary.BigEndian.Uint16(body[16:])), nil
		}
	}
	return "", 0, ErrToken
}
