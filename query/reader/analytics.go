package reader

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/document"
	"github.com/turnout-events/turnout/internal/elastic"
	"github.com/turnout-events/turnout/internal/fault"
)

// Range narrows analytics: messages recorded in [From, To); days begin in Zone.
type Range struct {
	From, To *time.Time
	Zone     *time.Location
}

func (r Range) filter() []any { return r.of("at") }

// of filters by a field.
func (r Range) of(field string) []any {
	if r.From == nil && r.To == nil {
		return nil
	}
	span := object{}
	if r.From != nil {
		span["gte"] = stamp(*r.From)
	}
	if r.To != nil {
		span["lt"] = stamp(*r.To)
	}
	return []any{object{"range": object{field: span}}}
}

// Flow counts transitions, each message once. docs/analytics.md defines the
// rates; they are made of transitions and not of guests, so that a guest who
// comes, goes and comes again counts each time, as in the log.
type Flow struct {
	Answers         int64    `json:"answers"`       // RSVPs made
	Confirmations   int64    `json:"confirmations"` // became confirmed
	PeopleConfirmed int64    `json:"people_confirmed"`
	Cancellations   int64    `json:"cancellations"` // were confirmed and are no longer
	Waitlisted      int64    `json:"waitlisted"`    // joined a waitlist
	Promotions      int64    `json:"promotions"`    // came from a waitlist or an offer to a seat
	CheckIns        int64    `json:"check_ins"`     // people, less those undone
	CancelRate      *float64 `json:"cancellation_rate"`
	Conversion      *float64 `json:"waitlist_conversion"`
}

func (f *Flow) rates() {
	f.CancelRate = ratio(f.Cancellations, f.Confirmations)
	f.Conversion = ratio(f.Promotions, f.Waitlisted)
}

// ratio is null where nothing can be said.
func ratio(part, whole int64) *float64 {
	if whole == 0 {
		return nil
	}
	r := math.Round(float64(part)/float64(whole)*10_000) / 10_000
	return &r
}

func became(status string) object {
	return object{"bool": object{"filter": []any{term("status", status)}, "must_not": []any{term("before", status)}}}
}

// flowAggs are the figures of Flow as aggregations.
func flowAggs() object {
	filter := func(q object) object { return object{"filter": q} }
	confirmed := filter(became(contract.StatusConfirmed))
	confirmed["aggs"] = object{"people": object{"sum": object{"field": "party_size"}}}
	left := object{"bool": object{"filter": []any{term("before", contract.StatusConfirmed)}, "must_not": []any{term("status", contract.StatusConfirmed)}}}
	promoted := object{"bool": object{"filter": []any{term("status", contract.StatusConfirmed),
		object{"terms": object{"before": []string{contract.StatusWaitlisted, contract.StatusOffered}}}}}}
	return object{
		"answers": filter(term("first", true)), "confirmations": confirmed, "cancellations": filter(left),
		"waitlisted": filter(became(contract.StatusWaitlisted)), "promotions": filter(promoted),
		"check_ins": object{"sum": object{"field": "check_in_delta"}},
	}
}

// flowBuckets is what flowAggs answers.
type flowBuckets struct {
	Answers       count `json:"answers"`
	Confirmations struct {
		count
		People value `json:"people"`
	} `json:"confirmations"`
	Cancellations count `json:"cancellations"`
	Waitlisted    count `json:"waitlisted"`
	Promotions    count `json:"promotions"`
	CheckIns      value `json:"check_ins"`
}

type count struct {
	N int64 `json:"doc_count"`
}

type value struct {
	V float64 `json:"value"`
}

func (b flowBuckets) flow() Flow {
	f := Flow{Answers: b.Answers.N, Confirmations: b.Confirmations.N, PeopleConfirmed: int64(b.Confirmations.People.V),
		Cancellations: b.Cancellations.N, Waitlisted: b.Waitlisted.N, Promotions: b.Promotions.N, CheckIns: int64(b.CheckIns.V)}
	f.rates()
	return f
}

// FactsQuery says whose facts.
type FactsQuery struct {
	Organization string
	Event        string
	Range        Range
}

func (q FactsQuery) query() object {
	filter := q.Range.filter()
	if q.Event != "" {
		filter = append(filter, term("event_id", q.Event))
	} else {
		filter = append(filter, term("organization_id", q.Organization))
	}
	return object{"bool": object{"filter": filter}}
}

