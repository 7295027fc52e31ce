package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/turnout-events/turnout/query/reader"
)

// figuresAtOnce are the events that are asked about side by side.
const figuresAtOnce = 8

// compareFigures compares utilization and totals of every organization, and of
// every event what its page shows.
func (r *analyticsReport) compareFigures(ctx context.Context, pool *pgxpool.Pool, stores *reader.Stores, zone *time.Location) error {
	now := time.Now()
	want, err := countFigures(ctx, pool, now)
	if err != nil {
		return err
	}
	for org, usage := range want.usage {
		got, err := stores.Utilization(ctx, org, reader.Range{Zone: zone}, now)
		if err != nil {
			return err
		}
		for _, u := range got {
			r.compareUsage("utilization of event "+u.EventID, u, usage[u.EventID])
			delete(usage, u.EventID)
		}
		for event, u := range usage {
			r.compareUsage("utilization of event "+event, reader.Usage{}, u)
		}
		total, t := reader.Total(got), want.totals[org]
		t.Utilization, t.NoShowRate = rounded(total.Utilization, t.Utilization), rounded(total.NoShowRate, t.NoShowRate)
		r.same("events of organization "+org, total, t)
	}
	ids := make([]string, 0, len(want.events))
	for id := range want.events {
		ids = append(ids, id)
	}
	r.Events = len(ids)
	events := make(map[string]reader.Event, len(ids))
	for page := range slices.Chunk(ids, 500) {
		found, err := stores.Events(ctx, page)
		if err != nil {
			return err
		}
		for id, e := range found {
			events[id] = e
		}
	}
	asking, ctx := errgroup.WithContext(ctx)
	asking.SetLimit(figuresAtOnce)
	var mu sync.Mutex
	for id, w := range want.events {
		asking.Go(func() error {
			e := events[id]
			e.ID = id // also of one that the listing lacks
			got, err := stores.EventFigures(ctx, e, reader.Range{Zone: zone}, now)
			if err != nil {
				return err
			}
			days, err := stores.Daily(ctx, reader.FactsQuery{Event: id, Range: reader.Range{Zone: zone}})
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			r.compareEvent("event "+id, got, w)
			for _, d := range days {
				r.compare("answers_over_time of event "+id+", "+d.Day, d.Flow, w.days[d.Day])
				delete(w.days, d.Day)
			}
			for day, flow := range w.days {
				r.compare("answers_over_time of event "+id+", "+day, reader.Flow{}, flow)
			}
			return nil
		})
	}
	return asking.Wait()
}

func (r *analyticsReport) compareEvent(what string, got reader.EventFigures, want *eventFigures) {
	r.compareUsage("seats of "+what, got.Usage, want.Usage)
	r.same("by_status of "+what, got.Status, want.Status)
	r.same("ratings of "+what, got.Ratings, want.Ratings)
	r.same("check_in_curve of "+what, got.Curve, want.Curve)
	r.same("lead_time of "+what, got.Lead, want.lead(got.Lead))
}

func (r *analyticsReport) compareUsage(what string, got, want reader.Usage) {
	want.EventID, want.Title, want.Slug, want.StartsAt = got.EventID, got.Title, got.Slug, got.StartsAt // no figures
	want.Utilization, want.NoShowRate = rounded(got.Utilization, want.Utilization), rounded(got.NoShowRate, want.NoShowRate)
	r.same(what, got, want)
}

// same compares two values as an answer would show them.
func (r *analyticsReport) same(what string, got, want any) {
	r.Figures++
	g, err := json.Marshal(got)
	w, wrong := json.Marshal(want)
	if err != nil || wrong != nil || !bytes.Equal(g, w) {
		r.Differ = append(r.Differ, fmt.Sprintf("%s: analytics %s, rows %s", what, g, w))
	}
}

// rounded gives got where it is want to four digits.
func rounded(got, want *float64) *float64 {
	if got != nil && want != nil && math.Abs(*got-*want) < 0.00005+1e-9 {
		return got
	}
	return want
}

// lead gives got where it is right. Percentiles are estimates where there are
// many answers, so each may be off by a hundredth of the ranks.
func (e *eventFigures) lead(got *reader.Lead) *reader.Lead {
	last := len(e.leads) - 1
	if last < 0 {
		return nil
	}
	const digits = 1e-5 // hours: the index has milliseconds
	off := float64(last) / 100
	at := func(rank float64) float64 { return e.leads[int(min(max(rank, 0), float64(last)))] }
	near := func(got, percent float64) float64 {
		rank := percent / 100 * float64(last)
		if got > at(math.Floor(rank-off))-digits && got < at(math.Ceil(rank+off))+digits {
			return got
		}
		return at(math.Round(rank))
	}
	if got == nil {
		got = &reader.Lead{Median: math.NaN(), P10: math.NaN(), P90: math.NaN()}
	}
	return &reader.Lead{Median: near(got.Median, 50), P10: near(got.P10, 10), P90: near(got.P90, 90)}
}

// compareOrder compares the events that popular or cancellations gives with
// those that the counts put first.
func (r *analyticsReport) compareOrder(what string, got []reader.EventFlow, want map[string]reader.Flow, by func(reader.Flow) int64) {
	shown, ids := []string{}, []string{}
	for _, e := range got {
		if by(e.Flow) > 0 {
			shown = append(shown, e.EventID)
		}
	}
	for id, flow := range want {
		if by(flow) > 0 {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b string) int {
		return cmp.Or(cmp.Compare(by(want[b]), by(want[a])), cmp.Compare(a, b))
	})
	r.same(what, shown[:min(len(shown), orderShown)], ids[:min(len(ids), orderShown)])
}

// orderShown is the largest limit of a list.
const orderShown = 100
