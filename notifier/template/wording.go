package template

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/turnout-events/turnout/notifier/notice"
)

// reword puts the organizer's words in the place of the built-in ones, all of
// them or none: half of each would read strangely. What it returns says why it
// could not.
func (v *view) reword(lead *string, own notice.Wording, f fields) (failed string) {
	subject, heading, body := v.Subject, v.Heading, *lead
	for _, p := range (Phrases(own)).parts() {
		if p.text == "" {
			continue
		}
		written, err := p.write(f)
		if err != nil {
			return fmt.Sprintf("own %s %v", p.name, err)
		}
		switch p.name {
		case "subject":
			subject = written
		case "intro":
			heading = written
		default:
			body = written
		}
	}
	v.Subject, v.Heading, *lead = subject, heading, body
	return ""
}

// write checks what it writes once more: what was saved by another release may
// name what this one does not have.
func (p part) write(f fields) (string, error) {
	t, err := parsePhrase(p.name, p.text)
	if err != nil {
		return "", err
	}
	written, err := runPhrase(t, f.values())
	if err == nil && strings.TrimSpace(written) == "" {
		err = fmt.Errorf("is empty for this guest")
	}
	if p.line {
		written = oneLine(written)
	}
	return written, err
}

// Unwritable means that a campaign's own words make no mail for this guest:
// they say nothing in a case that its writer did not think of.
type Unwritable Refused

func (u Unwritable) Error() string { return u.Field + " of the campaign: " + u.Detail }

// Unwrap tells that trying again is of no use.
func (u Unwritable) Unwrap() error { return &notice.Impossible{Reason: "no-words-for-this-guest"} }

// campaign writes the words of one.
func (f *fields) campaign() error {
	for _, p := range (Phrases{Subject: f.Subject, Body: f.Body}).parts() {
		if p.text == "" {
			continue
		}
		written, err := p.write(*f)
		if err != nil {
			return Unwritable{Field: p.name, Detail: err.Error()}
		}
		if p.line {
			f.Subject = written
		} else {
			f.Body = written
		}
	}
	return nil
}

// webAddress is one in running text; what a sentence puts behind it is cut off.
var webAddress = regexp.MustCompile(`https?://[^\s<>"']*[^\s<>"'.,;:!?)\]]`)

// paragraphsOf makes paragraphs, and of the web addresses in a campaign's body links.
func paragraphsOf(text string, c Content) []paragraph {
	var out []paragraph
	for _, p := range paragraphs(text) {
		if c.Delivery.Notice.Kind != notice.Campaign {
			out = append(out, paragraph{{Text: p}})
			continue
		}
		var spans paragraph
		from := 0
		for _, at := range webAddress.FindAllStringIndex(p, -1) {
			if at[0] > from {
				spans = append(spans, span{Text: p[from:at[0]]})
			}
			spans = append(spans, span{Text: p[at[0]:at[1]], URL: p[at[0]:at[1]]})
			from = at[1]
		}
		if from < len(p) {
			spans = append(spans, span{Text: p[from:]})
		}
		out = append(out, spans)
	}
	return out
}

// track has the links of the HTML part counted: those in the body and the one
// to the event's page. The text part keeps its addresses, and links that act
// for the guest (their answer, unsubscribing) are never led through a counter.
func (v *view) track(c Content) {
	if c.Track == nil {
		return
	}
	for _, p := range v.Lead {
		for i := range p {
			if p[i].URL != "" {
				p[i].URL = c.Track(p[i].URL)
			}
		}
	}
	if v.Button != nil && v.Button.URL == c.Page {
		v.Button.HTML = c.Track(c.Page)
	}
}