// aggregate runs aggregations without hits and decodes them as one object.
func (s *Stores) aggregate(ctx context.Context, index string, query, aggs object, out any) error {
	r, err := run(s.search, func() (elastic.SearchResult, error) {
		return s.Elastic.Search(ctx, index, object{"size": 0, "track_total_hits": false, "query": query, "aggs": aggs})
	})
	if err != nil {
		return searched("aggregate "+index, err)
	}
	whole, err := json.Marshal(r.Aggregations)
	if err != nil {
		return fmt.Errorf("aggregations of %s: %w", index, err)
	}
	if err := json.Unmarshal(whole, out); err != nil {
		return fmt.Errorf("aggregations of %s: %w", index, err)
	}
	return nil
}

// Flow adds up.
func (s *Stores) Flow(ctx context.Context, q FactsQuery) (Flow, error) {
	var b flowBuckets
	err := s.aggregate(ctx, document.Facts, q.query(), flowAggs(), &b)
	return b.flow(), err
}

// Day is a day's flow; Day is its date in the zone that was asked for.
type Day struct {
	Day string `json:"day"`
	Flow
}

// Daily adds up by day; days without a message are left out.
func (s *Stores) Daily(ctx context.Context, q FactsQuery) ([]Day, error) {
	var out struct {
		Days struct {
			Buckets []struct {
				Day string `json:"key_as_string"`
				flowBuckets
			} `json:"buckets"`
		} `json:"days"`
	}
	err := s.aggregate(ctx, document.Facts, q.query(), object{"days": object{
		"date_histogram": object{"field": "at", "calendar_interval": "day", "format": "yyyy-MM-dd",
			"time_zone": q.Range.Zone.String(), "min_doc_count": 1},
		"aggs": flowAggs(),
	}}, &out)
	if refused(err) {
		// Java's list of zones lacks some old names that Go's has: EST, ROC, localtime.
		err = fault.ErrInvalid.About(fault.Field{Pointer: "time_zone", Detail: "is none that days can be counted in: take one like America/New_York"}).Because(err)
	}
	days := make([]Day, 0, len(out.Days.Buckets))
	for _, b := range out.Days.Buckets {
		days = append(days, Day{Day: b.Day, Flow: b.flow()})
	}
	return days, err
}

// EventFlow is an event's flow.
type EventFlow struct {
	EventID string `json:"event_id"`
	Title   string `json:"title"`
	Slug    string `json:"slug"`
	Flow
}

// ByEvent gives the flows of the events that have most confirmations (or, by
// "cancellations", most of those).
func (s *Stores) ByEvent(ctx context.Context, q FactsQuery, order string, limit int) ([]EventFlow, error) {
	var out struct {
		Events struct {
			Buckets []struct {
				ID string `json:"key"`
				flowBuckets
			} `json:"buckets"`
		} `json:"events"`
	}
	err := s.aggregate(ctx, document.Facts, q.query(), object{"events": object{
		"terms": object{"field": "event_id", "size": limit, "order": []any{object{order: "desc"}, object{"_key": "asc"}}},
		"aggs":  flowAggs(),
	}}, &out)
	if err != nil {
		return nil, err
	}
	flows := make([]EventFlow, 0, len(out.Events.Buckets))
	ids := make([]string, 0, len(out.Events.Buckets))
	for _, b := range out.Events.Buckets {
		flows = append(flows, EventFlow{EventID: b.ID, Flow: b.flow()})
		ids = append(ids, b.ID)
	}
	events, err := s.Events(ctx, ids)
	for i := range flows {
		flows[i].Title, flows[i].Slug = events[flows[i].EventID].Title, events[flows[i].EventID].Slug
	}
	return flows, err
}

// Events reads several by id; those that are not there are left out.
func (s *Stores) Events(ctx context.Context, ids []string) (map[string]Event, error) {
	docs, err := run(s.search, func() ([]elastic.Doc, error) { return s.Elastic.MGet(ctx, document.Listings, ids) })
	if err != nil {
		return nil, searched("read events", err)
	}
	out := make(map[string]Event, len(docs))
	for _, d := range docs {
		if d.Found {
			if e, err := eventOf(d.Source); err == nil {
				out[d.ID] = e
			}
		}
	}
	return out, nil
}
