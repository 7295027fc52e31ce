package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/turnout-events/turnout/internal/document"
	"github.com/turnout-events/turnout/internal/elastic"
	"github.com/turnout-events/turnout/internal/postgres"
	"github.com/turnout-events/turnout/internal/redisconn"
	"github.com/turnout-events/turnout/query/reader"
)

// stepSQL are the messages about RSVPs in the log, each with what it changed.
const stepSQL = `
WITH fact AS (
    SELECT organization_id::text AS org, event_id::text AS event, recorded_at AS at, valid_at,
           convert_from(payload, 'UTF8')::jsonb AS p
    FROM event_log WHERE starts_with(type, 'rsvp.')
), step AS (
    SELECT org, event, at, valid_at,
           p #>> '{rsvp,status}' AS now, coalesce(p #>> '{before,status}', '') AS before,
           (p #>> '{rsvp,party_size}')::bigint AS party,
           coalesce((p #>> '{rsvp,checked_in}')::bigint, 0) - coalesce((p #>> '{before,checked_in}')::bigint, 0) AS came
    FROM fact
)`

// flowSQL counts in the log itself what docs/analytics.md defines. %s is what
// is grouped by.
const flowSQL = stepSQL + `
SELECT %s,
       count(*) FILTER (WHERE before = ''),
       count(*) FILTER (WHERE now = 'confirmed' AND before <> 'confirmed'),
       coalesce(sum(party) FILTER (WHERE now = 'confirmed' AND before <> 'confirmed'), 0)::bigint,
       count(*) FILTER (WHERE before = 'confirmed' AND now <> 'confirmed'),
       count(*) FILTER (WHERE now = 'waitlisted' AND before <> 'waitlisted'),
       count(*) FILTER (WHERE now = 'confirmed' AND before IN ('waitlisted', 'offered')),
       coalesce(sum(came), 0)::bigint
FROM step GROUP BY 1, 2`

// analyticsZone is the zone in which days are compared: one that has summer time.
const analyticsZone = "America/New_York"

// daySQL is a step's day there.
const daySQL = "to_char(at AT TIME ZONE '" + analyticsZone + "', 'YYYY-MM-DD')"

// maxBuckets bounds what is asked of Elasticsearch at once for one organization.
const maxBuckets = 10_000

// verifyAnalytics compares every figure of the analytics with a plain count in
// Postgres: by organization, by event and by day.
func verifyAnalytics(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := flags("verify", stderr)
	f.Bool("analytics", true, "compare the analytics with counts in Postgres")
	asJSON := f.Bool("json", false, "print the report as JSON")
	wait := f.Duration("wait", 30*time.Second, "how long the facts may take to catch up")
	if err := parse(f, args); err != nil {
		return err
	}
	s, err := load[settings]()
	if err != nil {
		return err
	}
	report, err := compareAnalytics(ctx, s, *wait, s.logger(stderr))
	if err != nil {
		return err
	}
	if *asJSON {
		err = json.NewEncoder(stdout).Encode(report)
	} else {
		_, _ = fmt.Fprintf(stdout, "%d figures of %d organizations, %d events, %d days compared: %d differ\n",
			report.Figures, report.Organizations, report.Events, report.Days, len(report.Differ))
		for _, d := range report.Differ {
			_, _ = fmt.Fprintln(stdout, "  "+d)
		}
		if report.Moving > 0 {
			_, _ = fmt.Fprintf(stdout, "%d more move while they are compared: ask again when less is going on, or with a longer -wait\n", report.Moving)
		}
	}
	if err == nil && len(report.Differ) > 0 {
		err = errDiffers
	}
	return err
}

type analyticsReport struct {
	Organizations int      `json:"organizations"`
	Events        int      `json:"events"`
	Days          int      `json:"days"`
	Figures       int      `json:"figures"`
	Differ        []string `json:"differ"`
	Moving        int      `json:"moving"` // differed, and changed between two looks: nothing is said of them
}

// analyticsStands is how long a difference has to stay the same to the letter
// to be one. While answers are taken or mail goes out the two counts are of two
// moments, and a figure that moves differs by what came between them.
const analyticsStands = 10 * time.Second

// stood gives the differences that have been the same for a time. seen, of
// earlier looks, says since when; what is no difference any more leaves it.
func (r *analyticsReport) stood(seen map[string]time.Time, now time.Time, long time.Duration) []string {
	out, present := []string{}, map[string]bool{}
	for _, d := range r.Differ {
		present[d] = true
		if _, known := seen[d]; !known {
			seen[d] = now
		}
		if now.Sub(seen[d]) >= long {
			out = append(out, d)
		}
	}
	for d := range seen {
		if !present[d] {
			delete(seen, d)
		}
	}
	return out
}

// flowKey is an organization and an event or a day of it; "" for the whole.
type flowKey struct{ org, part string }

