package template

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"strings"
	"text/template"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/notifier/notice"
)

//go:embed member/*.json
var memberFiles embed.FS

// memberWords are what members' mail says in one language.
type memberWords struct {
	Digest    *phrases               `json:"digest"`
	EventFull *phrases               `json:"event_full"`
	Answers   map[string]counted     `json:"answers"` // by status
	People    counted                `json:"people"`
	Taken     string                 `json:"taken"`
	Going     string                 `json:"going"`
	Waits     counted                `json:"waits"`
	More      counted                `json:"more"`
	Seats     string                 `json:"seats"`
	Waitlist  string                 `json:"waitlist"`
	Date      string                 `json:"date"`
	Why       string                 `json:"why"`
	Off       map[notice.Kind]string `json:"off"`
}

// memberFields are what those phrases may name.
type memberFields struct {
	Name, Organizer, Title, Starts, Month string
	Capacity, Taken, Day                  int
}

// Members writes mail to members. Safe for concurrent use.
type Members struct {
	layouts *Writer
	words   map[string]*memberWords
}

// NewMembers parses what is embedded; layouts are those of guests' mail.
func NewMembers(layouts *Writer) (*Members, error) {
	m := &Members{layouts: layouts, words: map[string]*memberWords{}}
	for _, name := range Languages {
		raw, err := memberFiles.ReadFile("member/" + name + ".json")
		if err != nil {
			return nil, fmt.Errorf("members' mail in %s: %w", name, err)
		}
		w := &memberWords{}
		d := json.NewDecoder(bytes.NewReader(raw))
		d.DisallowUnknownFields()
		if err := d.Decode(w); err != nil {
			return nil, fmt.Errorf("members' mail in %s: %w", name, err)
		}
		m.words[name] = w
		if w.Digest == nil || w.EventFull == nil || len(w.Answers) != len(statuses) || len(w.Off) != len(notice.MemberKinds) {
			return nil, fmt.Errorf("members' mail in %s is not complete", name)
		}
	}
	return m, nil
}

// statuses in the order in which a digest tells them.
var statuses = []string{contract.StatusConfirmed, contract.StatusMaybe, contract.StatusWaitlisted, contract.StatusOffered, contract.StatusPending,
	contract.StatusDeclined, contract.StatusCancelled}

// maxNews bounds how many events a digest lists.
const maxNews = 50

// MemberContent is what a mail to a member is written from.
type MemberContent struct {
	Delivery    *notice.Delivery
	Name        string
	Page        func(slug string) string // an event's public page
	Unsubscribe string
}

// Write writes the mail of a delivery whose member is known.
func (m *Members) Write(c MemberContent) (Mail, error) {
	d := c.Delivery
	name := m.layouts.Language(d.Member.Choice.Locale)
	l, w := m.layouts.locales[name], m.words[name]
	f := memberFields{Name: oneLine(c.Name), Organizer: organizer(d)}
	v := &view{Language: name, Organizer: f.Organizer, Primary: "#3b49a6", Background: "#f4f4f7"}
	if d.Organization != nil && d.Organization.Body.Colors != nil {
		v.Primary = color(d.Organization.Body.Colors.Primary, v.Primary)
		v.Background = color(d.Organization.Body.Colors.Background, v.Background)
	}
	var p *phrases
	var err error
	switch d.Notice.Kind {
	case notice.EventFull:
		p, err = w.EventFull, l.full(v, w, &f, c)
	default:
		p, err = w.Digest, l.digest(v, w, c)
	}
	if err != nil {
		return Mail{}, err
	}
	var lead, off string
	for _, part := range []struct {
		text string
		into *string
	}{{p.Subject, &v.Subject}, {p.Heading, &v.Heading}, {p.Lead, &lead}, {w.Why, &v.Why}, {w.Off[d.Notice.Kind], &off}} {
		if *part.into, err = fill(part.text, f); err != nil {
			return Mail{}, fmt.Errorf("phrase of %s in %s: %w", d.Notice.Kind, name, err)
		}
	}
	v.Subject = oneLine(v.Subject)
	v.Lead = []paragraph{{{Text: lead}}}
	v.Unsubscribe = &link{Label: off, URL: c.Unsubscribe}
	return m.layouts.lay(v, d.Notice.Kind)
}

// full: how many seats, who waits.
func (l *locale) full(v *view, w *memberWords, f *memberFields, c MemberContent) error {
	e := c.Delivery.Event
	f.Title, f.Taken = oneLine(e.Body.Title), e.Going+e.Held
	if e.Body.Capacity != nil {
		f.Capacity = *e.Body.Capacity
	}
	f.Starts = l.moment(e.Body.StartsAt, l.zones.event(&e.Body))
	taken, err := fill(w.Taken, *f)
	if err != nil {
		return err
	}
	v.Rows = append(v.Rows, row{Label: w.Seats, Value: taken})
	if e.Waitlisted > 0 {
		v.Rows = append(v.Rows, row{Label: w.Waitlist, Value: l.count(w.Waits, e.Waitlisted)})
	}
	v.Button = &link{Label: l.Words.Page, URL: c.Page(e.Body.Slug)}
	return nil
}

// digest: a row for each event, and its page.
func (l *locale) digest(v *view, w *memberWords, c MemberContent) error {
	news := c.Delivery.News
	for i, n := range news {
		if i == maxNews {
			v.Notes = append(v.Notes, l.count(w.More, len(news)-maxNews))
			break
		}
		at := n.StartsAt.In(l.zones.named(n.TimeZone, time.UTC))
		day, err := fill(w.Date, memberFields{Day: at.Day(), Month: l.Months[at.Month()-1]})
		if err != nil {
			return err
		}
		said := make([]string, 0, len(n.Answers)+1)
		for _, status := range statuses {
			count := n.Answers[status]
			if count == 0 {
				continue
			}
			part := l.count(w.Answers[status], count)
			if status == contract.StatusConfirmed && n.People != count {
				part += " (" + l.count(w.People, n.People) + ")"
			}
			said = append(said, part)
		}
		f, all := memberFields{Taken: n.Going + n.Held}, w.Going
		if n.Capacity != nil {
			f.Capacity, all = *n.Capacity, w.Taken
		}
		taken, err := fill(all, f)
		if err != nil {
			return err
		}
		title := oneLine(n.Title)
		v.Rows = append(v.Rows, row{Label: day, Value: title + ": " + strings.Join(said, ", ") + ". " + taken + "."})
		v.More = append(v.More, link{Label: title, URL: c.Page(n.Slug)})
	}
	return nil
}

// fill puts values into a phrase of ours.
func fill(phrase string, f memberFields) (string, error) {
	t, err := template.New("phrase").Option("missingkey=error").Parse(phrase)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	err = t.Execute(&b, f)
	return b.String(), err
}
