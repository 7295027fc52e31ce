package reader

import (
	"context"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/document"
	"github.com/turnout-events/turnout/internal/elastic"
)

// Usage is how full an event is, and how many of those with a seat came.
type Usage struct {
	EventID     string    `json:"event_id"`
	Title       string    `json:"title"`
	Slug        string    `json:"slug"`
	StartsAt    time.Time `json:"starts_at"`
	Capacity    *int      `json:"capacity"`
	Going       int       `json:"going"`
	Waitlisted  int       `json:"waitlisted"`
	CheckedIn   int       `json:"checked_in"`
	Utilization *float64  `json:"utilization"`  // going / capacity; null without a limit
	NoShowRate  *float64  `json:"no_show_rate"` // (going − checked in) / going; null before the end
}

func usageOf(e Event, now time.Time) Usage {
	u := Usage{EventID: e.ID, Title: e.Title, Slug: e.Slug, StartsAt: e.StartsAt, Capacity: e.Seats.Capacity,
		Going: e.Seats.Going, Waitlisted: e.Seats.Waitlisted, CheckedIn: e.Seats.CheckedIn}
	if c := e.Seats.Capacity; c != nil {
		u.Utilization = ratio(int64(u.Going), int64(*c))
	}
	if e.EndsAt.Before(now) && e.Status == contract.EventPublished {
		u.NoShowRate = ratio(int64(max(u.Going-u.CheckedIn, 0)), int64(u.Going))
	}
	return u
}

// usagePage is how many events are read at a time.
const usagePage = 1000

// usageFields are all that usageOf reads; a description may be long.
var usageFields = []string{"event.id", "event.title", "event.slug", "event.status", "event.starts_at", "event.ends_at", "seats"}

// Utilization lists all of an organization's published events that start in the range, by start.
func (s *Stores) Utilization(ctx context.Context, org string, r Range, now time.Time) ([]Usage, error) {
	q := Search{Organization: org, Status: contract.EventPublished, From: r.From, To: r.To, Past: true, Sort: SortDate, Limit: usagePage, Lean: true}
	out := []Usage{}
	for after, more := []any(nil), true; more; {
		body, _ := q.body(now, after, false)
		body["size"], body["_source"] = usagePage, usageFields
		found, err := run(s.search, func() (elastic.SearchResult, error) { return s.Elastic.Search(ctx, document.Listings, body) })
		if err != nil {
			return nil, searched("list events", err)
		}
		for _, hit := range found.Hits {
			e, err := eventOf(hit.Source)
			if err != nil {
				return nil, err
			}
			out = append(out, usageOf(e, now))
		}
		if more = len(found.Hits) == usagePage; more {
			after = after[:0]
			for _, key := range found.Hits[usagePage-1].Sort {
				after = append(after, key)
			}
		}
	}
	return out, nil
}

// Totals are an organization's over its events.
type Totals struct {
	Events      int      `json:"events"`
	Seats       int      `json:"seats"` // of the events that have a limit
	SeatsTaken  int      `json:"seats_taken"`
	Utilization *float64 `json:"utilization"`
	NoShowRate  *float64 `json:"no_show_rate"` // of the events that are over
}

// Total adds up.
func Total(usage []Usage) Totals {
	t := Totals{Events: len(usage)}
	going, came := 0, 0
	for _, u := range usage {
		if u.Capacity != nil {
			t.Seats += *u.Capacity
			t.SeatsTaken += u.Going
		}
		if u.NoShowRate != nil {
			going += u.Going
			came += min(u.CheckedIn, u.Going)
		}
	}
	t.Utilization, t.NoShowRate = ratio(int64(t.SeatsTaken), int64(t.Seats)), ratio(int64(going-came), int64(going))
	return t
}

// EventFigures are what only one event's page shows.
type EventFigures struct {
	Usage   Usage            `json:"seats"`
	Status  map[string]Group `json:"by_status"`
	Ratings Ratings          `json:"ratings"`
	Lead    *Lead            `json:"lead_time"` // null before the first answer
	Curve   []Step           `json:"check_in_curve"`
}

// Group counts parties and the people in them.
type Group struct {
	Parties int64 `json:"parties"`
	People  int64 `json:"people"`
}