func compareAnalytics(ctx context.Context, s settings, wait time.Duration, log *slog.Logger) (*analyticsReport, error) {
	s.Postgres.Name, s.Postgres.MaxConns, s.Postgres.StatementTimeout = "turnout-verify", 2, -1
	pool, err := postgres.Open(ctx, s.Postgres, log)
	if err != nil {
		return nil, err
	}
	defer pool.Close()
	s.Elastic.Timeout = time.Minute
	es, err := elastic.Open(ctx, s.Elastic, log)
	if err != nil {
		return nil, err
	}
	defer func() { _ = es.Close(ctx) }()
	rd, err := redisconn.Open(ctx, s.Redis, log)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rd.Close() }()
	stores := reader.NewStores(es, rd, log)
	var report *analyticsReport
	seen := map[string]time.Time{}
	for until := time.Now().Add(wait); ; {
		for _, index := range []string{document.Facts, document.Outcomes, document.GuestList, document.Listings} {
			if err := es.Refresh(ctx, index); err != nil {
				return nil, err
			}
		}
		if report, err = compareOnce(ctx, pool, stores); err != nil || len(report.Differ) == 0 {
			return report, err
		}
		now := time.Now()
		stood := report.stood(seen, now, min(wait, analyticsStands))
		if now.After(until) {
			report.Moving, report.Differ = len(report.Differ)-len(stood), stood
			return report, nil
		}
		select { // the facts may be behind
		case <-time.After(time.Second):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func compareOnce(ctx context.Context, pool *pgxpool.Pool, stores *reader.Stores) (*analyticsReport, error) {
	r := &analyticsReport{Differ: []string{}}
	whole, err := counted(ctx, pool, "org, ''")
	if err != nil {
		return nil, err
	}
	byEvent, err := counted(ctx, pool, "org, event")
	if err != nil {
		return nil, err
	}
	byDay, err := counted(ctx, pool, "org, "+daySQL)
	if err != nil {
		return nil, err
	}
	zone, err := time.LoadLocation(analyticsZone)
	if err != nil {
		return nil, err
	}
	r.Organizations, r.Days = len(whole), len(byDay)
	ofOrg := map[string]map[string]reader.Flow{}
	for k, flow := range byEvent {
		if ofOrg[k.org] == nil {
			ofOrg[k.org] = map[string]reader.Flow{}
		}
		ofOrg[k.org][k.part] = flow
	}
	for key, want := range whole {
		q := reader.FactsQuery{Organization: key.org, Range: reader.Range{Zone: zone}}
		got, err := stores.Flow(ctx, q)
		if err != nil {
			return nil, err
		}
		r.compare("organization "+key.org, got, want)
		cancelled, err := stores.ByEvent(ctx, q, "cancellations", orderShown)
		if err != nil {
			return nil, err
		}
		r.compareOrder("cancellations of organization "+key.org, cancelled, ofOrg[key.org], func(f reader.Flow) int64 { return f.Cancellations })
		events, err := stores.ByEvent(ctx, q, "confirmations", maxBuckets)
		if err != nil {
			return nil, err
		}
		r.compareOrder("popular of organization "+key.org, events, ofOrg[key.org], func(f reader.Flow) int64 { return f.Confirmations })
		for _, e := range events {
			k := flowKey{key.org, e.EventID}
			r.compare("event "+e.EventID, e.Flow, byEvent[k])
			delete(byEvent, k)
		}
		days, err := stores.Daily(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, d := range days {
			k := flowKey{key.org, d.Day}
			r.compare("day "+d.Day+" of "+key.org, d.Flow, byDay[k])
			delete(byDay, k)
		}
	}
	for k, want := range byEvent { // of an organization with more events than are asked for at once
		got, err := stores.Flow(ctx, reader.FactsQuery{Event: k.part, Range: reader.Range{Zone: zone}})
		if err != nil {
			return nil, err
		}
		r.compare("event "+k.part, got, want)
	}
	for k, want := range byDay {
		r.compare("day "+k.part+" of "+k.org, reader.Flow{}, want)
	}
	if err := r.compareFigures(ctx, pool, stores, zone); err != nil {
		return nil, err
	}
	return r, r.compareMails(ctx, pool, stores)
}

func counted(ctx context.Context, pool *pgxpool.Pool, by string) (map[flowKey]reader.Flow, error) {
	rows, err := pool.Query(ctx, fmt.Sprintf(flowSQL, by))
	if err != nil {
		return nil, err
	}
	out := map[flowKey]reader.Flow{}
	var k flowKey
	var f reader.Flow
	_, err = pgx.ForEachRow(rows, []any{&k.org, &k.part, &f.Answers, &f.Confirmations, &f.PeopleConfirmed, &f.Cancellations,
		&f.Waitlisted, &f.Promotions, &f.CheckIns}, func() error {
		out[k] = f
		return nil
	})
	return out, err
}

func (r *analyticsReport) compare(what string, got, want reader.Flow) {
	want.CancelRate = rounded(got.CancelRate, share(want.Cancellations, want.Confirmations))
	want.Conversion = rounded(got.Conversion, share(want.Promotions, want.Waitlisted))
	r.Figures += 8 // same counts one
	r.same(what, got, want)
}

func share(part, whole int64) *float64 {
	if whole == 0 {
		return nil
	}
	s := float64(part) / float64(whole)
	return &s
}
