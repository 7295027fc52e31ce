package httpapi

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"github.com/turnout-events/turnout/internal/fault"
	"github.com/turnout-events/turnout/internal/id"
	"github.com/turnout-events/turnout/query/reader"
)

const (
	defaultLimit = 20
	maxLimit     = 100
	maxText      = 200 // runes of a search
)

// params reads query parameters and collects every complaint, so that a client
// sees all of them at once.
type params struct {
	values url.Values
	fields []fault.Field
}

// paramsOf refuses names that the route does not know: a misspelt filter would
// otherwise answer more than was asked for.
func paramsOf(c *gin.Context, known ...string) *params {
	p := &params{}
	values, err := url.ParseQuery(c.Request.URL.RawQuery)
	if err != nil {
		p.complain("", "the query string is malformed")
	}
	p.values = values
	for name, given := range values {
		switch {
		case !slices.Contains(known, name):
			p.complain(name, "unknown parameter")
		case len(given) > 1 && name != "tag":
			p.complain(name, "given more than once")
		}
		for _, v := range given {
			if !utf8.ValidString(v) || strings.ContainsRune(v, 0) {
				p.complain(name, "not UTF-8 text")
			}
		}
	}
	slices.SortFunc(p.fields, func(a, b fault.Field) int { return strings.Compare(a.Pointer, b.Pointer) })
	return p
}

func (p *params) complain(name, detail string) {
	p.fields = append(p.fields, fault.Field{Pointer: name, Detail: detail})
}

// err is the sum of the complaints.
func (p *params) err() error {
	if len(p.fields) == 0 {
		return nil
	}
	return fault.ErrInvalid.About(p.fields...)
}

func (p *params) has(name string) bool { return p.values.Has(name) }

func (p *params) text(name string) string {
	v := strings.TrimSpace(p.values.Get(name))
	if utf8.RuneCountInString(v) > maxText {
		p.complain(name, "longer than 200 characters")
		return ""
	}
	return v
}

func (p *params) oneOf(name, fallback string, allowed ...string) string {
	if !p.has(name) {
		return fallback
	}
	v := p.values.Get(name)
	if !slices.Contains(allowed, v) {
		p.complain(name, "must be one of "+strings.Join(allowed, ", "))
	}
	return v
}

func (p *params) boolean(name string) *bool {
	if !p.has(name) {
		return nil
	}
	switch p.values.Get(name) {
	case "true":
		v := true
		return &v
	case "false":
		v := false
		return &v
	}
	p.complain(name, "must be true or false")
	return nil
}

func (p *params) flag(name string) bool {
	v := p.boolean(name)
	return v != nil && *v
}

func (p *params) limit() int {
	if !p.has("limit") {
		return defaultLimit
	}
	n, err := strconv.Atoi(p.values.Get("limit"))
	if err != nil || n < 1 || n > maxLimit {
		p.complain("limit", "must be a number from 1 to 100")
		return defaultLimit
	}
	return n
}

// numbers reads n decimal numbers between commas.
func (p *params) numbers(name string, n int) []float64 {
	if !p.has(name) {
		return nil
	}
	parts := strings.Split(p.values.Get(name), ",")
	if len(parts) != n {
		p.complain(name, "must be "+strconv.Itoa(n)+" numbers with commas between")
		return nil
	}
	out := make([]float64, n)
	for i, part := range parts {
		part = strings.TrimSpace(part)
		f, err := strconv.ParseFloat(part, 64)
		if n > 1 && strings.Trim(part, "-.0123456789") != "" {
			err = strconv.ErrSyntax // of places, decimal notation alone: no 1e3, no 0x1p4
		}
		if err != nil || f != f || f > 1e9 || f < -1e9 {
			p.complain(name, "is no number: "+part)
			return nil
		}
		out[i] = f
	}
	return out
}

func (p *params) lat(name string, f float64) {
	if f < -90 || f > 90 {
		p.complain(name, "latitude must be from -90 to 90")
	}
}

func (p *params) lon(name string, f float64) {
	if f < -180 || f > 180 {
		p.complain(name, "longitude must be from -180 to 180")
	}
}

// moment reads RFC 3339; a day alone is its first instant in the zone.
func (p *params) moment(name string, zone *time.Location) *time.Time {
	if !p.has(name) {
		return nil
	}
	// A plus sign that was not escaped has become a space.
	v := strings.Replace(p.values.Get(name), " ", "+", 1)
	t, err := time.Parse(time.RFC3339Nano, v)
	if err != nil {
		if t, err = time.ParseInLocation(time.DateOnly, v, zone); err == nil {
			t = dayBegins(v, t)
		}
	}
	if err != nil || t.Year() < 1900 || t.Year() > 2200 {
		p.complain(name, "must be a time like 2030-05-01T19:00:00+02:00, or a day")
		return nil
	}
	// An offset of 24 hours parses, but no JSON has it.
	t = t.UTC()
	return &t
}

// dayBegins corrects where time.Date has put a day's midnight. There is none
// where clocks jump over it, and the time is of the day before; where they are
// set back to it, there are two, and the time may be the second.
func dayBegins(day string, midnight time.Time) time.Time {
	if midnight.Format(time.DateOnly) < day {
		_, end := midnight.ZoneBounds()
		return end
	}
	before := midnight.Add(-time.Nanosecond)
	if before.Format(time.DateOnly) != day {
		return midnight
	}
	_, was := before.Zone()
	_, is := midnight.Zone()
	return midnight.Add(time.Duration(is-was) * time.Second)
}

func (p *params) zone(name string) *time.Location {
	if !p.has(name) {
		return time.UTC
	}
	v := p.values.Get(name)
	loc, err := time.LoadLocation(v)
	if err != nil || v == "" || v == "Local" {
		p.complain(name, "must be an IANA time zone like Europe/Berlin")
		return time.UTC
	}
	return loc
}

// least reads Turnout-Min-Version: "<event or organization>@<version>".
func least(c *gin.Context) (reader.Least, error) {
	header := c.GetHeader(HeaderMinVersion)
	if header == "" {
		return reader.Least{}, nil
	}
	subject, version, ok := strings.Cut(header, "@")
	n, err := strconv.ParseInt(version, 10, 64)
	if !ok || err != nil || n < 1 || n > 1<<53 || !id.Valid(subject) {
		return reader.Least{}, fault.ErrInvalid.About(fault.Field{Pointer: HeaderMinVersion, Detail: "must be <event id>@<version>"})
	}
	return reader.Least{Subject: subject, Version: n}, nil
}
