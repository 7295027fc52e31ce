package limit

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Rate is how often something may happen within a sliding window. The zero
// Rate means no limit.
type Rate struct {
	N   int
	Per time.Duration
}

// UnmarshalText reads "1000/1m", or "off".
func (r *Rate) UnmarshalText(text []byte) error {
	s := strings.TrimSpace(string(text))
	if s == "off" || s == "" {
		*r = Rate{}
		return nil
	}
	number, window, ok := strings.Cut(s, "/")
	n, err := strconv.Atoi(number)
	if !ok || err != nil || n < 1 {
		return fmt.Errorf("rate %q: write how many per which time: 1000/1m, or off", s)
	}
	per, err := time.ParseDuration(window)
	if err != nil || per < time.Second || per > 24*time.Hour {
		return fmt.Errorf("rate %q: the time must be from 1s to 24h", s)
	}
	r.N, r.Per = n, per
	return nil
}

// String is what UnmarshalText reads.
func (r Rate) String() string {
	if r.N == 0 {
		return "off"
	}
	return strconv.Itoa(r.N) + "/" + r.Per.String()
}

// Policy is a rate with the name that clients see.
type Policy struct {
	Name string // of a header's token: lower-case letters and hyphens
	Rate Rate
}

// Decision says whether a request may go on, and what the client is told of
// the policy (draft-ietf-httpapi-ratelimit-headers).
type Decision struct {
	Policy    Policy
	Allowed   bool
	Remaining int
	Reset     time.Duration // until the window ends
	Retry     time.Duration // until one more is allowed; 0 if it is now
}

// Limited is false for a policy that is off.
func (d Decision) Limited() bool { return d.Policy.Rate.N > 0 }
