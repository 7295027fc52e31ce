// Package seal encrypts personal data. Every RSVP and every account has a data
// key of its own (AES-256-GCM); the data key is stored wrapped by a key that
// comes from the environment. Destroying the wrapped key erases the data
// wherever its ciphertext went.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
)

// KeySize is the length of a data key in bytes (AES-256).
const KeySize = 32

// format is the first byte of every ciphertext, so that it can change.
const format = 1

// ErrOpen means that a ciphertext does not belong to the key or the owner, or
// was changed.
var ErrOpen = errors.New("sealed data cannot be opened")

// NewKey makes a data key.
func NewKey() ([]byte, error) {
	key := make([]byte, KeySize)
	if _, err := rand.Read(key); err != nil {
		return nil, fmt.Errorf("random data key: %w", err)
	}
	return key, nil
}

// Seal encrypts plain under a data key; owner (an RSVP's or account's id) is
// authenticated with it, so a ciphertext cannot be moved to somebody else.
func Seal(key, plain []byte, owner string) ([]byte, error) {
	aead, err := newAEAD(key)
	if err != nil {
		return nil, err
	}
	return sealWith(aead, plain, owner)
}

// Open is the inverse of Seal.
func Open(key, sealed []byte, owner string) ([]byte, error) {
	aead, err := newAEAD(key)
	if err != nil {
		return nil, err
	}
	return openWith(aead, sealed, owner)
}

func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("data key: %w", err)
	}
	return cipher.NewGCM(block)
}

func sealWith(aead cipher.AEAD, plain []byte, owner string) ([]byte, error) {
	n := aead.NonceSize()
	out := make([]byte, 1+n, 1+n+len(plain)+aead.Overhead())
	out[0] = format
	if _, err := rand.Read(out[1 : 1+n]); err != nil {
		return nil, fmt.Errorf("random nonce: %w", err)
	}
	return aead.Seal(out, out[1:1+n], plain, []byte(owner)), nil
}

func openWith(aead cipher.AEAD, sealed []byte, owner string) ([]byte, error) {
	n := aead.NonceSize()
	if len(sealed) < 1+n || sealed[0] != format {
		return nil, ErrOpen
	}
	plain, err := aead.Open(nil, sealed[1:1+n], sealed[1+n:], []byte(owner))
	if err != nil {
		return nil, ErrOpen
	}
	return plain, nil
}
