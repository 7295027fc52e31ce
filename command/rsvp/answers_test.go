package rsvp

import (
	"strings"
	"testing"

	"github.com/turnout-events/turnout/internal/contract"
)

func TestValidateAnswers(t *testing.T) {
	t.Parallel()
	e := &contract.Event{Questions: []contract.Question{
		{ID: "diet", Kind: contract.QuestionChoice, Options: []string{"all", "vegan"}, Required: true},
		{ID: "days", Kind: contract.QuestionCheckbox, Options: []string{"fri", "sat"}},
		{ID: "note", Kind: contract.QuestionText},
	}}
	type answers = map[string]contract.Answer
	text := func(s string) contract.Answer { return contract.Answer{Text: s} }
	list := func(s ...string) contract.Answer { return contract.Answer{Choices: s} }
	for _, c := range []struct {
		name     string
		response string
		answers  answers
		want     string // pointers
	}{
		{"all", contract.Going, answers{"diet": text("vegan"), "days": list("fri", "sat"), "note": text("late\nish")}, ""},
		{"the required one", contract.Going, answers{"diet": text("all")}, ""},
		{"none", contract.Going, nil, "/answers/diet"},
		{"an empty one", contract.Going, answers{"diet": text(" ")}, "/answers/diet"},
		{"empty fields of a form", contract.Maybe, answers{"diet": text(""), "days": list(), "note": text("  ")}, ""},
		{"none, maybe", contract.Maybe, nil, ""},
		{"none, not going", contract.NotGoing, nil, ""},
		{"wrong though not required", contract.Maybe, answers{"diet": text("beef")}, "/answers/diet"},
		{"no such option", contract.Going, answers{"diet": text("Vegan")}, "/answers/diet"},
		{"a list for a choice", contract.Going, answers{"diet": list("vegan")}, "/answers/diet"},
		{"a text for a list", contract.Going, answers{"diet": text("all"), "days": text("fri")}, "/answers/days"},
		{"text and list", contract.Going, answers{"diet": text("all"), "days": {Text: "fri", Choices: []string{"fri"}}}, "/answers/days"},
		{"twice", contract.Going, answers{"diet": text("all"), "days": list("fri", "fri")}, "/answers/days"},
		{"not offered", contract.Going, answers{"diet": text("all"), "days": list("sun")}, "/answers/days"},
		{"too long", contract.Going, answers{"diet": text("all"), "note": text(strings.Repeat("ä", 2001))}, "/answers/note"},
		{"as long as it may be", contract.Going, answers{"diet": text("all"), "note": text(strings.Repeat("ä", 2000))}, ""},
		{"NUL", contract.Going, answers{"diet": text("all"), "note": text("a\x00")}, "/answers/note"},
		{"broken UTF-8", contract.Going, answers{"diet": text("all"), "note": text("\xff")}, "/answers/note"},
		{"no question", contract.Going, answers{"diet": text("all"), "z": text("x"), "b": text("x")}, "/answers/b /answers/z"},
		{"a question that is no id", contract.Going, answers{"diet": text("all"), "a/b": text("x")}, "/answers"},
	} {
		var got []string
		for _, f := range ValidateAnswers(e, c.response, c.answers) {
			got = append(got, f.Pointer)
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%s: %q, want %q", c.name, s, c.want)
		}
	}
}

func TestValidateGuest(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, locale, zone, want string }{
		{"Ada", "", "", ""},
		{"Ada", "en", "Europe/Berlin", ""},
		{"名前", "pt-BR", "Etc/GMT+3", ""},
		{"Ada", "zh-Hant-TW", "America/Argentina/Buenos_Aires", ""},
		{"", "", "", "/name"},
		{"  ", "", "", "/name"},
		{"a\nb", "", "", "/name"},
		{"a\x00", "", "", "/name"},
		{"Ada \u202egnp.exe", "", "", "/name"}, // shows "exe.png"
		{"\u2066Ada", "", "", "/name"},
		{"\u200b\u00a0", "", "", "/name"}, // nothing to be seen
		{"\u0622\u062f\u0627", "", "", ""},
		{"👩\u200d🚀", "", "", ""},
		{strings.Repeat("ä", 201), "", "", "/name"},
		{"Ada", "english please", "", "/locale"},
		{"Ada", "e\x00", "", "/locale"},
		{"Ada", "", "Local", "/time_zone"},
		{"Ada", "", "../../etc/passwd", "/time_zone"},
		{"Ada", "", "/etc/passwd", "/time_zone"},
		{"Ada", "", "Europe//Berlin", "/time_zone"},
		{"Ada", "", "a b", "/time_zone"},
	} {
		got := ""
		for _, f := range ValidateGuest(c.name, c.locale, c.zone) {
			got += f.Pointer
		}
		if got != c.want {
			t.Errorf("%q %q %q: %q, want %q", c.name, c.locale, c.zone, got, c.want)
		}
	}
}
