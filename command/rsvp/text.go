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
// disturbs a page or a mail header (other control characters; in a single line
// breaks, and what turns the writing direction of all that follows), what
// cannot be seen although it is needed, and lengths outside of least..most characters.
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
	seen := least == 0
	for _, r := range s {
		switch {
		case r == '\n' || r == '\r' || r == '\t' || r == '\u2028' || r == '\u2029':
			if lines {
				continue
			}
			return bad("is a single line")
		case unicode.IsControl(r):
			return bad("has a control character")
		case !lines && turnsDirection(r):
			return bad("has a character that turns the writing direction")
		}
		seen = seen || visible(r)
	}
	if !seen {
		return bad("has nothing that can be seen")
	}
	return nil
}

// turnsDirection is for embeddings, overrides and isolates (UAX #9): a name
// with one shows other text than its own. Right-to-left scripts need none.
func turnsDirection(r rune) bool {
	return r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069'
}

// visible is all but blanks and format characters; what a font makes of the rest is not ours to know.
func visible(r rune) bool {
	return r > ' ' && r < unicode.MaxASCII || !unicode.In(r, unicode.Z, unicode.Cf)
}

func plural(format string, n int) string {
	s := fmt.Sprintf(format, n)
	if n != 1 {
		s += "s"
	}
	return s
}
