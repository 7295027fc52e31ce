package web

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/seal"
)

// A form's token is good for its event, within its time, as it was made; no
// other text is.
func FuzzFormToken(f *testing.F) {
	ring, err := seal.ParseKeyring("1:" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, seal.KeySize)))
	if err != nil {
		f.Fatal(err)
	}
	made, err := newForms(ring)
	if err != nil {
		f.Fatal(err)
	}
	issued := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	token, err := made.issue("event", issued)
	if err != nil {
		f.Fatal(err)
	}
	within := issued.Add(time.Minute)
	if key, err := made.check("event", token, within); err != nil || !strings.HasPrefix(key, contract.FormKey) {
		f.Fatalf("%q, %v", key, err)
	}
	for at, event := range map[time.Time]string{
		issued: "event", issued.Add(-time.Hour): "event", issued.AddDate(1, 0, 0): "event", within: "another",
	} {
		if key, err := made.check(event, token, at); err == nil {
			f.Errorf("at %s it is good for %s: %q", at, event, key)
		}
	}
	for _, s := range []string{"", "AAAA", token, token[:len(token)-1], token + "A", strings.ToLower(token)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := made.check("another", text, within); err == nil {
			t.Errorf("%q was never issued for this event", text)
		}
		key, err := made.check("event", text, within)
		if err == nil && !strings.HasPrefix(key, contract.FormKey) {
			t.Errorf("%q gives the key %q", text, key)
		}
	})
}
