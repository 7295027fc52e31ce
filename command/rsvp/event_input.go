package rsvp

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/fault"
)

// apply writes what the input sets into the event and gives the complaints
// about what cannot be read at all.
func (in *EventInput) apply(e *contract.Event) []fault.Field {
	var fields []fault.Field
	bad := func(pointer, detail string) {
		fields = append(fields, fault.Field{Pointer: pointer, Detail: detail})
	}
	defaultClose := e.RSVPClosesAt.Equal(e.StartsAt)

	setText(in.Title, &e.Title)
	setText(in.Description, &e.Description)
	setText(in.TimeZone, &e.TimeZone)
	setText(in.OnlineURL, &e.OnlineURL)
	setText(in.Category, &e.Category)
	setText(in.WaitlistPolicy, &e.WaitlistPolicy)
	setText(in.Visibility, &e.Visibility)
	set(in.MaxParty, &e.MaxParty)
	set(in.Approval, &e.Approval)
	set(in.ConfirmAddress, &e.ConfirmAddress)
	set(in.RemindMaybe, &e.RemindMaybe)
	set(in.RetentionDays, &e.RetentionDays)
	if in.Capacity.Set {
		e.Capacity = in.Capacity.Value
	}
	if in.Price.Set {
		e.Price = in.Price.Value
	}
	if in.Venue.Set {
		e.Venue = tidyVenue(in.Venue.Value)
	}
	switch {
	case in.Online.Value != nil:
		e.Online = *in.Online.Value
	case in.Online.Set || in.OnlineURL.Set:
		e.Online = e.OnlineURL != ""
	}
	if in.Tags.Set {
		e.Tags = tidyTags(in.Tags.Value)
	}
	if in.Questions.Set {
		e.Questions = tidyQuestions(in.Questions.Value)
	}

	setTime(in.StartsAt, "/starts_at", &e.StartsAt, bad)
	setTime(in.EndsAt, "/ends_at", &e.EndsAt, bad)
	if in.RSVPOpensAt.Set {
		e.RSVPOpensAt = nil
		if in.RSVPOpensAt.Value != nil {
			var at time.Time
			setTime(in.RSVPOpensAt, "/rsvp_opens_at", &at, bad)
			e.RSVPOpensAt = &at
		}
	}
	switch {
	case in.RSVPClosesAt.Value != nil:
		setTime(in.RSVPClosesAt, "/rsvp_closes_at", &e.RSVPClosesAt, bad)
	case in.RSVPClosesAt.Set || defaultClose:
		e.RSVPClosesAt = e.StartsAt // the window follows the start
	}
	in.durations(e, bad)
	return fields
}

// fixed complains about what an event keeps for its life.
func (in *EventInput) fixed(e *contract.Event) []fault.Field {
	var fields []fault.Field
	if in.OrganizationID != "" && in.OrganizationID != e.OrganizationID {
		fields = append(fields, fault.Field{Pointer: "/organization_id", Detail: "stays what it is"})
	}
	if in.ExternalID != "" && in.ExternalID != e.ExternalID {
		fields = append(fields, fault.Field{Pointer: "/external_id", Detail: "stays what it is"})
	}
	return fields
}

func (in *EventInput) durations(e *contract.Event, bad func(pointer, detail string)) {
	if in.OfferTTL.Set {
		e.OfferTTL = defaultOfferTTL
		if in.OfferTTL.Value != nil {
			d, err := contract.ParseDuration(*in.OfferTTL.Value)
			if err != nil {
				bad("/offer_ttl", "write it as 30m, 12h or 2d")
			}
			e.OfferTTL = d
		}
	}
	if in.Reminders.Set {
		e.Reminders = []contract.Duration{}
		if in.Reminders.Value != nil {
			for i, s := range *in.Reminders.Value {
				d, err := contract.ParseDuration(s)
				if err != nil {
					bad("/reminders/"+strconv.Itoa(i), "write it as 30m, 24h or 7d")
					continue
				}
				e.Reminders = append(e.Reminders, d)
			}
		}
		slices.SortFunc(e.Reminders, func(a, b contract.Duration) int { return cmp.Compare(b, a) })
		e.Reminders = slices.Compact(e.Reminders)
	}
}

// set takes a member over; null is the zero value.
func set[T any](o Opt[T], to *T) {
	if o.Set {
		var v T
		if o.Value != nil {
			v = *o.Value
		}
		*to = v
	}
}

// setText takes text over: NFC, without blanks around it.
func setText(o Opt[string], to *string) {
	if o.Set {
		set(o, to)
		*to = tidy(*to)
	}
}

func tidy(s string) string { return strings.TrimSpace(norm.NFC.String(s)) }

func setTime(o Opt[string], pointer string, to *time.Time, bad func(pointer, detail string)) {
	if !o.Set {
		return
	}
	*to = time.Time{}
	if o.Value == nil {
		return
	}
	t, err := time.Parse(time.RFC3339, *o.Value)
	if err != nil {
		bad(pointer, "write it as 2027-03-01T19:00:00+01:00 (RFC 3339)")
		return
	}
	*to = contract.Time(t)
}

// tidyVenue gives nil for a venue that says nothing.
func tidyVenue(v *contract.Venue) *contract.Venue {
	if v == nil {
		return nil
	}
	t := contract.Venue{
		Name: tidy(v.Name), Address: tidy(v.Address), City: tidy(v.City),
		Country: strings.ToUpper(tidy(v.Country)), Lat: v.Lat, Lon: v.Lon,
	}
	if t == (contract.Venue{}) {
		return nil
	}
	return &t
}

// tidyTags keeps tags as they are given, without blanks and repeats.
func tidyTags(tags *[]string) []string {
	kept := []string{}
	if tags == nil {
		return kept
	}
	seen := map[string]bool{}
	for _, tag := range *tags {
		tag = tidy(tag)
		if key := strings.ToLower(tag); tag != "" && !seen[key] {
			seen[key] = true
			kept = append(kept, tag)
		}
	}
	return kept
}

// tidyQuestions gives an id to those without one.
func tidyQuestions(questions *[]contract.Question) []contract.Question {
	kept := []contract.Question{}
	if questions == nil {
		return kept
	}
	for i, q := range *questions {
		q.Label, q.ID = tidy(q.Label), tidy(q.ID)
		if q.ID == "" {
			q.ID = "q" + strconv.Itoa(i+1)
		}
		q.Options = slices.Clone(q.Options)
		for j, o := range q.Options {
			q.Options[j] = tidy(o)
		}
		kept = append(kept, q)
	}
	return kept
}
