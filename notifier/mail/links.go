package mail

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"

	"github.com/google/uuid"

	"github.com/turnout-events/turnout/internal/seal"
	"github.com/turnout-events/turnout/internal/token"
)

// Links makes and checks what a mail links to beside the manage page. Safe for
// concurrent use.
type Links struct{ keys [][]byte }

// NewLinks takes its keys from the ring.
func NewLinks(ring *seal.Keyring) (*Links, error) {
	keys, err := ring.Purpose(seal.PurposeLink)
	if err != nil {
		return nil, err
	}
	return &Links{keys: keys}, nil
}

const macSize = 16

// Unsubscribe derives the token of an RSVP's unsubscribe link. It does not
// expire: a link in an old mail has to work (RFC 8058, 3.2).
func (l *Links) Unsubscribe(rsvpID string) string {
	id := uuid.MustParse(rsvpID) // ids in the store are UUIDs by its types
	return base64.RawURLEncoding.EncodeToString(append(id[:], unsubscribeMAC(l.keys[0], id[:])...))
}

// RSVP reads the token of an unsubscribe link.
func (l *Links) RSVP(s string) (string, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(raw) != 16+macSize {
		return "", token.ErrToken
	}
	for _, key := range l.keys {
		if hmac.Equal(raw[16:], unsubscribeMAC(key, raw[:16])) {
			return uuid.UUID(raw[:16]).String(), nil
		}
	}
	return "", token.ErrToken
}

func unsubscribeMAC(key, id []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte("unsubscribe"))
	h.Write(id)
	return h.Sum(nil)[:macSize]
}
