package template

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"strings"
	"text/template"
	"time"

	"golang.org/x/text/language"

	"github.com/turnout-events/turnout/notifier/notice"
)

//go:embed push/*.json
var pushFiles embed.FS

// Short writes what a device shows: two lines, with nothing in them but the
// event's title and times. Safe for concurrent use.
type Short struct {
	locales map[string]*locale
	match   language.Matcher
	bodies  map[string]map[notice.Kind]*template.Template
}

// NewShort parses what is embedded; a kind that a device may get and that has
// no words in one of the languages is an error.
func NewShort() (*Short, error) {
	locales, err := loadLocales()
	if err != nil {
		return nil, err
	}
	s := &Short{locales: locales, match: newMatcher(), bodies: map[string]map[notice.Kind]*template.Template{}}
	for _, name := range Languages {
		raw, err := pushFiles.ReadFile("push/" + name + ".json")
		if err != nil {
			return nil, fmt.Errorf("push in %s: %w", name, err)
		}
		var words map[notice.Kind]string
		d := json.NewDecoder(bytes.NewReader(raw))
		if err := d.Decode(&words); err != nil {
			return nil, fmt.Errorf("push in %s: %w", name, err)
		}
		s.bodies[name] = map[notice.Kind]*template.Template{}
		for _, kind := range notice.PushKinds {
			if words[kind] == "" {
				return nil, fmt.Errorf("push in %s: %s is missing", name, kind)
			}
			if s.bodies[name][kind], err = template.New(string(kind)).Option("missingkey=error").Parse(words[kind]); err != nil {
				return nil, fmt.Errorf("push in %s: %w", name, err)
			}
		}
	}
	return s, nil
}

// maxTitle keeps a payload far below what one record of RFC 8291 can hold.
const maxTitle = 200 // runes

// Write gives title and body for a delivery whose event and guest are known,
// and the language that they are in.
func (s *Short) Write(d *notice.Delivery, now time.Time) (title, body, lang string, err error) {
	lang = pick(s.match, d.Guest.Locale)
	t := s.bodies[lang][d.Notice.Kind]
	if t == nil {
		return "", "", "", fmt.Errorf("no push of kind %s", d.Notice.Kind)
	}
	f, err := s.locales[lang].fields(Content{Delivery: d, Now: now})
	if err != nil {
		return "", "", "", err
	}
	var b strings.Builder
	if err := t.Execute(&b, f); err != nil {
		return "", "", "", fmt.Errorf("push of %s in %s: %w", d.Notice.Kind, lang, err)
	}
	title = f.Title
	if r := []rune(title); len(r) > maxTitle {
		title = string(r[:maxTitle-1]) + "…"
	}
	return title, b.String(), lang, nil
}

func newMatcher() language.Matcher {
	tags := make([]language.Tag, len(Languages))
	for i, name := range Languages {
		tags[i] = language.MustParse(name)
	}
	return language.NewMatcher(tags)
}

// pick is what a guest reads: "pt-BR" is pt, "da" is the first.
func pick(m language.Matcher, wanted string) string {
	_, i, confidence := m.Match(language.Make(wanted))
	if confidence == language.No {
		return Languages[0]
	}
	return Languages[i]
}
