package seed

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
)

// Seats is the answer of GET /v1/events/{id}/availability: people.
type Seats struct {
	Going      int `json:"going"`
	Waitlisted int `json:"waitlisted"`
	Held       int `json:"held"`
}

// SeatCheck is what came of comparing the read stores with a file's counts.
type SeatCheck struct {
	Events int       `json:"events"`
	Going  int       `json:"going"`
	Queued int       `json:"queued"`
	Wrong  []Verdict `json:"wrong"`
}

// CheckSeats asks, for every row, whether the three places that tell who comes
// (the listing, the live seats and the guest list) say what the row counts,
// after a load with AnswersCounts. Unlisted rows are passed over: a listing
// does not show them.
func CheckSeats(ctx context.Context, api *API, a *Account, rows []Row, workers int) (SeatCheck, error) {
	check := SeatCheck{Wrong: []Verdict{}}
	listed, err := walk(ctx, api, url.Values{})
	if err != nil {
		return check, fmt.Errorf("reading the listing: %w", err)
	}
	byID := make(map[string]*listedEvent, len(listed.items))
	for i := range listed.items {
		byID[listed.items[i].ExternalID] = &listed.items[i]
	}
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(workers)
	for i := range rows {
		r := &rows[i]
		if r.Visibility == "unlisted" {
			continue
		}
		g.Go(func() error {
			wrong, err := checkSeats(ctx, api, a, r, byID[r.ID])
			if err != nil {
				return fmt.Errorf("%s: %w", r.ID, err)
			}
			mu.Lock()
			defer mu.Unlock()
			check.Events++
			check.Going += count(r.RSVPYes)
			check.Queued += count(r.RSVPWaitlist)
			if wrong != "" {
				check.Wrong = append(check.Wrong, Verdict{Case: r.ID, Wrong: wrong})
			}
			return nil
		})
	}
	err = g.Wait()
	slices.SortFunc(check.Wrong, func(a, b Verdict) int { return strings.Compare(a.Case, b.Case) })
	return check, err
}

func checkSeats(ctx context.Context, api *API, a *Account, r *Row, e *listedEvent) (string, error) {
	if e == nil {
		return "not in the listing", nil
	}
	yes, queued := count(r.RSVPYes), count(r.RSVPWaitlist)
	var live Seats
	if err := api.Do(ctx, Request{Method: http.MethodGet, Path: "/v1/events/" + e.ID + "/availability"}, &live); err != nil {
		return "", err
	}
	guests := Seats{}
	for status, n := range map[string]*int{"confirmed": &guests.Going, "waitlisted": &guests.Waitlisted, "offered": &guests.Held} {
		var page struct {
			Total int `json:"total"`
		}
		if err := a.Do(ctx, Request{Method: http.MethodGet, Path: "/v1/events/" + e.ID + "/guests?limit=1&status=" + status}, &page); err != nil {
			return "", err
		}
		*n = page.Total
	}
	want := Seats{Going: yes, Waitlisted: queued}
	for _, place := range []struct {
		name string
		got  Seats
	}{{"the listing", e.Seats}, {"the live seats", live}, {"the guest list", guests}} {
		if place.got != want {
			return fmt.Sprintf("%s says %+v, want %+v", place.name, place.got, want), nil
		}
	}
	return "", nil
}
