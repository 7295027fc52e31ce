package limit_test

import (
	"testing"
	"time"

	"github.com/turnout-events/turnout/command/limit"
)

// A rate that is taken is within bounds, and is read again as it is written.
func FuzzRate(f *testing.F) {
	for _, seed := range []string{"", "off", "1000/1m", "1/1s", " 5/24h ", "0/1m", "-1/1m", "5", "5/", "/1m", "5/25h", "9999999999999999999/1m", "1e3/1m", "5/1m0.5s"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var r, again limit.Rate
		if r.UnmarshalText([]byte(text)) != nil {
			return
		}
		if r != (limit.Rate{}) && (r.N < 1 || r.Per < time.Second || r.Per > 24*time.Hour) {
			t.Errorf("%q was taken as %+v", text, r)
		}
		if err := again.UnmarshalText([]byte(r.String())); err != nil || again != r {
			t.Errorf("%q is %+v, written %q, read %+v: %v", text, r, r, again, err)
		}
	})
}
