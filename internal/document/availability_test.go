package document_test

import (
	"encoding/json"
	"testing"

	"github.com/turnout-events/turnout/internal/document"
)

// What is written by hand is what encoding/json would write of the same.
func FuzzAvailability(f *testing.F) {
	f.Add(5, 3, true, int64(7))
	f.Add(-1, 1<<40, false, int64(1)<<53)
	f.Fuzz(func(t *testing.T, n, m int, limited bool, version int64) {
		a := document.Availability{EventID: "01890a5d-ac96-774b-bcce-b302099a8057", Going: n, Maybe: m, Waitlisted: n ^ m, Held: n + 1, CheckedIn: m - 1, Version: version}
		if limited {
			a.Capacity, a.Remaining = &n, &m
		}
		got, err := a.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if want, err := json.Marshal(a); err != nil || string(got) != string(want) {
			t.Errorf("%s, want %s (%v)", got, want, err)
		}
	})
}
