package template_test

import (
	"strings"
	"testing"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/notifier/notice"
	"github.com/turnout-events/turnout/notifier/template"
)

// What an organizer writes can name the fields of the list and nothing else.
func TestOwnWordsReachNothingElse(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{{.Nam}}`:                     "unknown field .Nam; there are .Title",
		`{{.Delivery.Guest}}`:          "unknown field",
		`{{.Title.Foo}}`:               "unknown field",
		`{{.}}`:                        "not allowed",
		`{{$}}`:                        "not allowed",
		`{{$x := .Title}}{{$x}}`:       "variables are not allowed",
		`{{range .Title}}x{{end}}`:     "range is not allowed",
		`{{range 1000000000}}x{{end}}`: "range is not allowed",
		`{{with .Title}}{{.}}{{end}}`:  "with is not allowed",
		`{{if .Title}}a{{else with .Name}}b{{end}}`: "unexpected <with>",
		`{{template "x"}}`:                          "template is not allowed",
		`{{define "x"}}y{{end}}`:                    "define and block are not allowed",
		`{{block "x" .}}y{{end}}`:                   "not allowed",
		`{{printf "%999999999d" 1}}`:                "printf is not allowed",
		`{{call .Title}}`:                           "call is not allowed",
		`{{index .Title 0}}`:                        "index is not allowed",
		`{{slice .Title 0 1}}`:                      "slice is not allowed",
		`{{html .Title}}`:                           "html is not allowed",
		`{{js .Title}}`:                             "js is not allowed",
		`{{env "HOME"}}`:                            `function "env" not defined`,
		`{{(.Title).String}}`:                       "not allowed",
		`{{.Title | printf "%s"}}`:                  "printf is not allowed",
		`{{nil}}`:                                   "nil",
		`{{lt .PartySize "two"}}`:                   "cannot be written",
		`{{.Title`:                                  "unclosed action",
		`line one` + "\n" + `{{.Oops}}`:             "line 2",
		"   ":                                       "is blank",
		strings.Repeat("x", 10_001):                 "at most 10000",
		strings.Repeat("{{.Title}}", 201):           "more than 200 actions",
		strings.Repeat("{{if .Title}}", 9) + "x" + strings.Repeat("{{end}}", 9):            "more than 8 conditions",
		"{{not " + strings.Repeat("(not ", 12) + ".Title" + strings.Repeat(")", 12) + "}}": "more than 8 brackets",
		"\xff": "UTF-8",
		// Where neither nothing nor everything leads.
		`{{if gt .PartySize 5}}{{if eq .Name 3}}x{{end}}{{end}}`:          "cannot be written",
		`{{if and (gt .PartySize 5) (eq .Name 3)}}x{{end}}`:               "cannot be written",
		`{{if gt .PartySize 5}}{{upper .PartySize}}{{else}}x{{end}}`:      "cannot be written",
		`{{if eq .Title "x"}}{{else if eq .Title "y"}}{{lower 3}}{{end}}`: "cannot be written",
	} {
		bad := template.CheckPhrases(template.Phrases{Body: text})
		if len(bad) != 1 || bad[0].Field != "body" || !strings.Contains(bad[0].Detail, want) {
			t.Errorf("%.60q: %v, expected %q", text, bad, want)
		}
	}
	for _, line := range []string{"a\nBcc: x@example.org", "a\r\nb", "a\u2028b", "a\x00b", "pay \u202egnp.exe", "\u2066a\u2069", "a\u0085b"} {
		if bad := template.CheckPhrases(template.Phrases{Subject: line}); len(bad) != 1 || bad[0].Field != "subject" {
			t.Errorf("%q: %v", line, bad)
		}
	}
	for _, text := range []string{
		"Hello {{.Name}}, {{.Title}} by {{.Organizer}}", `{{if .Deadline}}until {{.Deadline}}{{else if gt .PartySize 1}}{{.PartySize}} of you{{else}}come{{end}}`,
		`{{upper .City}} {{lower .Place}} {{- /* why */ -}} !`, `{{if and (not .ByOrganizer) (or (eq .Position 1) (le .PartySize 3))}}x{{end}}`, "{{.StartsIn}} {{.Starts}}", "no fields",
	} {
		if bad := template.CheckPhrases(template.Phrases{Body: text}); bad != nil {
			t.Errorf("%q: %v", text, bad)
		}
	}
}

func delivery() *notice.Delivery {
	start := time.Date(2026, 5, 16, 17, 30, 0, 0, time.UTC)
	return &notice.Delivery{
		Notice: notice.Notice{Kind: notice.Confirmation},
		Event: &notice.Event{ID: "e", Body: contract.Event{Title: "Supper {{.Name}} <b>", StartsAt: start, EndsAt: start.Add(time.Hour),
			TimeZone: "Europe/Berlin", Status: contract.EventPublished, Venue: &contract.Venue{City: "Weimar"}}},
		Guest: &notice.Guest{EventID: "e", PartySize: 2, Locale: "de", Status: contract.StatusConfirmed},
	}
}

// A guest's name is a value: what looks like a template or like markup in it stays text.
func TestOwnWordsQuoteWhatGuestsTyped(t *testing.T) {
	t.Parallel()
	w, err := template.New()
	if err != nil {
		t.Fatal(err)
	}
	d := delivery()
	d.Wording = map[string]notice.Wording{
		"de": {Subject: "Hallo {{.Name}}", Body: "Erster <i>Absatz</i> für {{.PartySize}}: {{.Title}}\n\nZweiter, https://evil.example."},
		"en": {Subject: "not this one"},
	}
	m, err := w.Write(template.Content{Delivery: d, Name: "{{.Organizer}}\r\nBcc: x <script>alert(1)</script>", Now: d.Event.Body.StartsAt.Add(-time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	if m.Fallback != "" || m.Subject != "Hallo {{.Organizer}} Bcc: x <script>alert(1)</script>" {
		t.Errorf("%+v", m)
	}
	for _, part := range []string{"Erster &lt;i&gt;Absatz&lt;/i&gt; für 2: Supper {{.Name}} &lt;b&gt;</p>", "Zweiter, https://evil.example.</p>", "Sie sind dabei"} {
		if !strings.Contains(m.HTML, part) {
			t.Errorf("%q is not in %s", part, m.HTML)
		}
	}
	if strings.Contains(m.HTML, "<script>") {
		t.Error(m.HTML)
	}
}

// What another release has saved, or what becomes nothing for a guest, must
// not keep a mail from going.
func TestTheBuiltInWordsStandInForOwnOnesThatFail(t *testing.T) {
	t.Parallel()
	w, err := template.New()
	if err != nil {
		t.Fatal(err)
	}
	for body, why := range map[string]string{
		"{{.Weather}}":                          "own body line 1:2: unknown field .Weather",
		"{{if .Deadline}}until then{{end}}":     "own body is empty for this guest",
		"{{if .City}}{{lt .Name 3}}{{end}}":     "own body cannot be written",
		strings.Repeat("{{.Title}}", 100) + "x": "own body cannot be written: becomes longer than 65536 bytes",
	} {
		d := delivery()
		if strings.HasSuffix(body, "x") {
			d.Event.Body.Title = strings.Repeat("long ", 200)
		}
		d.Wording = map[string]notice.Wording{"de": {Subject: "own subject", Body: body}}
		m, err := w.Write(template.Content{Delivery: d, Name: "Ana", Now: d.Event.Body.StartsAt.Add(-time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(m.Fallback, why) || strings.Contains(m.Subject, "own") {
			t.Errorf("%.40q: %q with subject %q, expected %q and the built-in one", body, m.Fallback, m.Subject, why)
		}
	}
}

func FuzzOwnWords(f *testing.F) {
	for _, seed := range []string{"{{.Title}}", "{{if .Name}}x{{end}}", "{{range .}}", "{{printf `%d` 1}}", "{{`", "{{(((((", "{{/*"} {
		f.Add(seed)
	}
	w, err := template.New()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if text == "" || template.CheckPhrases(template.Phrases{Body: text}) != nil {
			return
		}
		d := delivery()
		d.Wording = map[string]notice.Wording{"de": {Body: text}}
		m, err := w.Write(template.Content{Delivery: d, Name: "Ana", Now: d.Event.Body.StartsAt})
		if err != nil || len(m.Text) > 3*64<<10 {
			t.Errorf("%q was taken: %v", text, err)
		}
	})
}
