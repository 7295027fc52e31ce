package httpapi

import (
	"bytes"
	"encoding/csv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/document"
)

func TestNoCellIsAFormula(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"=1+1", "+49", "-2", "@SUM(A1)", "\tx", "\rx", "\nx", " =1", "\u00a0=1", "\u3000＝1", "＝1", "＋1", "－1", "＠x", "﹦1", "⁺1", "−1",
		"\u200b=1", "\ufeff@x", "\u202e+1", "\x00=1", "\x1f-1", "  \t =HYPERLINK(\"x\")", "\xff=1", "\r\n=1", "\v=1"} {
		if got := safe(s); got != "'"+s {
			t.Errorf("%q stays %q", s, got)
		}
	}
	for _, s := range []string{"", "Ada", "O'Neil", "a=b", "née -x", " Ada", "山田 = 花子", "1-2", "👩‍💻 x", "ada@example.org", "\u200bAda"} {
		if got := safe(s); got != s {
			t.Errorf("%q becomes %q", s, got)
		}
	}
}

// Whatever a guest writes, no cell begins with a sign, and the words come out
// of the file as they went in.
func FuzzCSVCell(f *testing.F) {
	f.Add("=cmd|' /C calc'!A0")
	f.Add(" ＝1\r\n\"x\",+1")
	f.Add("\ufeff\u200d-1")
	f.Fuzz(func(t *testing.T, words string) {
		if !utf8.ValidString(words) {
			return // a name is UTF-8 when it comes in
		}
		row := csvRow(document.Guest{Name: words, Email: words, Comment: words, Locale: words,
			Answers: map[string]contract.Answer{"q": {Choices: []string{words, words}}}}, []contract.Question{{ID: "q", Label: words}})
		var out bytes.Buffer
		w := csv.NewWriter(&out)
		w.UseCRLF = true
		if err := w.Write(row); err != nil {
			t.Fatal(err)
		}
		w.Flush()
		back, err := csv.NewReader(&out).Read()
		if err != nil {
			t.Fatal(err)
		}
		if want := strings.ReplaceAll(safe(words), "\r\n", "\n"); strings.ReplaceAll(back[1], "\r\n", "\n") != want && !strings.Contains(words, "\r") {
			t.Errorf("%q became %q", want, back[1])
		}
		for _, cell := range back {
			seen := strings.TrimLeft(cell, " \u00a0\u3000\t\r\n\v\f\u200b\ufeff")
			if seen != "" && strings.ContainsRune("=+-@＝＋－＠", first(seen)) {
				t.Errorf("%q is a formula", cell)
			}
		}
	})
}