// Ratings are the guests' last ones.
type Ratings struct {
	Count   int64            `json:"count"`
	Average *float64         `json:"average"`
	By      map[string]int64 `json:"by_rating"`
}

// Lead is how long before the start guests answered first, in hours.
type Lead struct {
	Median float64 `json:"median_hours"`
	P10    float64 `json:"p10_hours"`
	P90    float64 `json:"p90_hours"`
}

// Step is the people who came in during a quarter of an hour, by the door's time.
type Step struct {
	At     time.Time `json:"at"`
	People int64     `json:"people"`
}

// EventFigures adds up one event.
func (s *Stores) EventFigures(ctx context.Context, e Event, r Range, now time.Time) (EventFigures, error) {
	out := EventFigures{Usage: usageOf(e, now), Status: map[string]Group{}, Ratings: Ratings{By: map[string]int64{}}, Curve: []Step{}}
	if err := s.guestFigures(ctx, e.ID, &out); err != nil {
		return out, err
	}
	var facts struct {
		First struct {
			count
			At struct {
				Values []struct {
					Percent float64  `json:"key"`
					V       *float64 `json:"value"`
				} `json:"values"`
			} `json:"at"`
		} `json:"first"`
		Door struct {
			Steps struct {
				Buckets []struct {
					Key    int64 `json:"key"`
					People value `json:"people"`
				} `json:"buckets"`
			} `json:"steps"`
		} `json:"door"`
	}
	err := s.aggregate(ctx, document.Facts, FactsQuery{Event: e.ID, Range: r}.query(), object{
		"first": object{"filter": term("first", true), "aggs": object{
			"at": object{"percentiles": object{"field": "at", "percents": []float64{10, 50, 90}, "keyed": false}}}},
		"door": object{
			"filter": object{"bool": object{"must_not": []any{term("check_in_delta", 0)}, "filter": []any{object{"exists": object{"field": "check_in_delta"}}}}},
			"aggs": object{"steps": object{
				// When they stood at the door: a device without a network is recorded hours later.
				"date_histogram": object{"field": "valid_at", "fixed_interval": "15m", "min_doc_count": 1},
				"aggs":           object{"people": object{"sum": object{"field": "check_in_delta"}}},
			}},
		},
	}, &facts)
	if err != nil {
		return out, err
	}
	if facts.First.N > 0 {
		out.Lead = &Lead{}
		for _, at := range facts.First.At.Values {
			if at.V == nil {
				continue
			}
			hours := float64(e.StartsAt.UnixMilli()-int64(*at.V)) / 3_600_000
			switch at.Percent { // who answers early has the smaller time and the longer lead
			case 10:
				out.Lead.P90 = hours
			case 50:
				out.Lead.Median = hours
			case 90:
				out.Lead.P10 = hours
			}
		}
	}
	for _, b := range facts.Door.Steps.Buckets {
		out.Curve = append(out.Curve, Step{At: time.UnixMilli(b.Key).UTC(), People: int64(b.People.V)})
	}
	return out, nil
}

func (s *Stores) guestFigures(ctx context.Context, eventID string, out *EventFigures) error {
	var guests struct {
		Status struct {
			Buckets []struct {
				Key string `json:"key"`
				count
				People value `json:"people"`
			} `json:"buckets"`
		} `json:"status"`
		Rating struct {
			Buckets []struct {
				Key int64 `json:"key"`
				count
			} `json:"buckets"`
		} `json:"rating"`
	}
	err := s.aggregate(ctx, document.GuestList, term("event_id", eventID), object{
		"status": object{"terms": object{"field": "status", "size": 20}, "aggs": object{"people": object{"sum": object{"field": "party_size"}}}},
		"rating": object{"terms": object{"field": "rating", "size": 10}},
	}, &guests)
	if err != nil {
		return err
	}
	for _, b := range guests.Status.Buckets {
		out.Status[b.Key] = Group{Parties: b.N, People: int64(b.People.V)}
	}
	var sum int64
	for _, b := range guests.Rating.Buckets {
		out.Ratings.By[string(rune('0'+b.Key))] = b.N
		out.Ratings.Count += b.N
		sum += b.Key * b.N
	}
	if out.Ratings.Count > 0 {
		average := float64(sum) / float64(out.Ratings.Count)
		out.Ratings.Average = &average
	}
	return nil
}
