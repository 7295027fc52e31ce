package seal_test

import (
	"bytes"
	"encoding/base64"
	"testing"

	"github.com/turnout-events/turnout/internal/seal"
)

// Whatever bytes lie in a row, a message or a setting: nothing panics, and what
// opens is what was sealed for that owner.
func FuzzSealed(f *testing.F) {
	secret := "1:" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, seal.KeySize))
	ring, err := seal.ParseKeyring(secret)
	if err != nil {
		f.Fatal(err)
	}
	key := bytes.Repeat([]byte{3}, seal.KeySize)
	const text = `{"name":"Ada"}`
	box, err := seal.Seal(key, []byte(text), "owner")
	if err != nil {
		f.Fatal(err)
	}
	wrapped, err := ring.Wrap(key, "owner")
	if err != nil {
		f.Fatal(err)
	}
	for _, b := range [][]byte{nil, {1}, box, wrapped, box[:len(box)-1], []byte(secret), []byte("1:,2:"), []byte("0:AAAA"), []byte("256:AAAA"),
		[]byte(" 255" + secret[1:] + " , " + secret + "\n"), []byte(secret + "," + secret), []byte(secret + ","), []byte(secret[:20])} {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if plain, err := seal.Open(key, b, "owner"); err == nil && string(plain) != text {
			t.Errorf("%x opens as %q, which was never sealed", b, plain)
		}
		if data, err := ring.Unwrap(b, "owner"); err == nil && !bytes.Equal(data, key) {
			t.Errorf("%x was never wrapped and gives %x", b, data)
		}
		for name, open := range map[string]func() error{
			"a sealed text": func() error { _, err := seal.Open(key, b, "another"); return err },
			"a data key":    func() error { _, err := ring.Unwrap(b, "another"); return err },
		} {
			if open() == nil {
				t.Errorf("%s opens for another owner", name)
			}
		}
		if other, err := seal.ParseKeyring(string(b)); err == nil {
			keys, err := other.Purpose(seal.PurposeWrap)
			if err != nil || len(keys) != bytes.Count(b, []byte(":")) {
				t.Errorf("secrets %q were taken and give %d keys, %v", b, len(keys), err)
			}
			again, err := other.Wrap(key, "owner")
			if data, e := other.Unwrap(again, "owner"); err != nil || e != nil || !bytes.Equal(data, key) {
				t.Errorf("secrets %q were taken and are of no use: %v, %v", b, err, e)
			}
		}
	})
}
