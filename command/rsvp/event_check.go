package rsvp

import (
	"encoding/json"
	"math"
	"net/url"
	"strconv"
	"time"

	"golang.org/x/text/currency"
	"golang.org/x/text/language"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/fault"
)

// Bounds of an event. Lengths are in characters.
const (
	maxTitle       = 200
	maxDescription = 20000
	maxURL         = 2000
	maxTags        = 20
	maxTag         = 50
	maxQuestions   = 20
	// maxQuestionBytes is of JSON. Each message about the event carries it, and Kafka takes a megabyte.
	maxQuestionBytes = 256 << 10
	maxOptions       = 50
	maxReminders     = 10
	maxYearsAhead    = 25
	maxDays          = 3 * 366 // from start to end
)

// earliest is what a time that a client sends is at least: years below 0, which
// an offset can make of the year 0, cannot be written as JSON.
var earliest = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// checker gathers complaints, so that a form shows all at once.
type checker struct{ fields []fault.Field }

func (c *checker) bad(pointer, detail string) {
	for _, f := range c.fields {
		if f.Pointer == pointer {
			return // one complaint per member; what could not be read is not also missing
		}
	}
	c.fields = append(c.fields, fault.Field{Pointer: pointer, Detail: detail})
}

func (c *checker) text(pointer, s string, least, most int, lines bool) {
	if f := checkText(pointer, s, least, most, lines); f != nil {
		c.bad(f.Pointer, f.Detail)
	}
}

func (c *checker) oneOf(pointer, s string, allowed ...string) {
	for _, a := range allowed {
		if s == a {
			return
		}
	}
	detail := "is one of"
	for _, a := range allowed {
		detail += " " + a
	}
	c.bad(pointer, detail)
}

func (c *checker) between(pointer string, n, least, most int) {
	if n < least || n > most {
		c.bad(pointer, "is from "+strconv.Itoa(least)+" to "+strconv.Itoa(most))
	}
}

func (c *checker) words(e *contract.Event) {
	c.text("/title", e.Title, 1, maxTitle, oneLine)
	c.text("/description", e.Description, 0, maxDescription, manyLines)
	c.text("/external_id", e.ExternalID, 0, 200, oneLine)
	c.text("/category", e.Category, 0, 50, oneLine)
	c.oneOf("/visibility", e.Visibility, contract.VisibilityPublic, contract.VisibilityUnlisted)
	if len(e.Tags) > maxTags {
		c.bad("/tags", "has at most "+strconv.Itoa(maxTags)+" tags")
	}
	for i, tag := range e.Tags {
		c.text("/tags/"+strconv.Itoa(i), tag, 1, maxTag, oneLine)
	}
	if p := e.Price; p != nil {
		if !(p.Min >= 0 && p.Min <= 1e9) {
			c.bad("/price_range/min", "is from 0 to 1000000000")
		}
		if !(p.Max >= p.Min && p.Max <= 1e9) {
			c.bad("/price_range/max", "is at least min, and at most 1000000000")
		}
		if u, err := currency.ParseISO(p.Currency); err != nil || u.String() != p.Currency {
			c.bad("/price_range/currency", "is a currency code of ISO 4217, like EUR")
		}
	}
}

func (c *checker) times(e, old *contract.Event, now time.Time) {
	if _, err := zone(e.TimeZone); err != nil {
		c.bad("/time_zone", "is a name of the IANA time zone database, like Europe/Berlin")
	}
	switch {
	case e.StartsAt.IsZero():
		c.bad("/starts_at", "is missing")
	case (old == nil || !old.StartsAt.Equal(e.StartsAt)) && !e.StartsAt.After(now):
		c.bad("/starts_at", "lies in the past")
	case e.StartsAt.After(now.AddDate(maxYearsAhead, 0, 0)):
		c.bad("/starts_at", "is more than "+strconv.Itoa(maxYearsAhead)+" years ahead")
	}
	switch {
	case e.EndsAt.IsZero():
		c.bad("/ends_at", "is missing")
	case !e.EndsAt.After(e.StartsAt):
		c.bad("/ends_at", "is after starts_at")
	case !e.StartsAt.IsZero() && e.EndsAt.After(e.StartsAt.AddDate(0, 0, maxDays)):
		c.bad("/ends_at", "is more than three years after starts_at")
	}
	if e.EndsAt.After(e.StartsAt) && e.RSVPClosesAt.After(e.EndsAt) {
		c.bad("/rsvp_closes_at", "is not after ends_at")
	}
	if e.RSVPClosesAt.Before(earliest) && !e.RSVPClosesAt.Equal(e.StartsAt) {
		c.bad("/rsvp_closes_at", "lies too far back")
	}
	if e.RSVPOpensAt != nil && e.RSVPOpensAt.Before(earliest) {
		c.bad("/rsvp_opens_at", "lies too far back")
	}
	if e.RSVPOpensAt != nil && !e.RSVPOpensAt.Before(e.RSVPClosesAt) {
		c.bad("/rsvp_opens_at", "is before rsvp_closes_at")
	}
	if len(e.Reminders) > maxReminders {
		c.bad("/reminders", "has at most "+strconv.Itoa(maxReminders)+" reminders")
	}
	for _, r := range e.Reminders {
		if d := time.Duration(r); d < 5*time.Minute || d > days(90) {
			c.bad("/reminders", "are from 5m to 90d before the start")
		}
	}
}

