package document

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// letters that carry a stroke or are two letters in one: Unicode gives them no
// decomposition, and people type the plain ones.
var plain = strings.NewReplacer(
	"ø", "o", "ł", "l", "đ", "d", "ħ", "h", "ı", "i", "æ", "ae", "œ", "oe", "ð", "d", "þ", "th",
)

// Fold gives the form in which words are compared: compatibility forms
// resolved (NFKD), accents dropped, case folded. The same function prepares
// what is indexed and what is asked, because the search engine has no analyzer
// for it everywhere.
func Fold(s string) string {
	if ascii(s) {
		return strings.ToLower(s)
	}
	var b strings.Builder
	b.Grow(len(s))
	for _, r := range norm.NFKD.String(s) {
		if !unicode.Is(unicode.Mn, r) {
			b.WriteRune(r)
		}
	}
	return plain.Replace(cases.Fold().String(b.String()))
}

// Words splits into folded words: runs of letters and digits. Everything else
// parts them, the underscore and the hyphen too: "R-Ladies" is r and ladies.
func Words(s string) []string {
	return strings.FieldsFunc(Fold(s), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsNumber(r) && !unicode.Is(unicode.Mc, r)
	})
}

// maxTerm is the longest word that is indexed, in bytes; Lucene refuses terms
// beyond 32,766, and nobody types more than this.
const maxTerm = 128

// Text joins the folded words of all parts by spaces, for a field that is
// analysed by white space alone.
func Text(parts ...string) string {
	var b strings.Builder
	for _, part := range parts {
		for _, w := range Words(part) {
			if b.Len() > 0 {
				b.WriteByte(' ')
			}
			b.WriteString(cut(w, maxTerm))
		}
	}
	return b.String()
}

// Key is Fold without surrounding space, for whole values (a tag, a city).
func Key(s string) string { return cut(strings.TrimSpace(Fold(s)), 512) }

func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
