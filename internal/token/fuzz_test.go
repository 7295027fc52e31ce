package token_test

import (
	"bytes"
	"encoding/base64"
	"testing"
	"time"

	"github.com/turnout-events/turnout/internal/seal"
	"github.com/turnout-events/turnout/internal/token"
)

// Whatever text comes: no decoder panics, and what one takes it has made.
func FuzzTokens(f *testing.F) {
	ring, err := seal.ParseKeyring("1:" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32)))
	if err != nil {
		f.Fatal(err)
	}
	manager, err := token.NewManager(ring)
	if err != nil {
		f.Fatal(err)
	}
	tickets, err := token.NewTickets(ring)
	if err != nil {
		f.Fatal(err)
	}
	sessions, err := token.NewSessions(ring)
	if err != nil {
		f.Fatal(err)
	}
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	manage, err := manager.Make(account, 3)
	if err != nil {
		f.Fatal(err)
	}
	ticket, err := tickets.Sign(token.Ticket{EventID: account, RSVPID: account, PartySize: 2})
	if err != nil {
		f.Fatal(err)
	}
	mailed, err := manager.MakeMailed(account, 3)
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{"", "gs_", manage, mailed, ticket, sessions.Link([]byte("address"), now), sessions.Session([]byte("address"), now), "AAAA", `{"keys":[{"kty":"RSA","kid":"a","n":"AQAB","e":"AQAB"}]}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if id, epoch, err := manager.Verify(text); err == nil {
			derive := manager.Make
			if manager.Proves(text) {
				derive = manager.MakeMailed
			}
			if made, err := derive(id, epoch); err != nil || made != text {
				t.Errorf("manage token %q was taken; ours is %q", text, made)
			}
		}
		if k, err := tickets.Verify(text); err == nil {
			if made, err := tickets.Sign(k); err != nil || made != text {
				t.Errorf("ticket %q was taken; ours is %q", text, made)
			}
		}
		_, _ = sessions.VerifyLink(text, now)
		_, _ = sessions.VerifySession(text, now)
		if keys, err := token.DecodeJWKS([]byte(text)); err == nil && len(keys) == 0 {
			t.Errorf("%q has no key and was taken", text)
		}
	})
}
