package push

import (
	"strings"
	"testing"
)

// Whatever stands in the setting: what is taken for a private key has a public half that a browser's check takes, and is
// the same key when it is read again.
func FuzzParseKey(f *testing.F) {
	own, err := NewKeys()
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{"", own.Private, own.Private + "=", own.Private[:42], own.Public, "\n" + own.Private, strings.Repeat("A", 43),
		strings.Repeat("_", 42) + "8", strings.NewReplacer("-", "+", "_", "/").Replace(own.Private)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		k, err := ParseKey(text)
		if err != nil {
			return
		}
		if pointer, err := CheckKeys(k.Public, strings.Repeat("A", 22)); err != nil {
			t.Errorf("%q: its public half %s: %s %v", text, k.Public, pointer, err)
		}
		if again, err := ParseKey(k.Private); err != nil || again != k {
			t.Errorf("%q is %+v, and that is %+v, %v", text, k, again, err)
		}
	})
}
