package template

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"text/template"
	"time"

	"github.com/turnout-events/turnout/notifier/notice"
)

//go:embed locale/*.json
var localeFiles embed.FS

// Languages that mail is written in; the first is what a guest gets whose
// language is none of them.
var Languages = []string{"en", "de", "fr", "es", "pt"}

// counted has a form for one and a form for all other numbers, which is enough
// for the languages here (French and Portuguese count zero as one: see pick).
type counted struct {
	One   string `json:"one"`
	Other string `json:"other"`
}

// phrases of one mail.
type phrases struct {
	Subject string `json:"subject"`
	Heading string `json:"heading"`
	Lead    string `json:"lead"`

	subject, heading, lead *template.Template
}

// locale is a language's file.
type locale struct {
	name     string
	Months   []string                 `json:"months"`
	Weekdays []string                 `json:"weekdays"` // from Sunday
	Date     string                   `json:"date"`
	Words    words                    `json:"words"`
	Mails    map[notice.Kind]*phrases `json:"mails"`

	why, unsubscribe *template.Template
	zones            *zones
}

// words of the layout.
type words struct {
	When        string  `json:"when"`
	Where       string  `json:"where"`
	Party       string  `json:"party"`
	Online      string  `json:"online"`
	Join        string  `json:"join"`
	Ticket      string  `json:"ticket"`
	TicketHint  string  `json:"ticket_hint"`
	Until       string  `json:"until"`
	In          string  `json:"in"`
	Manage      string  `json:"manage"`
	Confirm     string  `json:"confirm"`
	Accept      string  `json:"accept"`
	Survey      string  `json:"survey"`
	Page        string  `json:"page"`
	Was         string  `json:"was"`
	YourTime    string  `json:"your_time"`
	Why         string  `json:"why"`
	Answers     string  `json:"answers"`
	Unsubscribe string  `json:"unsubscribe"`
	Person      counted `json:"person"`
	Minutes     counted `json:"minutes"`
	Hours       counted `json:"hours"`
	Days        counted `json:"days"`
	Ahead       counted `json:"ahead"`
	First       string  `json:"first"`
}

// loadLocales reads the embedded files; a phrase that does not parse, or a
// kind without words, is an error of the build that the constructor reports.
func loadLocales() (map[string]*locale, error) {
	all, shared := map[string]*locale{}, &zones{}
	for _, name := range Languages {
		raw, err := localeFiles.ReadFile("locale/" + name + ".json")
		if err != nil {
			return nil, fmt.Errorf("mail in %s: %w", name, err)
		}
		l := &locale{name: name, zones: shared}
		d := json.NewDecoder(bytes.NewReader(raw))
		d.DisallowUnknownFields()
		if err := d.Decode(l); err != nil {
			return nil, fmt.Errorf("mail in %s: %w", name, err)
		}
		if err := l.parse(); err != nil {
			return nil, fmt.Errorf("mail in %s: %w", name, err)
		}
		all[name] = l
	}
	return all, nil
}

func (l *locale) parse() error {
	parse := func(name, text string) (t *template.Template, err error) {
		if text == "" {
			return nil, fmt.Errorf("%s is missing", name)
		}
		return template.New(name).Option("missingkey=error").Parse(text)
	}
	var err error
	for _, kind := range notice.Kinds {
		p := l.Mails[kind]
		if p == nil {
			return fmt.Errorf("%s is missing", kind)
		}
		if p.subject, err = parse(string(kind)+" subject", p.Subject); err != nil {
			return err
		}
		if p.heading, err = parse(string(kind)+" heading", p.Heading); err != nil {
			return err
		}
		if p.lead, err = parse(string(kind)+" lead", p.Lead); err != nil {
			return err
		}
	}
	if rest := l.dated("", "", "", ""); rest == "" || strings.Contains(rest, "{{") {
		return fmt.Errorf("date: %q", l.Date)
	}
	if l.why, err = parse("why", l.Words.Why); err != nil {
		return err
	}
	if l.unsubscribe, err = parse("unsubscribe", l.Words.Unsubscribe); err != nil {
		return err
	}
	if len(l.Months) != 12 || len(l.Weekdays) != 7 {
		return fmt.Errorf("%d months and %d weekdays", len(l.Months), len(l.Weekdays))
	}
	return nil
}

// count puts a number into the form that the language has for it.
func (l *locale) count(c counted, n int) string {
	form := c.Other
	if n == 1 || n == 0 && (l.name == "fr" || l.name == "pt") {
		form = c.One
	}
	return strings.ReplaceAll(form, "{{.N}}", strconv.Itoa(n))
}

// day is the date in words.
func (l *locale) day(t time.Time) string {
	return l.dated(l.Weekdays[t.Weekday()], strconv.Itoa(t.Day()), l.Months[t.Month()-1], strconv.Itoa(t.Year()))
}

// dated fills the order that the language has for a date in, without a template: every mail has several.
func (l *locale) dated(weekday, day, month, year string) string {
	s := strings.Replace(l.Date, "{{.Weekday}}", weekday, 1)
	s = strings.Replace(s, "{{.Day}}", day, 1)
	s = strings.Replace(s, "{{.Month}}", month, 1)
	return strings.Replace(s, "{{.Year}}", year, 1)
}

// clock is the time of day with the zone's name, which tells two events at the
// hour that exists twice apart.
func (l *locale) clock(t time.Time) string {
	switch l.name {
	case "de":
		return t.Format("15:04") + " Uhr"
	case "fr":
		return t.Format("15 h 04")
	default:
		return t.Format("15:04")
	}
}

// moment is day and time in the zone.
func (l *locale) moment(t time.Time, zone *time.Location) string {
	local := t.In(zone)
	return l.day(local) + ", " + l.clock(local) + " (" + zoneName(local) + ")"
}

// zoneName is the abbreviation where there is one, else UTC and the offset.
func zoneName(t time.Time) string {
	name, _ := t.Zone()
	if strings.HasPrefix(name, "+") || strings.HasPrefix(name, "-") {
		return "UTC" + t.Format("-07:00")
	}
	return name
}

// span is how long until something, rounded as people say it.
func (l *locale) span(d time.Duration) string {
	minutes := int((d + 30*time.Second) / time.Minute)
	switch {
	case minutes < 90:
		return l.count(l.Words.Minutes, max(minutes, 1))
	case minutes < 36*60:
		return l.count(l.Words.Hours, (minutes+30)/60)
	default:
		return l.count(l.Words.Days, (minutes+12*60)/(24*60))
	}
}