func (c *checker) place(e *contract.Event) {
	if e.OnlineURL != "" && !webURL(e.OnlineURL) {
		c.bad("/online_url", "is an http or https address of at most "+strconv.Itoa(maxURL)+" characters")
	}
	v := e.Venue
	if v == nil {
		return
	}
	c.text("/venue/name", v.Name, 0, 200, oneLine)
	c.text("/venue/address", v.Address, 0, 500, manyLines)
	c.text("/venue/city", v.City, 0, 100, oneLine)
	if r, err := language.ParseRegion(v.Country); v.Country != "" && (err != nil || !r.IsCountry() || r.Canonicalize().String() != v.Country) {
		c.bad("/venue/country", "is a country code of ISO 3166-1 with two letters, like DE")
	}
	if (v.Lat == nil) != (v.Lon == nil) {
		c.bad("/venue", "has both lat and lon, or neither")
	}
	if v.Lat != nil && !(math.Abs(*v.Lat) <= 90) {
		c.bad("/venue/lat", "is from -90 to 90 degrees")
	}
	if v.Lon != nil && !(math.Abs(*v.Lon) <= 180) {
		c.bad("/venue/lon", "is from -180 to 180 degrees")
	}
}

func webURL(s string) bool {
	if len(s) > maxURL || checkText("", s, 0, maxURL, oneLine) != nil {
		return false
	}
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Hostname() != "" && u.User == nil
}

// answers checks what binds guests. What an event was given under a higher
// limit it keeps until that is changed.
func (c *checker) answers(e, old *contract.Event, limits Limits) {
	if e.Capacity != nil && (old == nil || !sameNumber(old.Capacity, e.Capacity)) {
		c.between("/capacity", *e.Capacity, 1, limits.MaxCapacity)
	}
	if old == nil || old.MaxParty != e.MaxParty {
		c.between("/max_party", e.MaxParty, 1, min(limits.MaxCapacity, 1000))
	}
	c.oneOf("/waitlist_policy", e.WaitlistPolicy, contract.WaitlistAuto, contract.WaitlistOffer, contract.WaitlistNone)
	if d := time.Duration(e.OfferTTL); d < time.Minute || d > days(7) {
		c.bad("/offer_ttl", "is from 1m to 7d")
	}
	c.between("/retention_days", e.RetentionDays, 1, 3650)
}

func (c *checker) questions(questions []contract.Question) {
	if len(questions) > maxQuestions {
		c.bad("/questions", "has at most "+strconv.Itoa(maxQuestions)+" questions")
	}
	if b, err := json.Marshal(questions); err != nil || len(b) > maxQuestionBytes {
		c.bad("/questions", "are too long together")
	}
	ids := map[string]bool{}
	for i, q := range questions {
		at := "/questions/" + strconv.Itoa(i)
		if !plainID(q.ID) {
			c.bad(at+"/id", "has 1 to 50 letters, digits, - or _")
		}
		if ids[q.ID] {
			c.bad(at+"/id", "is the id of an earlier question")
		}
		ids[q.ID] = true
		c.text(at+"/label", q.Label, 1, 300, oneLine)
		c.oneOf(at+"/kind", q.Kind, contract.QuestionText, contract.QuestionChoice, contract.QuestionCheckbox)
		c.options(at+"/options", q)
	}
}

func (c *checker) options(at string, q contract.Question) {
	switch n := len(q.Options); {
	case q.Kind == contract.QuestionText && n > 0:
		c.bad(at, "belong to choice and checkbox")
	case (q.Kind == contract.QuestionChoice || q.Kind == contract.QuestionCheckbox) && (n < 1 || n > maxOptions):
		c.bad(at, "has 1 to "+strconv.Itoa(maxOptions)+" options")
	}
	seen := map[string]bool{}
	for j, o := range q.Options {
		c.text(at+"/"+strconv.Itoa(j), o, 1, 200, oneLine)
		if seen[o] {
			c.bad(at+"/"+strconv.Itoa(j), "is there twice")
		}
		seen[o] = true
	}
}

// plainID keeps ids free of what a JSON pointer or a form would have to escape.
func plainID(s string) bool {
	if s == "" || len(s) > 50 {
		return false
	}
	for _, r := range s {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_') {
			return false
		}
	}
	return true
}
