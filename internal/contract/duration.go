package contract

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Duration is a time.Duration that is written as people write it: "30m",
// "24h", "7d". Days are 24 hours.
type Duration time.Duration

const day = 24 * time.Hour

// ParseDuration reads "90s", "30m", "24h", "7d" and what time.ParseDuration reads.
func ParseDuration(s string) (Duration, error) {
	if n, ok := strings.CutSuffix(s, "d"); ok {
		days, err := strconv.Atoi(n)
		if err != nil || days < 0 || days > 3660 {
			return 0, fmt.Errorf("%q is not a number of days", s)
		}
		return Duration(time.Duration(days) * day), nil
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, errors.New("write a duration as 30m, 24h or 7d")
	}
	return Duration(d), nil
}

// String gives the shortest form that ParseDuration reads back.
func (d Duration) String() string {
	t := time.Duration(d)
	switch {
	case t != 0 && t%day == 0 && t != day:
		return strconv.Itoa(int(t/day)) + "d"
	case t%time.Hour == 0:
		return strconv.Itoa(int(t/time.Hour)) + "h"
	case t%time.Minute == 0:
		return strconv.Itoa(int(t/time.Minute)) + "m"
	default:
		return t.String()
	}
}

// MarshalJSON writes the String form.
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(d.String()) }

// UnmarshalJSON reads what ParseDuration reads.
func (d *Duration) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	v, err := ParseDuration(s)
	if err != nil {
		return err
	}
	*d = v
	return nil
}
