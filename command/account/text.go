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
	}
	return ""
}
