package token

import (
	"crypto/hmac"
	"encoding/base64"
	"encoding/binary"
	"time"

	"github.com/turnout-events/turnout/internal/seal"
)

// The kinds of what Sessions makes: one cannot stand for the other.
const (
	kindLink    = 'L'
	kindSession = 'S'
)

// sessionPrefix tells a session from a manage token in "Authorization: Guest …".
const sessionPrefix = "gs_"

// LinkTTL is how long a mailed sign-in link is good, SessionTTL what it opens.
// A link outlives the hour in which no other is mailed (rsvp.LinkEvery), or who
// comes late would have none.
const (
	LinkTTL    = 65 * time.Minute
	SessionTTL = 12 * time.Hour
)

// Sessions makes and verifies what lets a guest see everything that an address
// answered: a link, mailed to the address, and the session it is exchanged
// for. Both carry the HMAC of the address and their end; neither is stored, so
// every role verifies them alone. Safe for concurrent use.
type Sessions struct{ keys []*MAC }

// NewSessions takes its keys from the ring.
func NewSessions(ring *seal.Keyring) (*Sessions, error) {
	keys, err := ring.Purpose(seal.PurposeLink)
	if err != nil {
		return nil, err
	}
	return &Sessions{keys: macs(keys)}, nil
}

// Link makes the token of a sign-in link for the address with this HMAC
// (contract.Personal.EmailHMAC); the link is /me?token=<it>.
func (s *Sessions) Link(emailHMAC []byte, now time.Time) string {
	return s.make(kindLink, emailHMAC, now.Add(LinkTTL))
}

// VerifyLink gives the address of a link that is still good.
func (s *Sessions) VerifyLink(text string, now time.Time) (emailHMAC []byte, err error) {
	return s.verify(kindLink, text, now)
}

// Session makes what goes behind "Authorization: Guest ", like a manage token.
func (s *Sessions) Session(emailHMAC []byte, now time.Time) string {
	return sessionPrefix + s.make(kindSession, emailHMAC, now.Add(SessionTTL))
}

// VerifySession gives the address of a session that is still good. A manage
// token is none.
func (s *Sessions) VerifySession(text string, now time.Time) (emailHMAC []byte, err error) {
	if len(text) < len(sessionPrefix) || text[:len(sessionPrefix)] != sessionPrefix {
		return nil, ErrToken
	}
	return s.verify(kindSession, text[len(sessionPrefix):], now)
}

// make gives kind ‖ end in Unix seconds ‖ HMAC of the address ‖ HMAC over it all, base64url.
func (s *Sessions) make(kind byte, emailHMAC []byte, until time.Time) string {
	raw := make([]byte, 0, 9+len(emailHMAC)+macSize)
	raw = append(raw, kind)
	raw = binary.BigEndian.AppendUint64(raw, uint64(until.Unix()))
	raw = append(raw, emailHMAC...)
	sum := s.keys[0].short(raw)
	return base64.RawURLEncoding.EncodeToString(append(raw, sum[:]...))
}

func (s *Sessions) verify(kind byte, text string, now time.Time) ([]byte, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) <= 9+macSize || raw[0] != kind {
		return nil, ErrToken
	}
	body, given := raw[:len(raw)-macSize], raw[len(raw)-macSize:]
	for _, key := range s.keys {
		if sum := key.short(body); hmac.Equal(given, sum[:]) {
			if now.Unix() >= int64(binary.BigEndian.Uint64(body[1:9])) {
				return nil, ErrToken
			}
			return body[9:], nil
		}
	}
	return nil, ErrToken
}
