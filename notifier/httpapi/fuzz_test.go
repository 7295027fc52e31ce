package httpapi

import (
	"encoding/base64"
	"testing"
	"time"

	"github.com/turnout-events/turnout/internal/id"
)

// Whatever a client sends as a cursor: what is taken names a notification and a time, and is the same when it is written
// and read again.
func FuzzCursor(f *testing.F) {
	const one = "01890a5d-ac96-774b-bcce-b302099a8057"
	for _, seed := range []string{"", " ", one, "2026-05-01T12:00:00Z", "2026-05-01T12:00:00Z " + one, "2026-05-01T12:00:00.123456789+02:00 " + one,
		"2026-05-01T12:00:00Z  " + one, "2026-05-01T12:00:00Z " + one + " ", "0000-01-01T00:00:00+23:00 " + one, "9999-12-31T23:59:59-23:00 " + one} {
		f.Add(base64.RawURLEncoding.EncodeToString([]byte(seed)))
	}
	f.Add("=")
	f.Fuzz(func(t *testing.T, text string) {
		at, notice, ok := decodeCursor(text)
		if !ok {
			return
		}
		if !id.Valid(notice) {
			t.Errorf("%q names %q", text, notice)
		}
		if year := at.UTC().Year(); year < 0 || year > 9999 {
			return // of no row, and nothing that RFC 3339 can write
		}
		if again, same, ok := decodeCursor(encodeCursor(at, notice)); !ok || !again.Equal(at) || same != notice {
			t.Errorf("%q is %s %s, written and read it is %s %s, %t", text, at.Format(time.RFC3339Nano), notice, again.Format(time.RFC3339Nano), same, ok)
		}
	})
}
