package account

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// checkLine says what is wrong with a line of text, or nothing: its length is
// counted in characters, and what is not printed has no place in a name.
func checkLine(s string, shortest, longest int) string {
	switch n := utf8.RuneCountInString(s); {
	case !utf8.ValidString(s):
		return "is not UTF-8"
	case n < shortest || strings.TrimSpace(s) == "" && shortest > 0:
		return "must not be empty"
	case n > longest:
		return fmt.Sprintf("must have at most %d characters", longest)
	}
	for _, r := range s {
		if unicode.IsControl(r) {
			return "must not contain control characters"
		}
		// Line separators break a line; embeddings, overrides and isolates (UAX #9) show another name than the one that is there.
		if r >= '\u2028' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069' {
			return "must not break the line or turn the writing direction"
		}
	}
	return ""
}
