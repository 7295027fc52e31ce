package reader

import (
	"errors"
	"testing"
	"time"
)

// A cursor comes back from a client as it likes: what is taken was made for
// this query and holds no more than values to go on after.
func FuzzCursor(f *testing.F) {
	ours, err := cursor{Query: "q", Now: time.Unix(1e9, 0).UTC(), After: nil}.encode()
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{"", ours, ours + "=", "bnVsbA", "W10", "eyJxIjoicSIsImEiOlt7fSwxXX0", "eyJxIjoicSIsImEiOltudWxsLCJ4Il19"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := decodeCursor(text, "q", 2)
		switch {
		case err != nil && !errors.Is(err, ErrCursor):
			t.Errorf("%q: %v is no refusal", text, err)
		case err != nil:
			return
		case c.Query != "q" || len(c.after()) != 2:
			t.Errorf("%q was taken as %+v", text, c)
		}
		again, err := c.encode()
		if err != nil {
			t.Fatalf("%q was taken and cannot be given: %v", text, err)
		}
		if _, err := decodeCursor(again, "q", 2); err != nil {
			t.Errorf("%q was taken, and %q is not: %v", text, again, err)
		}
	})
}
