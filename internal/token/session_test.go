package token_test

import (
	"bytes"
	"encoding/base64"
	"testing"
	"time"

	"github.com/turnout-events/turnout/internal/seal"
	"github.com/turnout-events/turnout/internal/token"
)

func TestSessionsEndAndCannotStandForEachOther(t *testing.T) {
	t.Parallel()
	secret := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32))
	ring, err := seal.ParseKeyring("1:" + secret)
	if err != nil {
		t.Fatal(err)
	}
	s, err := token.NewSessions(ring)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	address := ring.EmailHMAC("ada@example.org")
	link, session := s.Link(address, now), s.Session(address, now)

	if got, err := s.VerifyLink(link, now.Add(token.LinkTTL-time.Second)); err != nil || !bytes.Equal(got, address) {
		t.Errorf("link: %x, %v", got, err)
	}
	if got, err := s.VerifySession(session, now.Add(token.SessionTTL-time.Second)); err != nil || !bytes.Equal(got, address) {
		t.Errorf("session: %x, %v", got, err)
	}
	later, err := seal.ParseKeyring("1:" + secret + ",2:" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{8}, 32)))
	if err != nil {
		t.Fatal(err)
	}
	rotated, err := token.NewSessions(later)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := rotated.VerifySession(session, now); err != nil {
		t.Errorf("a new secret ended the sessions of the old one: %v", err)
	}
	for name, err := range map[string]error{
		"link after its end":    second(s.VerifyLink(link, now.Add(token.LinkTTL))),
		"session after its end": second(s.VerifySession(session, now.Add(token.SessionTTL))),
		"link as session":       second(s.VerifySession("gs_"+link, now)),
		"session as link":       second(s.VerifyLink(session[3:], now)),
		"changed":               second(s.VerifyLink("A"+link[1:], now)),
		"empty":                 second(s.VerifyLink("", now)),
		"a secret of its own":   second(rotated.VerifyLink("TAAA", now)),
	} {
		if err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

func second(_ []byte, err error) error { return err }
