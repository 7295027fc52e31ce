package web

import (
	"crypto/rand"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
)

// clockForm is how browsers write a time without a zone.
const clockForm = "2006-01-02T15:04"

// formOf is an event as its form shows it: times on the event's own clock.
func formOf(e ownEvent) url.Values {
	f := url.Values{}
	clock := func(name string, t time.Time) { f.Set(name, inZone(t, e.TimeZone).Format(clockForm)) }
	yes := func(name string, is bool) {
		if is {
			f.Set(name, "1")
		}
	}
	f.Set("title", e.Title)
	f.Set("description", e.Description)
	f.Set("time_zone", e.TimeZone)
	clock("starts_at", e.StartsAt)
	clock("ends_at", e.EndsAt)
	if e.RSVPOpensAt != nil {
		clock("rsvp_opens_at", *e.RSVPOpensAt)
	}
	if !e.RSVPClosesAt.Equal(e.StartsAt) { // empty follows the start
		clock("rsvp_closes_at", e.RSVPClosesAt)
	}
	if v := e.Venue; v != nil {
		for name, text := range map[string]string{"venue_name": v.Name, "venue_address": v.Address, "venue_city": v.City, "venue_country": v.Country,
			"venue_lat": decimal(v.Lat), "venue_lon": decimal(v.Lon)} {
			f.Set(name, text)
		}
	}
	f.Set("online_url", e.OnlineURL)
	yes("online", e.Online && e.OnlineURL == "")
	f.Set("category", e.Category)
	f.Set("tags", strings.Join(e.Tags, ", "))
	f.Set("visibility", e.Visibility)
	if e.Capacity != nil {
		f.Set("capacity", strconv.Itoa(*e.Capacity))
	}
	f.Set("max_party", strconv.Itoa(e.MaxParty))
	f.Set("waitlist_policy", e.WaitlistPolicy)
	f.Set("offer_ttl", e.OfferTTL.String())
	yes("approval", e.Approval)
	yes("confirm_address", e.ConfirmAddress)
	f.Set("reminders", reminders(e.Reminders))
	yes("remind_maybe", e.RemindMaybe)
	f.Set("retention_days", strconv.Itoa(e.RetentionDays))
	if p := e.Price; p != nil {
		f.Set("price_min", decimal(&p.Min))
		f.Set("price_max", decimal(&p.Max))
		f.Set("price_currency", p.Currency)
	}
	for i, q := range e.Questions {
		at := questionField(i)
		f.Set(at+"id", q.ID)
		f.Set(at+"label", q.Label)
		f.Set(at+"kind", q.Kind)
		f.Set(at+"options", strings.Join(q.Options, "\n"))
		yes(at+"required", q.Required)
	}
	return f
}

func decimal(x *float64) string {
	if x == nil {
		return ""
	}
	return strconv.FormatFloat(*x, 'f', -1, 64)
}

func reminders(all []contract.Duration) string {
	texts := make([]string, 0, len(all))
	for _, d := range all {
		texts = append(texts, d.String())
	}
	return strings.Join(texts, ", ")
}

// onClock reads what a field for date and time gives, as the clock of a zone shows it. As in a series (RFC 5545, 3.3.5) a time
// that comes twice is the first, and one that clocks skip is read with the offset from before the gap, so that 02:30 becomes
// 03:30; time.ParseInLocation promises neither.
func onClock(typed, tz string) (time.Time, error) {
	loc, err := time.LoadLocation(tz)
	if err != nil || loc == time.Local {
		loc = time.UTC // the API refuses the zone
	}
	var wall time.Time
	for _, form := range []string{clockForm, clockForm + ":05", "2006-01-02 15:04"} {
		if wall, err = time.Parse(form, strings.TrimSpace(typed)); err == nil {
			break
		}
	}
	if err != nil {
		return time.Time{}, err
	}
	with := func(offsetAt time.Time) time.Time {
		_, seconds := offsetAt.In(loc).Zone()
		return wall.Add(-time.Duration(seconds) * time.Second).In(loc)
	}
	before := with(wall.Add(-24 * time.Hour))
	if after := with(wall.Add(24 * time.Hour)); !shows(before, wall) && shows(after, wall) {
		return after, nil
	}
	return before, nil
}

func shows(t, wall time.Time) bool { return t.Format(time.DateTime) == wall.Format(time.DateTime) }

// input is the form as the API's body. What it cannot make sense of it passes on as it was typed: the API says what it wants.
func input(f url.Values) map[string]any {
	clock := func(name string) any {
		if t, err := onClock(f.Get(name), f.Get("time_zone")); err == nil {
			return t.Format(time.RFC3339)
		}
		return text(f.Get(name))
	}
	in := map[string]any{
		"starts_at": clock("starts_at"), "ends_at": clock("ends_at"), "rsvp_opens_at": clock("rsvp_opens_at"), "rsvp_closes_at": clock("rsvp_closes_at"),
		"tags": parts(f.Get("tags"), ","), "reminders": parts(f.Get("reminders"), ","),
		"approval": f.Has("approval"), "confirm_address": f.Has("confirm_address"), "remind_maybe": f.Has("remind_maybe"),
		"venue": venueInput(f), "price_range": priceInput(f), "questions": questionsInput(f),
	}
	for _, name := range []string{"title", "description", "time_zone", "online_url", "category", "visibility", "waitlist_policy", "offer_ttl"} {
		in[name] = text(lines(f.Get(name)))
	}
	for _, name := range []string{"capacity", "max_party", "retention_days"} {
		in[name] = number(f.Get(name))
	}
	if in["online"] = any(nil); f.Has("online") {
		in["online"] = true // else it is where there is an address
	}
	return in
}

