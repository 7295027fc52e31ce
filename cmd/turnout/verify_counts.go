package main

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/turnout-events/turnout/query/reader"
)

// The figures that docs/analytics.md takes from events and RSVPs, counted in
// the rows; those of the door and of lead times, in the log.
const (
	seatsSQL = `
WITH party AS (
    SELECT event_id, sum(party_size) FILTER (WHERE status = 'confirmed') AS going,
           sum(party_size) FILTER (WHERE status = 'waitlisted') AS waitlisted, sum(checked_in) AS came
    FROM rsvp GROUP BY 1
), seats AS (
    SELECT e.organization_id::text AS org, e.id::text AS event, e.status = 'published' AS published,
           e.status = 'published' AND e.ends_at < $1 AS over, c.capacity::bigint AS capacity, coalesce(p.going, 0) AS going,
           coalesce(p.waitlisted, 0) AS waitlisted, coalesce(p.came, 0) AS came
    FROM event e JOIN event_counter c ON c.event_id = e.id LEFT JOIN party p ON p.event_id = e.id
)`
	usageSQL = seatsSQL + `
SELECT org, event, published, capacity, going, waitlisted, came, going / nullif(capacity, 0)::float8,
       CASE WHEN over THEN greatest(going - came, 0) / nullif(going, 0)::float8 END
FROM seats`
	totalSQL = seatsSQL + `
SELECT org, count(*), coalesce(sum(capacity), 0)::bigint, coalesce(sum(going) FILTER (WHERE capacity IS NOT NULL), 0)::bigint,
       (sum(going) FILTER (WHERE capacity IS NOT NULL) / nullif(sum(capacity), 0))::float8,
       (sum(greatest(going - came, 0)) FILTER (WHERE over) / nullif(sum(going) FILTER (WHERE over), 0))::float8
FROM seats WHERE published GROUP BY 1`
	statusSQL  = `SELECT event_id::text, status, count(*), sum(party_size)::bigint FROM rsvp GROUP BY 1, 2`
	ratingSQL  = `SELECT event_id::text, body ->> 'rating', count(*) FROM rsvp WHERE (body ->> 'rating')::int > 0 GROUP BY 1, 2`
	averageSQL = `SELECT event_id::text, count(*), avg((body ->> 'rating')::int)::float8 FROM rsvp WHERE (body ->> 'rating')::int > 0 GROUP BY 1`
	curveSQL   = stepSQL + `
SELECT event, date_bin('15 minutes', valid_at, 'epoch'), sum(came)::bigint FROM step WHERE came <> 0 GROUP BY 1, 2 ORDER BY 1, 2`
	leadSQL = stepSQL + `
SELECT event, array_agg((extract(epoch FROM e.starts_at - at) / 3600)::float8 ORDER BY at DESC)
FROM step JOIN event e ON e.id = event::uuid WHERE before = '' GROUP BY 1`
)

// figures are what is counted: by organization, and by event.
type figures struct {
	totals map[string]reader.Totals
	usage  map[string]map[string]reader.Usage // organization → its published events
	events map[string]*eventFigures
}

type eventFigures struct {
	reader.EventFigures
	leads []float64              // hours, ascending
	days  map[string]reader.Flow // by day
}

func (f *figures) of(event string) *eventFigures {
	e := f.events[event]
	if e == nil {
		e = &eventFigures{days: map[string]reader.Flow{}, EventFigures: reader.EventFigures{
			Status: map[string]reader.Group{}, Ratings: reader.Ratings{By: map[string]int64{}}, Curve: []reader.Step{}}}
		f.events[event] = e
	}
	return e
}

func countFigures(ctx context.Context, pool *pgxpool.Pool, now time.Time) (*figures, error) {
	f := &figures{totals: map[string]reader.Totals{}, usage: map[string]map[string]reader.Usage{}, events: map[string]*eventFigures{}}
	var org, event, word string
	var published bool
	var u reader.Usage
	var t reader.Totals
	var n, people int64
	var average float64
	var at time.Time
	var leads []float64
	for _, q := range []struct {
		sql  string
		args []any
		scan []any
		row  func()
	}{
		{usageSQL, []any{now}, []any{&org, &event, &published, &u.Capacity, &u.Going, &u.Waitlisted, &u.CheckedIn, &u.Utilization, &u.NoShowRate}, func() {
			u.EventID = event
			f.of(event).Usage = u
			if f.usage[org] == nil {
				f.usage[org] = map[string]reader.Usage{}
			}
			if published {
				f.usage[org][event] = u
			}
			u = reader.Usage{} // its pointers are the row's own
		}},
		{totalSQL, []any{now}, []any{&org, &t.Events, &t.Seats, &t.SeatsTaken, &t.Utilization, &t.NoShowRate}, func() {
			f.totals[org], t = t, reader.Totals{}
		}},
		{statusSQL, nil, []any{&event, &word, &n, &people}, func() { f.of(event).Status[word] = reader.Group{Parties: n, People: people} }},
		{ratingSQL, nil, []any{&event, &word, &n}, func() { f.of(event).Ratings.By[word] = n }},
		{averageSQL, nil, []any{&event, &n, &average}, func() {
			r, a := &f.of(event).Ratings, average
			r.Count, r.Average = n, &a
		}},
		{curveSQL, nil, []any{&event, &at, &people}, func() {
			e := f.of(event)
			e.Curve = append(e.Curve, reader.Step{At: at.UTC(), People: people})
		}},
		{leadSQL, nil, []any{&event, &leads}, func() { f.of(event).leads, leads = leads, nil }},
	} {
		rows, err := pool.Query(ctx, q.sql, q.args...)
		if err != nil {
			return nil, err
		}
		if _, err := pgx.ForEachRow(rows, q.scan, func() error { q.row(); return nil }); err != nil {
			return nil, err
		}
	}
	days, err := counted(ctx, pool, "event, "+daySQL)
	for k, flow := range days {
		f.of(k.org).days[k.part] = flow // grouped by event here, not by organization
	}
	return f, err
}
