package web

import (
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// eventLabels is what the form calls the fields of an event, by the names of its inputs.
var eventLabels = map[string]string{
	"title": "Title", "description": "Description", "starts_at": "Start", "ends_at": "End", "time_zone": "Time zone",
	"venue_name": "Venue", "venue_address": "Address", "venue_city": "City", "venue_country": "Country", "venue_lat": "Latitude", "venue_lon": "Longitude",
	"online": "Online", "online_url": "Link for those who take part online", "category": "Category", "tags": "Tags", "visibility": "Who finds it",
	"price_min": "Price from", "price_max": "Price to", "price_currency": "Currency",
	"capacity": "Seats", "max_party": "People per answer", "waitlist_policy": "When it is full", "offer_ttl": "An offer is held for",
	"approval": "Approval", "confirm_address": "Confirmed addresses", "rsvp_opens_at": "Answers open", "rsvp_closes_at": "Answers close",
	"reminders": "Reminders", "remind_maybe": "Reminders for maybe", "retention_days": "Days until guests' data are erased",
	"label": "question", "kind": "kind", "options": "options", "required": "required", "rrule": "Repeat", "reason": "Reason", "If-Match": "The event",
}

// plainly says what the API calls by its own names in the words of the form.
var plainly = strings.NewReplacer("rsvp_closes_at", "the close of answers", "rsvp_opens_at", "the opening of answers", "starts_at", "the start", "ends_at", "the end",
	"2027-03-01T19:00:00+01:00 (RFC 3339)", "2027-03-01 19:00", "is a string, wants a", "is a")

// wanted finds details that say how a field should be: "End is after the start" would read as if it were.
var wanted = regexp.MustCompile(`^is ((after|before|from|at least|an?|one of) )`)

// fieldOf is the input that a JSON pointer is about, and what the form calls it. The questions are those that were sent.
func fieldOf(pointer string, sent []questionRow) (name, label string) {
	path := strings.Split(strings.TrimPrefix(pointer, "/"), "/")
	switch {
	case path[0] == "questions" && len(path) > 1:
		n, err := strconv.Atoi(path[1])
		if err != nil || n < 0 || n >= len(sent) {
			return "questions", "Questions"
		}
		part := "label"
		if len(path) > 2 && path[2] != "id" {
			part = path[2]
		}
		label = "Question " + strconv.Itoa(sent[n].N+1)
		if part != "label" {
			label += ", " + eventLabels[part]
		}
		return sent[n].At + part, label
	case path[0] == "questions":
		return "questions", "Questions"
	case path[0] == "venue" && len(path) > 1:
		name = "venue_" + path[1]
	case path[0] == "venue":
		name = "venue_lat"
	case path[0] == "price_range" && len(path) > 1:
		name = "price_" + path[1]
	case path[0] == "price_range":
		name = "price_currency"
	default:
		name = path[0]
	}
	if label = eventLabels[name]; label == "" {
		label = name
	}
	return name, label
}

// eventTrouble is a refusal in the words of the form, and what is wrong by the names of the inputs.
func eventTrouble(p *problem, f url.Values) (*trouble, map[string]string) {
	if p == nil {
		return nil, nil
	}
	t, wrong, sent := &trouble{Detail: p.Detail}, map[string]string{}, kept(questionRows(f))
	if t.Detail == "" {
		t.Detail = p.Title
	}
	for _, e := range p.Errors {
		name, label := fieldOf(e.Pointer, sent)
		detail := plainly.Replace(e.Detail)
		detail = wanted.ReplaceAllString(detail, "must be $1")
		if _, told := wrong[name]; !told {
			wrong[name] = detail
		}
		t.Fields = append(t.Fields, troubleField{Label: label, Detail: detail})
	}
	if len(t.Fields) > 0 && p.Code == "invalid-input" {
		t.Detail = "Please look at this again:"
	}
	return t, wrong
}