// fresh is the body of a new event: what was left empty takes its default.
func fresh(f url.Values, org string) map[string]any {
	in := input(f)
	for name, value := range in {
		if value == nil {
			delete(in, name)
		}
	}
	in["organization_id"] = org
	return in
}

// changed is the body of an edit. What reads as it did when the form was made is not sent, so that nothing is moved by what
// a form does not show, such as the seconds of a time.
func changed(f, base url.Values) map[string]any {
	in, was := input(f), input(base)
	for name := range in {
		if reflect.DeepEqual(in[name], was[name]) {
			delete(in, name)
		}
	}
	return in
}

func venueInput(f url.Values) any {
	venue, some := map[string]any{}, false
	for _, name := range []string{"name", "address", "city", "country"} {
		venue[name] = text(lines(f.Get("venue_" + name)))
		some = some || venue[name] != nil
	}
	for _, name := range []string{"lat", "lon"} {
		venue[name] = number(f.Get("venue_" + name))
		some = some || venue[name] != nil
	}
	if !some {
		return nil
	}
	return venue
}

func priceInput(f url.Values) any {
	least, most, currency := number(f.Get("price_min")), number(f.Get("price_max")), strings.TrimSpace(f.Get("price_currency"))
	if least == nil && most == nil && currency == "" {
		return nil
	}
	if most == nil {
		most = least // there is one price
	}
	return map[string]any{"min": least, "max": most, "currency": strings.ToUpper(currency)}
}

// text is null where there is none.
func text(s string) any {
	if s = strings.TrimSpace(s); s == "" {
		return nil
	}
	return s
}

// lines has the ends of lines as they are stored; forms send them as CR LF.
func lines(s string) string { return strings.ReplaceAll(s, "\r\n", "\n") }

func number(s string) any {
	s = strings.TrimSpace(s)
	if n, err := strconv.Atoi(s); err == nil {
		return n
	}
	if x, err := strconv.ParseFloat(s, 64); err == nil && x-x == 0 { // JSON has no infinity
		return x
	}
	return text(s)
}

func parts(s, by string) []string {
	all := []string{}
	for _, part := range strings.Split(lines(s), by) {
		if part = strings.TrimSpace(part); part != "" {
			all = append(all, part)
		}
	}
	return all
}

// questionRow is a question in the form; N counts them from 0.
type questionRow struct {
	N                        int
	At                       string // begins the names of its fields
	ID, Label, Kind, Options string
	Required, Gone           bool
}

// shownRow is a row with what is wrong in it.
type shownRow struct {
	Row   questionRow
	Kinds []choice
	wrong map[string]string
}

func rowOf(r questionRow, wrong map[string]string, kinds []choice) shownRow {
	return shownRow{r, kinds, wrong}
}

// Number counts from 1.
func (s shownRow) Number() int { return s.Row.N + 1 }

// Of is what is wrong in one of its fields.
func (s shownRow) Of(part string) string { return s.wrong[s.Row.At+part] }

// mostRows bounds what is read of a form.
const mostRows = 60

func questionField(n int) string { return "q" + strconv.Itoa(n) + "_" }

func questionRows(f url.Values) []questionRow {
	var rows []questionRow
	for n := 0; n < mostRows && f.Has(questionField(n)+"label"); n++ {
		at := questionField(n)
		rows = append(rows, questionRow{N: n, At: at, ID: f.Get(at + "id"), Label: f.Get(at + "label"), Kind: f.Get(at + "kind"), Options: f.Get(at + "options"),
			Required: f.Has(at + "required"), Gone: f.Has(at + "gone")})
	}
	return rows
}

// kept leaves out what is to be removed, and rows that were never filled in.
func kept(rows []questionRow) []questionRow {
	var all []questionRow
	for _, r := range rows {
		if !r.Gone && strings.TrimSpace(r.Label+r.Options) != "" {
			all = append(all, r)
		}
	}
	return all
}

func questionsInput(f url.Values) []map[string]any {
	all := []map[string]any{}
	for _, r := range kept(questionRows(f)) {
		all = append(all, map[string]any{"id": r.ID, "label": r.Label, "kind": r.Kind, "options": parts(r.Options, "\n"), "required": r.Required})
	}
	return all
}

// spare adds empty rows. A question's id is made with its row, and never that of one that was removed: old answers would
// be taken for answers to the new one.
func spare(f url.Values, count int) {
	n := len(questionRows(f))
	for end := min(n+count, mostRows); n < end; n++ {
		f.Set(questionField(n)+"id", "q-"+strings.ToLower(rand.Text()[:10]))
		f.Set(questionField(n)+"label", "")
	}
}
