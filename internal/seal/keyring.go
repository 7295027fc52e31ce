package seal

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// The purposes a secret is used for; each has a key of its own (HKDF-SHA-256,
// RFC 5869), so that no use tells anything about another.
const (
	PurposeWrap   = "wrap"   // wraps data keys
	PurposeEmail  = "email"  // identity of an address
	PurposeManage = "manage" // manage tokens
	PurposeTicket = "ticket" // seed of the Ed25519 key of tickets
	PurposeForm   = "form"   // form tokens of the pages
	PurposeLink   = "link"   // mailed sign-in and unsubscribe links
	PurposeAnswer = "answer" // stored answers of idempotency keys
)

// Keyring holds the versioned secrets of the environment. It is immutable and
// safe for concurrent use.
type Keyring struct {
	current  byte
	identity byte
	secrets  map[byte][]byte
	wrap     map[byte]cipher.AEAD
	email    []byte
}

// ParseKeyring reads "1:<base64 of 32 bytes>[,2:…]". The highest number wraps
// new data keys; all can unwrap. The lowest gives the identity of addresses,
// because a new one would make every guest a stranger.
func ParseKeyring(s string) (*Keyring, error) {
	k := &Keyring{secrets: map[byte][]byte{}, wrap: map[byte]cipher.AEAD{}, identity: 255}
	for _, part := range strings.Split(strings.TrimSpace(s), ",") {
		number, encoded, ok := strings.Cut(strings.TrimSpace(part), ":")
		n, err := strconv.ParseUint(number, 10, 8)
		if !ok || err != nil || n == 0 {
			return nil, errors.New("secrets: want 1:<base64 of 32 bytes>, numbers from 1 to 255")
		}
		secret, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil || len(secret) != KeySize {
			return nil, fmt.Errorf("secrets: number %d is not 32 bytes in base64", n)
		}
		if _, twice := k.secrets[byte(n)]; twice {
			return nil, fmt.Errorf("secrets: number %d stands there twice", n)
		}
		k.secrets[byte(n)] = secret
		k.current = max(k.current, byte(n))
		k.identity = min(k.identity, byte(n))
	}
	for n := range k.secrets {
		key, err := k.derive(n, PurposeWrap)
		if err != nil {
			return nil, err
		}
		if k.wrap[n], err = newAEAD(key); err != nil {
			return nil, err
		}
	}
	var err error
	k.email, err = k.derive(k.identity, PurposeEmail)
	return k, err
}

func (k *Keyring) derive(n byte, purpose string) ([]byte, error) {
	key, err := hkdf.Key(sha256.New, k.secrets[n], nil, "turnout/"+purpose, KeySize)
	if err != nil {
		return nil, fmt.Errorf("derive %s key: %w", purpose, err)
	}
	return key, nil
}

// Purpose gives the current key of a purpose first, then the older ones that
// still verify.
func (k *Keyring) Purpose(purpose string) ([][]byte, error) {
	numbers := make([]int, 0, len(k.secrets))
	for n := range k.secrets {
		numbers = append(numbers, int(n))
	}
	slices.Sort(numbers)
	slices.Reverse(numbers)
	keys := make([][]byte, 0, len(numbers))
	for _, n := range numbers {
		key, err := k.derive(byte(n), purpose)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// Wrap encrypts a data key for storage; its first byte is the secret's number.
func (k *Keyring) Wrap(dataKey []byte, owner string) ([]byte, error) {
	sealed, err := sealWith(k.wrap[k.current], dataKey, owner)
	if err != nil {
		return nil, err
	}
	return append([]byte{k.current}, sealed...), nil
}

// Unwrap is the inverse of Wrap. ErrOpen also means that the secret it was
// wrapped with is no longer in the environment.
func (k *Keyring) Unwrap(wrapped []byte, owner string) ([]byte, error) {
	if len(wrapped) == 0 || k.wrap[wrapped[0]] == nil {
		return nil, ErrOpen
	}
	return openWith(k.wrap[wrapped[0]], wrapped[1:], owner)
}

// EmailHMAC is the identity of an address that NormalizeEmail has brought to
// its one form: the secret's number, then HMAC-SHA-256.
func (k *Keyring) EmailHMAC(normalized string) []byte {
	mac := hmac.New(sha256.New, k.email)
	mac.Write([]byte(normalized))
	return mac.Sum([]byte{k.identity})
}
