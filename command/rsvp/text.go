package rsvp

import (
	"fmt"
	"unicode"
	"unicode/utf8"

	"github.com/turnout-events/turnout/internal/fault"
)

const (
	oneLine   = false
	manyLines = true
)

// checkText refuses what Postgres cannot store (NUL, broken UTF-8), what
// disturbs a page or a mail header (other control characters; line breaks
// unless lines are many), and lengths outside of least..most characters.
func checkText(pointer, s string, least, most int, lines bool) *fault.Field {
	n := utf8.RuneCountInString(s)
	bad := func(detail string) *fault.Field { return &fault.Field{Pointer: pointer, Detail: detail} }
	switch {
	case !utf8.ValidString(s):
		return bad("is not valid UTF-8")
	case n == 0 && least > 0:
		return bad("is missing")
	case n < least:
		return bad(plural("has at least %d character", least))
	case n > most:
		return bad(plural("has at most %d character", most))
	}
	for _, r := range s {
		switch r {
		case '\n', '\r', '\t', '\u2028', '\u2029':
			if lines {
				continue
			}
			return bad("is a single line")
		}
		if unicode.IsControl(r) {
			return bad("has a control character")
		}
	}
	return nil
}

func plural(format string, n int) string {
	s := fmt.Sprintf(format, n)
	if n != 1 {
		s += "s"
	}
	return s
}
