package document_test

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/turnout-events/turnout/internal/document"
)

func TestWords(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"R-Ladies Zürich":     "r ladies zurich",
		"İstanbul Łódź Ærø":   "istanbul lodz aero",
		"C++ & .NET":          "c net",
		"PyCon台灣2030":         "pycon 台灣 2030",
		"東京タワー夜景":             "東京タワー夜景",
		"ｶﾞﾝﾀﾞﾑ":              "ガンダム",     // half-width, each mark a letter of its own
		"か\u3099":             "が",        // decomposed
		"서울에서 만나요":            "서울에서 만나요", // NFKD alone would leave letters, not syllables
		"\u1112\u1161\u11ab글": "한글",
		"हिन्दी":              "हिनदी", // marks that are no accents stay
		"🎉":                   "",
		"":                    "",
	} {
		if got := strings.Join(document.Words(text), " "); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}

func TestTextOfUnspacedScripts(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"北京":            "北京 京",
		"北":             "北",
		"東京駅 Kotlin勉強会": "東京 京駅 駅 kotlin 勉強 強会 会",
		"서울에서":          "서울 울에 에서 서",
		"Zürich":        "zurich",
	} {
		if got := document.Text(text); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}

// finds does with the field what Elasticsearch does: pairs as a phrase, one letter as a beginning.
func finds(field, word string) bool {
	terms := strings.Fields(field)
	if utf8.RuneCountInString(word) == 1 {
		return slices.ContainsFunc(terms, func(t string) bool { return strings.HasPrefix(t, word) })
	}
	pairs := document.Pairs(word)
	for i := range terms {
		if i+len(pairs) <= len(terms) && slices.Equal(terms[i:i+len(pairs)], pairs) {
			return true
		}
	}
	return false
}

// Every part of an unspaced word is found in its text, and nothing else is.
func FuzzUnspaced(f *testing.F) {
	f.Add("東京タワー夜景 北京", "京タ")
	f.Add("東京 京都", "東京京") // two words: no pair goes over the space
	f.Add("서울에서", "서")
	f.Add("aあaいう", "いう")
	f.Fuzz(func(t *testing.T, text, query string) {
		words := document.Words(text)
		field := document.Text(text)
		for _, q := range document.Words(query) {
			if !document.Unspaced(q) {
				continue
			}
			inside := slices.ContainsFunc(words, func(w string) bool { return document.Unspaced(w) && strings.Contains(w, q) })
			if finds(field, q) != inside {
				t.Errorf("%q in %q (%q): %t, want %t", q, text, field, !inside, inside)
			}
		}
	})
}
