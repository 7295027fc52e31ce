package token_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"testing"

	"github.com/turnout-events/turnout/internal/seal"
	"github.com/turnout-events/turnout/internal/token"
)

const (
	rsvpID  = "0190b0b0-3333-7000-8000-000000000003"
	eventID = "0190b0b0-1111-7000-8000-000000000001"
)

func keyring(t *testing.T, numbers ...byte) *seal.Keyring {
	t.Helper()
	s := ""
	for i, n := range numbers {
		if i > 0 {
			s += ","
		}
		s += string('0'+n) + ":" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{n}, seal.KeySize))
	}
	k, err := seal.ParseKeyring(s)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestManageTokenSaysWhatItWasMadeForAndNothingElse(t *testing.T) {
	t.Parallel()
	m, err := token.NewManager(keyring(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	s, err := m.Make(rsvpID, 3)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := m.Make(rsvpID, 3); err != nil || again != s {
		t.Errorf("not derived: %q, then %q (%v)", s, again, err)
	}
	id, epoch, err := m.Verify(s)
	if err != nil || id != rsvpID || epoch != 3 {
		t.Fatalf("got %s, %d, %v", id, epoch, err)
	}
	raw, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	for i := range raw {
		changed := bytes.Clone(raw)
		changed[i] ^= 1
		if _, _, err := m.Verify(base64.RawURLEncoding.EncodeToString(changed)); !errors.Is(err, token.ErrToken) {
			t.Errorf("byte %d changed: %v", i, err)
		}
	}
	rotated, err := token.NewManager(keyring(t, 1, 2))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := rotated.Verify(s); err != nil {
		t.Errorf("a link in an old mail died with the rotation: %v", err)
	}
	stranger, err := token.NewManager(keyring(t, 2))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := stranger.Verify(s); !errors.Is(err, token.ErrToken) {
		t.Errorf("another secret verifies it: %v", err)
	}
}

func TestTicketVerifiesWithoutAStore(t *testing.T) {
	t.Parallel()
	signer, err := token.NewTickets(keyring(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	want := token.Ticket{EventID: eventID, RSVPID: rsvpID, Epoch: 2, PartySize: 4}
	s, err := signer.Sign(want)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := signer.Verify(s); err != nil || got != want {
		t.Fatalf("got %+v, %v", got, err)
	}
	raw, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	raw[35]++ // one more in the party
	if _, err := signer.Verify(base64.RawURLEncoding.EncodeToString(raw)); !errors.Is(err, token.ErrToken) {
		t.Errorf("a bigger party verifies: %v", err)
	}
	forger, err := token.NewTickets(keyring(t, 2))
	if err != nil {
		t.Fatal(err)
	}
	forged, err := forger.Sign(want)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := signer.Verify(forged); !errors.Is(err, token.ErrToken) {
		t.Errorf("a forged ticket verifies: %v", err)
	}
	for _, bad := range []token.Ticket{{}, {EventID: eventID, RSVPID: rsvpID}, {EventID: eventID, RSVPID: rsvpID, PartySize: 1 << 16}, {EventID: "x", RSVPID: rsvpID, PartySize: 1}} {
		if s, err := signer.Sign(bad); err == nil {
			t.Errorf("%+v was signed as %q", bad, s)
		}
	}
}

func FuzzVerify(f *testing.F) {
	f.Add("AAAA")
	f.Fuzz(func(t *testing.T, s string) {
		tickets, err := token.NewTickets(keyring(t, 1))
		if err != nil {
			t.Fatal(err)
		}
		manager, err := token.NewManager(keyring(t, 1))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tickets.Verify(s); err == nil {
			t.Errorf("%q is a ticket", s)
		}
		if _, _, err := manager.Verify(s); err == nil {
			t.Errorf("%q is a manage token", s)
		}
	})
}

// The token of an answer's 201 manages it; only the one that was mailed proves
// that the address is the guest's.
func TestOnlyAMailedTokenProvesTheAddress(t *testing.T) {
	t.Parallel()
	m, err := token.NewManager(keyring(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	typed, err := m.Make(rsvpID, 1)
	if err != nil {
		t.Fatal(err)
	}
	mailed, err := m.MakeMailed(rsvpID, 1)
	if err != nil {
		t.Fatal(err)
	}
	for s, proves := range map[string]bool{typed: false, mailed: true, "x": false} {
		if m.Proves(s) != proves {
			t.Errorf("%q proves: %t", s, !proves)
		}
	}
	if id, epoch, err := m.Verify(mailed); err != nil || id != rsvpID || epoch != 1 {
		t.Errorf("mailed: %s, %d, %v", id, epoch, err)
	}
	if s, err := m.Make(rsvpID, 0x8000); err == nil {
		t.Errorf("an epoch became a proof: %q", s)
	}
}
