package httpapi

import (
	"sync"
	"time"

	"github.com/turnout-events/turnout/internal/fault"
)

// zones remembers which IANA time zones exist: time.LoadLocation reads a file
// each time. Only names that exist are kept, so there are some hundred at most.
type zones struct{ known sync.Map }

// check complains about a zone that mail could not be written in.
func (z *zones) check(name string) []fault.Field {
	if name == "" {
		return nil
	}
	if _, ok := z.known.Load(name); ok {
		return nil
	}
	if _, err := time.LoadLocation(name); err != nil || name == "Local" {
		return []fault.Field{{Pointer: "/time_zone", Detail: "is not in the IANA time zone database; it has names like Europe/Berlin"}}
	}
	z.known.Store(name, true)
	return nil
}
