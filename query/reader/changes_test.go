package reader

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"testing"
)

// A cursor of the feed that is taken names places that a log can have, and can
// be asked for.
func FuzzFeedCursor(f *testing.F) {
	for _, s := range []string{`{"q":"q","p":{"0":{"o":7,"i":"a@1"}}}`, `{"q":"q","p":{}}`, `{"q":"q"}`, `{"q":"q","p":{"x":{"o":1,"i":"a"}}}`, `{"q":"q","p":{"+1":{"o":1,"i":"a"}}}`,
		`{"q":"q","p":{"-1":{"o":-1,"i":""}}}`, `{"q":"q","p":{"99999999999":{"o":1,"i":"a"}}}`, `{"q":"q","p":null}`} {
		f.Add(encoded(s))
	}
	f.Fuzz(func(t *testing.T, s string) {
		at, err := decodeFeed(s, "q")
		if err != nil {
			if !errors.Is(err, ErrCursor) {
				t.Errorf("%q: %v", s, err)
			}
			return
		}
		for partition, p := range at.Places {
			if partition == "" || p.ID == "" || p.Offset < 0 {
				t.Errorf("%q has %q: %+v", s, partition, p)
			}
		}
		if _, err := json.Marshal(behind(at.Places)); err != nil {
			t.Errorf("%q cannot be asked for: %v", s, err)
		}
	})
}

func encoded(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
