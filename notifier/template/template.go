// Package template writes mail: a notice becomes a subject, a text and an HTML
// part in the guest's language and zone. It is pure: the same content gives the
// same words, which the golden files pin.
package template

import (
	"embed"
	"fmt"
	htmltemplate "html/template"
	"strings"
	"text/template"
	"time"

	"golang.org/x/text/language"

	"github.com/turnout-events/turnout/notifier/notice"
)

//go:embed layout.html layout.txt
var layoutFiles embed.FS

// TicketCID is the content id of the ticket's picture in the HTML part.
const TicketCID = "ticket.png"

// Content is what a mail is written from.
type Content struct {
	Delivery *notice.Delivery
	Name     string // of the guest
	Now      time.Time
	// Links; those that the kind does not need stay empty.
	Manage      string // see or change the answer
	Page        string // the event's public page
	Answers     string // signs in to all answers of the address
	Unsubscribe string
	Ticket      bool // a picture with TicketCID is embedded
	// Track turns a link of a campaign's HTML part into one that counts, and
	// Pixel is a picture that does; nil and empty unless tracking is on.
	Track func(url string) string
	Pixel string
}

// Mail is a written mail.
type Mail struct {
	Subject string
	Text    string
	HTML    string
	// Fallback says why the built-in text stands there instead of the
	// organizer's own; empty: it does not.
	Fallback string
}

// Writer holds the parsed layouts and languages. Safe for concurrent use.
type Writer struct {
	locales map[string]*locale
	match   language.Matcher
	html    *htmltemplate.Template
	text    *template.Template

	skeletons skeletons
}

// New parses what is embedded.
func New() (*Writer, error) {
	locales, err := loadLocales()
	if err != nil {
		return nil, err
	}
	tags := make([]language.Tag, len(Languages))
	for i, name := range Languages {
		tags[i] = language.MustParse(name)
	}
	w := &Writer{locales: locales, match: language.NewMatcher(tags)}
	if w.html, err = htmltemplate.ParseFS(layoutFiles, "layout.html"); err != nil {
		return nil, fmt.Errorf("layout of mail: %w", err)
	}
	if w.text, err = template.ParseFS(layoutFiles, "layout.txt"); err != nil {
		return nil, fmt.Errorf("layout of mail: %w", err)
	}
	return w, nil
}

// Language picks what a guest reads: "pt-BR" is pt, "da" is the first.
func (w *Writer) Language(wanted string) string {
	_, i, confidence := w.match.Match(language.Make(wanted))
	if confidence == language.No {
		return Languages[0]
	}
	return Languages[i]
}

// fields are what the phrases may name.
type fields struct {
	Title, Name, Organizer, Starts, StartsIn, Deadline, Subject, Body string
	Place, City                                                       string
	Position, PartySize                                               int
	ByOrganizer                                                       bool
}

// view is what the layouts may name.
type view struct {
	Language, Subject, Heading string
	Lead                       []paragraph
	Notes                      []string
	Rows                       []row
	Button                     *link
	More                       []link
	Ticket, TicketHint         string
	CID                        htmltemplate.URL // a constant of ours: the scheme cid: is not one that html/template lets through
	Why                        string
	Unsubscribe                *link
	Primary, Background        string
	Organizer                  string
	Pixel                      string
	fallback                   string
}

// paragraph is text with links in it.
type paragraph []span

type span struct{ Text, URL string }

type row struct{ Label, Value, Link, Was string }

type link struct {
	Label, URL string
	HTML       string // another URL for the HTML part
}

// Write writes the mail of a delivery whose event and guest are known.
func (w *Writer) Write(c Content) (Mail, error) {
	l := w.locales[w.Language(c.Delivery.Guest.Locale)]
	f, err := l.fields(c)
	if err != nil {
		return Mail{}, err
	}
	v, err := l.view(c, f)
	if err != nil {
		return Mail{}, err
	}
	m, err := w.lay(v, c.Delivery.Notice.Kind)
	m.Fallback = v.fallback
	return m, err
}

func (l *locale) fields(c Content) (fields, error) {
	d := c.Delivery
	e := &d.Event.Body
	f := fields{
		Title: oneLine(e.Title), Name: oneLine(c.Name), Organizer: organizer(d), StartsIn: l.span(e.StartsAt.Sub(c.Now)),
		Position: d.Ahead + 1, ByOrganizer: d.Notice.Detail.By == "member",
		Subject: oneLine(d.Notice.Detail.Subject), Body: d.Notice.Detail.Body, Place: Place(e),
	}
	if e.Venue != nil {
		f.City = oneLine(e.Venue.City)
	}
	if d.Guest != nil {
		f.PartySize = d.Guest.PartySize
	}
	f.Starts = l.moment(e.StartsAt, l.zones.event(e))
	if at := d.Notice.Detail.Deadline; at != nil {
		f.Deadline = l.moment(*at, l.zones.guest(d))
	}
	if d.Notice.Kind == notice.Campaign { // its words are templates of the organizer's
		return f, f.campaign()
	}
	return f, nil
}

func (l *locale) view(c Content, f fields) (*view, error) {
	d, p := c.Delivery, l.Mails[c.Delivery.Notice.Kind]
	v := &view{Language: l.name, CID: "cid:" + TicketCID, Organizer: f.Organizer, Primary: "#3b49a6", Background: "#f4f4f7", Pixel: c.Pixel}
	if d.Organization != nil && d.Organization.Body.Colors != nil {
		v.Primary = color(d.Organization.Body.Colors.Primary, v.Primary)
		v.Background = color(d.Organization.Body.Colors.Background, v.Background)
	}
	var lead string
	for _, part := range []struct {
		t    *template.Template
		into *string
	}{{p.subject, &v.Subject}, {p.heading, &v.Heading}, {p.lead, &lead}, {l.why, &v.Why}} {
		var b strings.Builder
		if err := part.t.Execute(&b, f); err != nil {
			return nil, fmt.Errorf("phrase of %s in %s: %w", d.Notice.Kind, l.name, err)
		}
		*part.into = b.String()
	}
	v.fallback = v.reword(&lead, d.Wording[l.name], f)
	v.Subject = oneLine(v.Subject)
	v.Lead = paragraphsOf(lead, c)
	l.notes(v, d)
	l.rows(v, c)
	l.links(v, c)
	v.track(c)
	if c.Ticket {
		v.Ticket, v.TicketHint = l.Words.Ticket, l.Words.TicketHint
	}
	if c.Unsubscribe != "" {
		var b strings.Builder
		if err := l.unsubscribe.Execute(&b, f); err != nil {
			return nil, err
		}
		v.Unsubscribe = &link{Label: b.String(), URL: c.Unsubscribe}
	}
	return v, nil
}
