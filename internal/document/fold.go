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
		if !unicode.Is(unicode.Mn, r) || voicing(r) {
			b.WriteRune(r)
		}
	}
	// NFC, or a syllable of Hangul would stay the two or three letters that it is made of.
	return plain.Replace(norm.NFC.String(cases.Fold().String(b.String())))
}

// voicing are the combining marks of kana: they make another letter (か, が),
// and no accent of the same.
func voicing(r rune) bool { return r == '\u3099' || r == '\u309a' }

// Words splits into folded words: runs of letters and digits. Everything else
// parts them, the underscore and the hyphen too: "R-Ladies" is r and ladies.
// So does the border between a script that is written without spaces and
// another: "PyCon台灣" is pycon and 台灣.
func Words(s string) []string {
	var words []string
	for _, run := range strings.FieldsFunc(Fold(s), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsNumber(r) && !unicode.Is(unicode.Mc, r) && !voicing(r)
	}) {
		words = parted(words, run)
	}
	return words
}

// parted appends a run, cut where an unspaced script begins or ends.
func parted(words []string, run string) []string {
	if ascii(run) {
		return append(words, run)
	}
	from, inside := 0, false
	for i, r := range run {
		if unspaced(r) != inside {
			if i > from {
				words = append(words, run[from:i])
			}
			from, inside = i, !inside
		}
	}
	return append(words, run[from:])
}

// Unspaced tells whether a word of Words is a run of Chinese, Japanese or
// Korean: not one word but as many as there are, with nothing between them (or,
// in Korean, with endings that cling to them).
func Unspaced(word string) bool {
	r, _ := utf8.DecodeRuneInString(word)
	return unspaced(r)
}

func unspaced(r rune) bool {
	return r >= 0x1100 && unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul) ||
		r == 'ー' || voicing(r) // the long vowel of kana belongs to no script
}

// Pairs are the overlapping pairs of letters of an unspaced word, by which it
// is found: 東京駅 is 東京 and 京駅. A single letter is itself.
func Pairs(word string) []string {
	var pairs []string
	before := -1
	for i := range word {
		if before >= 0 {
			_, n := utf8.DecodeRuneInString(word[i:])
			pairs = append(pairs, word[before:i+n])
		}
		before = i
	}
	if pairs == nil {
		return []string{word}
	}
	return pairs
}

// maxTerm is the longest word that is indexed, in bytes; Lucene refuses terms
// beyond 32,766, and nobody types more than this.
const maxTerm = 128

// Text joins the folded words of all parts by spaces, for a field that is
// analysed by white space alone. An unspaced word stands as its pairs and its
// last letter: whatever is two letters or longer within it is then a phrase of
// the pairs that follow each other, and every letter of it begins some term.
func Text(parts ...string) string {
	var b strings.Builder
	add := func(term string) {
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(term)
	}
	for _, part := range parts {
		for _, w := range Words(part) {
			if !Unspaced(w) {
				add(cut(w, maxTerm))
				continue
			}
			pairs := Pairs(w)
			for _, p := range pairs {
				add(p)
			}
			if _, n := utf8.DecodeLastRuneInString(w); n < len(w) {
				add(w[len(w)-n:])
			}
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
