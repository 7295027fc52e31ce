package web

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/seal"
)

// A form token says that the form was loaded here, for this event, and when.
// Its random part is the Idempotency-Key of the answer, so that a double click
// or a reload after sending is one answer.
const (
	formMinAge = 2 * time.Second // quicker than anybody types a name and an address
	formMaxAge = 12 * time.Hour
	nonceSize  = 12
)

var (
	errFormStale = errors.New("this form is too old: please answer again")
	errFormQuick = errors.New("that was very quick: please send the form once more")
	errFormBogus = errors.New("this form was not made here: please reload the page")
)

type forms struct{ keys [][]byte }

func newForms(ring *seal.Keyring) (*forms, error) {
	keys, err := ring.Purpose(seal.PurposeForm)
	return &forms{keys: keys}, err
}

// issue makes a token for an event's form.
func (f *forms) issue(eventID string, now time.Time) (string, error) {
	body := binary.BigEndian.AppendUint64(nil, uint64(now.UnixMilli()))
	body = append(body, make([]byte, nonceSize)...)
	if _, err := rand.Read(body[8:]); err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(append(body, f.mac(f.keys[0], eventID, body)...)), nil
}

// check gives the idempotency key of a token that may be used now.
func (f *forms) check(eventID, token string, now time.Time) (key string, err error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(raw) != 8+nonceSize+sha256.Size {
		return "", errFormBogus
	}
	body, given := raw[:8+nonceSize], raw[8+nonceSize:]
	good := false
	for _, key := range f.keys {
		good = good || hmac.Equal(given, f.mac(key, eventID, body))
	}
	if !good {
		return "", errFormBogus
	}
	age := now.Sub(time.UnixMilli(int64(binary.BigEndian.Uint64(body))))
	switch {
	case age < formMinAge:
		return "", errFormQuick
	case age > formMaxAge:
		return "", errFormStale
	}
	return contract.FormKey + base64.RawURLEncoding.EncodeToString(body[8:]), nil
}

func (f *forms) mac(key []byte, eventID string, body []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(eventID))
	h.Write(body)
	return h.Sum(nil)
}
