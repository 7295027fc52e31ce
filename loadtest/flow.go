package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// watchEvery is the share of answers that are followed into the read stores:
// all of them would measure the watching.
const watchEvery = 10

// flow answers at a steady rate, whatever the system does (an open loop: each
// request is timed from the instant it was due), and follows some answers until
// the availability and the listing show them.
func flow(ctx context.Context, o options) ([]row, error) {
	c, err := newClient(o.url, 256)
	if err != nil {
		return nil, err
	}
	org, err := c.organizer(ctx)
	if err != nil {
		return nil, err
	}
	events := make([]string, o.events)
	for i := range events {
		if events[i], err = c.event(ctx, org, fmt.Sprintf("Load test %s, number %d", c.run, i), nil, ""); err != nil {
			return nil, err
		}
	}
	if err := c.warm(ctx, events); err != nil {
		return nil, err
	}

	var (
		mu                  sync.Mutex
		acked, seats, shown = latency(), latency(), latency()
		refused             []error
		wg                  sync.WaitGroup
	)
	add := func(h *hdrhistogram.Histogram, d time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		record(h, d)
	}
	fail := func(err error) {
		mu.Lock()
		defer mu.Unlock()
		refused = append(refused, err)
	}
	one := func(n int, due time.Time) {
		event := events[n%len(events)]
		version, err := c.answer(ctx, event, n)
		if err != nil {
			fail(err)
			return
		}
		at := time.Now()
		add(acked, at.Sub(due))
		if n%watchEvery != 0 {
			return
		}
		for path, h := range map[string]*hdrhistogram.Histogram{"/availability": seats, "": shown} {
			wg.Go(func() {
				if err := c.visible(ctx, event, path, version); err != nil {
					fail(err)
					return
				}
				add(h, time.Since(at))
			})
		}
	}

	gap := time.Second / time.Duration(o.rate)
	began := time.Now()
	total := int(o.duration / gap)
	for n := 0; n < total; n++ {
		due := began.Add(time.Duration(n) * gap)
		if wait := time.Until(due); wait > 0 {
			select {
			case <-ctx.Done():
				wg.Wait()
				return nil, ctx.Err()
			case <-time.After(wait):
			}
		}
		wg.Go(func() { one(n, due) })
	}
	wg.Wait()
	rate := float64(acked.TotalCount()) / time.Since(began).Seconds()
	rows := []row{{Name: "RSVPs acknowledged", Unit: "1/s", Median: rate, Low: rate, High: rate, N: acked.TotalCount()},
		{Name: "refused or failed", Unit: "requests", Median: float64(len(refused)), N: int64(total)}}
	rows = append(rows, quantiles("RSVP, due to acknowledged", acked, 50, 99)...)
	rows = append(rows, quantiles("acknowledged to seats shown", seats, 50, 99)...)
	rows = append(rows, quantiles("acknowledged to event page shown", shown, 50, 99)...)
	if len(refused) > 0 {
		fmt.Println("first refusal:", refused[0])
	}
	if acked.TotalCount() == 0 {
		return nil, errors.Join(refused...)
	}
	return rows, nil
}

// warm opens connections and fills caches, so that the first sample is one.
func (c *client) warm(ctx context.Context, events []string) error {
	for i, e := range events {
		version, err := c.answer(ctx, e, -1-i)
		if err != nil {
			return err
		}
		if err := c.visible(ctx, e, "", version); err != nil {
			return err
		}
	}
	return nil
}

// visible waits, by the API's own means, until a read shows the version.
func (c *client) visible(ctx context.Context, event, path, version string) error {
	_, err := c.call(ctx, http.MethodGet, "/v1/events/"+event+path, nil, nil, "Turnout-Min-Version", version)
	return err
}
