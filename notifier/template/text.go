package template

import (
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/notifier/notice"
)

func organizer(d *notice.Delivery) string {
	if d.Organization != nil && d.Organization.Body.Name != "" {
		return oneLine(d.Organization.Body.Name)
	}
	return "Turnout"
}

// Place is the venue in one line; empty when the event is online only.
func Place(e *contract.Event) string {
	if e.Venue == nil {
		return ""
	}
	var parts []string
	for _, s := range []string{e.Venue.Name, e.Venue.Address, e.Venue.City} {
		if s = oneLine(s); s != "" {
			parts = append(parts, s)
		}
	}
	return strings.Join(parts, ", ")
}

// zones remembers what time.LoadLocation reads from disk each time it is
// asked. Only real zones get in, so it is bounded. Safe for concurrent use.
type zones struct{ known sync.Map }

func (z *zones) named(name string, otherwise *time.Location) *time.Location {
	if name == "" {
		return otherwise
	}
	if l, there := z.known.Load(name); there {
		return l.(*time.Location)
	}
	l, err := time.LoadLocation(name)
	if err != nil {
		return otherwise
	}
	z.known.Store(name, l)
	return l
}

func (z *zones) event(e *contract.Event) *time.Location { return z.named(e.TimeZone, time.UTC) }

func (z *zones) guest(d *notice.Delivery) *time.Location {
	return z.named(d.Guest.TimeZone, z.event(&d.Event.Body))
}

// differs compares what the clocks show, not the zones' names.
func differs(a, b *time.Location, at time.Time) bool {
	_, x := at.In(a).Zone()
	_, y := at.In(b).Zone()
	return x != y
}

func sameDay(a, b time.Time) bool { return a.YearDay() == b.YearDay() && a.Year() == b.Year() }

var hexColor = regexp.MustCompile(`^#[0-9a-fA-F]{6}$`)

// color refuses what is no colour: the value goes into a style attribute.
func color(s, otherwise string) string {
	if hexColor.MatchString(s) {
		return s
	}
	return otherwise
}

// oneLine keeps what people typed from adding headers or lines.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

func paragraphs(s string) []string {
	var out []string
	for _, p := range strings.Split(strings.ReplaceAll(s, "\r\n", "\n"), "\n\n") {
		if p = strings.TrimSpace(p); p != "" {
			out = append(out, p)
		}
	}
	return out
}

var manyLines = regexp.MustCompile(`\n{3,}`)

func tidy(s string) string { return strings.TrimSpace(manyLines.ReplaceAllString(s, "\n\n")) + "\n" }
