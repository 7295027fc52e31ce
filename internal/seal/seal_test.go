package seal_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/turnout-events/turnout/internal/seal"
)

func secret(n byte) string {
	return base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{n}, seal.KeySize))
}

func ring(t *testing.T, s string) *seal.Keyring {
	t.Helper()
	k, err := seal.ParseKeyring(s)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestSealedDataOpensOnlyWithItsKeyAndOwnerUnchanged(t *testing.T) {
	t.Parallel()
	key, err := seal.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	other, err := seal.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := seal.Seal(key, []byte("Ada"), "rsvp-1")
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := seal.Open(key, sealed, "rsvp-1"); err != nil || string(plain) != "Ada" {
		t.Fatalf("got %q, %v", plain, err)
	}
	box, err := seal.NewBox(key)
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := box.Open(sealed, "rsvp-1"); err != nil || string(plain) != "Ada" {
		t.Errorf("the same key in a box: %q, %v", plain, err)
	}
	if boxed, err := box.Seal([]byte("Ada"), "rsvp-1"); err != nil || bytes.Equal(boxed, sealed) {
		t.Errorf("sealed twice with one nonce: %v", err)
	} else if plain, err := seal.Open(key, boxed, "rsvp-1"); err != nil || string(plain) != "Ada" {
		t.Errorf("sealed in a box: %q, %v", plain, err)
	}
	if bytes.Contains(sealed, []byte("Ada")) {
		t.Error("the ciphertext shows the name")
	}
	if _, err := seal.Open(other, sealed, "rsvp-1"); !errors.Is(err, seal.ErrOpen) {
		t.Errorf("another key: %v", err)
	}
	if _, err := seal.Open(key, sealed, "rsvp-2"); !errors.Is(err, seal.ErrOpen) {
		t.Errorf("another owner: %v", err)
	}
	for i := range sealed {
		changed := bytes.Clone(sealed)
		changed[i] ^= 1
		if _, err := seal.Open(key, changed, "rsvp-1"); !errors.Is(err, seal.ErrOpen) {
			t.Errorf("byte %d changed: %v", i, err)
		}
	}
	for i := range sealed {
		if _, err := seal.Open(key, sealed[:i], "rsvp-1"); !errors.Is(err, seal.ErrOpen) {
			t.Errorf("cut to %d bytes: %v", i, err)
		}
	}
}

// A new secret wraps new keys, the old ones stay readable, and no guest
// becomes a stranger.
func TestRotatingTheSecret(t *testing.T) {
	t.Parallel()
	old, both, without := ring(t, "1:"+secret(1)), ring(t, "1:"+secret(1)+",2:"+secret(2)), ring(t, "2:"+secret(2))
	key, err := seal.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	before, err := old.Wrap(key, "r")
	if err != nil {
		t.Fatal(err)
	}
	after, err := both.Wrap(key, "r")
	if err != nil {
		t.Fatal(err)
	}
	for name, wrapped := range map[string][]byte{"before": before, "after": after} {
		if got, err := both.Unwrap(wrapped, "r"); err != nil || !bytes.Equal(got, key) {
			t.Errorf("wrapped %s the rotation: %v", name, err)
		}
	}
	if _, err := without.Unwrap(before, "r"); !errors.Is(err, seal.ErrOpen) {
		t.Errorf("a secret that is gone still unwraps: %v", err)
	}
	if _, err := without.Unwrap(after, "r"); err != nil {
		t.Errorf("the new secret alone: %v", err)
	}
	if !bytes.Equal(old.EmailHMAC("ada@example.org"), both.EmailHMAC("ada@example.org")) {
		t.Error("the identity of an address changed with the rotation")
	}
}

func TestKeyringRefusesWhatIsNotOne(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"", "1", "0:" + secret(1), "256:" + secret(1), "x:" + secret(1), "1:short", "1:" + secret(1) + ",1:" + secret(2), secret(1)} {
		if _, err := seal.ParseKeyring(s); err == nil {
			t.Errorf("%q was taken", s)
		} else if strings.Contains(err.Error(), secret(1)) {
			t.Errorf("%q: the error shows the secret", s)
		}
	}
}

func TestAddressesThatAreOneGuest(t *testing.T) {
	t.Parallel()
	for _, same := range [][]string{
		{"ada@example.org", "ADA@Example.ORG", "  ada@example.org "},
		{"jo\u0308rg@example.org", "j\u00f6rg@example.org", "JÖRG@example.org"},
		{"ada@bücher.example", "ada@xn--bcher-kva.example", "ADA@BÜCHER.example"},
	} {
		first, err := seal.NormalizeEmail(same[0])
		if err != nil {
			t.Fatalf("%q: %v", same[0], err)
		}
		for _, s := range same[1:] {
			if got, err := seal.NormalizeEmail(s); err != nil || got != first {
				t.Errorf("%q is %q, %q is %q (%v)", same[0], first, s, got, err)
			}
		}
	}
	seen := map[string]string{}
	for _, s := range []string{"ada@example.org", "a.da@example.org", "ada+x@example.org", "ada@example.com"} {
		got, err := seal.NormalizeEmail(s)
		if err != nil {
			t.Fatal(err)
		}
		if other, there := seen[got]; there {
			t.Errorf("%q and %q became one guest", s, other)
		}
		seen[got] = s
	}
}

func TestWhatIsNoAddress(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		"", "ada", "ada@", "@example.org", "ada@localhost", "ada@@example.org", "Ada <ada@example.org>", "a@b.example, c@d.example",
		"ada@example.org\r\nBcc: eve@example.org", "ada\x00@example.org", strings.Repeat("a", 65) + "@example.org",
		"ada@" + strings.Repeat("a", 250) + ".org", "ada@exa mple.org", "ada@-example.org",
		`"a b"@example.org`, `"ada"@example.org`, `"a@b"@example.org`, `"x\"y"@example.org`, `ada@example.org (Ada)`, "a b@example.org",
		"m\u0130ke@example.org", "\u212aai@example.org", // known as mike and kai, to whom no mail would go
	} {
		if got, err := seal.NormalizeEmail(s); err == nil {
			t.Errorf("%q was taken as %q", s, got)
		}
	}
}

func FuzzNormalizeEmail(f *testing.F) {
	f.Add("ada@example.org")
	f.Add("jo\u0308rg@bücher.example")
	f.Fuzz(func(t *testing.T, s string) {
		once, err := seal.NormalizeEmail(s)
		if err != nil {
			return
		}
		if twice, err := seal.NormalizeEmail(once); err != nil || twice != once {
			t.Errorf("%q became %q, then %q (%v)", s, once, twice, err)
		}
	})
}
