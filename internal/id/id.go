// Package id makes and checks the identifiers that leave the process.
package id

import (
	"github.com/google/uuid"
)

// New returns a UUIDv7 (RFC 9562): unique, and sorted by the millisecond it
// was made in, so that index pages of new rows stay together.
func New() (string, error) {
	u, err := uuid.NewV7()
	if err != nil {
		return "", err
	}
	return u.String(), nil
}

// Valid tells whether s is a UUID in its canonical form of 36 characters.
// Other spellings that uuid.Parse takes (braces, urn:) are refused: one id has
// one spelling.
func Valid(s string) bool {
	if len(s) != 36 {
		return false
	}
	u, err := uuid.Parse(s)
	return err == nil && u.String() == s
}
