package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/turnout-events/turnout/loadtest/wire"
)

const (
	growthPerEvent = 1000 // answers to each event
	growthRate     = 100  // answers a second when their time is measured
	growthConns    = 128
)

// growth measures the same things when the stores hold a hundredth, a tenth and all of -messages RSVPs, which come in by
// the API. The roles run as processes of their own, but for the notifier.
func growth(ctx context.Context, o options) (rows []row, err error) {
	w, err := newWorld(ctx, o)
	if err != nil {
		return nil, err
	}
	defer func() { err = closeAfter(ctx, w, err) }()
	g := &grower{viewers: &viewers{readers: &readers{world: w}}}
	if err := g.start(ctx); err != nil {
		return nil, err
	}
	for _, level := range []int{o.messages / 100, o.messages / 10, o.messages} {
		began := time.Now()
		if err := g.fill(ctx, level); err != nil {
			return nil, fmt.Errorf("fill up to %d: %w", level, err)
		}
		written := time.Since(began)
		if err := g.settled(ctx); err != nil {
			return nil, fmt.Errorf("wait for the read stores at %d: %w", level, err)
		}
		fmt.Printf("%d RSVPs: written in %s, in every store after %s\n", level, written.Round(time.Second), time.Since(began).Round(time.Second))
		if err := g.renew(ctx); err != nil {
			return nil, err
		}
		more, err := g.measure(ctx, o, level)
		if err != nil {
			return nil, fmt.Errorf("at %d: %w", level, err)
		}
		rows = append(rows, more...)
	}
	return rows, nil
}

// grower is a world that fills.
type grower struct {
	*viewers
	rsvps int    // that the stores hold
	full  string // the last event that was filled
}

// fill answers until there are so many RSVPs: a burst on each event in turn.
func (g *grower) fill(ctx context.Context, level int) error {
	need := level - g.rsvps
	if need <= 0 {
		return nil
	}
	events, err := g.events(ctx, (need+growthPerEvent-1)/growthPerEvent, nil, "")
	if err != nil {
		return err
	}
	templates := make([]*wire.Template, len(events))
	for i, e := range events {
		templates[i] = g.rsvp(e)
	}
	first := g.sequence
	f, err := g.load(ctx, g.command, wire.Load{Conns: growthConns, Requests: int64(need), For: 20 * time.Minute,
		Template: func(n int64) *wire.Template {
			return templates[min(int(n-first)/growthPerEvent, len(templates)-1)]
		}})
	if err != nil {
		return err
	}
	if taken := f.Statuses[http.StatusCreated]; taken != int64(need) {
		return fmt.Errorf("%d of %d taken: %v %w", taken, need, f.Statuses, f.Failure)
	}
	g.rsvps, g.full = level, events[len(events)-1]
	return nil
}

// settled waits until the stores have every message of the log.
func (g *grower) settled(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Minute)
	defer cancel()
	var messages int64
	if err := g.db.QueryRow(ctx, "SELECT count(*) FROM event_log").Scan(&messages); err != nil {
		return err
	}
	for _, index := range []string{"facts", "guestlist"} {
		want := messages
		if index == "guestlist" {
			if err := g.db.QueryRow(ctx, "SELECT count(*) FROM rsvp").Scan(&want); err != nil {
				return err
			}
		}
		err := until(ctx, 500*time.Millisecond, func() (bool, error) {
			text, err := g.ask(ctx, http.MethodGet, "/_cat/count/"+g.namespace+"-"+index+"?h=count")
			n, _ := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
			return n >= want, err
		})
		if err != nil {
			return fmt.Errorf("%s: %w", index, err)
		}
	}
	return g.checkpoint(ctx)
}

// measure takes every figure at one level. What it writes itself is 2 % of the least level at most, and counted on top.
func (g *grower) measure(ctx context.Context, o options, level int) ([]row, error) {
	at := fmt.Sprintf(" at %d RSVPs", level)
	var rows []row
	ids, err := g.events(ctx, 2, nil, "")
	if err != nil {
		return nil, err
	}
	// CPU, of a burst; then times, of a rate far below what the machine takes.
	var command, postgres series
	for range o.rounds {
		b, err := g.loadTurnout(ctx, g.command, wire.Load{Conns: 64, Requests: 2000, For: time.Minute,
			Template: func(int64) *wire.Template { return g.rsvp(ids[0]) }})
		if err != nil {
			return nil, err
		}
		command, postgres = append(command, us(b.server, b.Sent)), append(postgres, us(b.postgres, b.Sent))
	}
	rows = append(rows, command.row("CPU of the command role per RSVP"+at, "µs"), postgres.row("CPU of Postgres per RSVP"+at, "µs"))
	t := g.rsvp(ids[1])
	f, err := g.load(ctx, g.command, wire.Load{Conns: 32, Rate: growthRate, Warm: time.Second, For: o.duration,
		Template: func(int64) *wire.Template { return t }})
	if err != nil {
		return nil, err
	}
	rows = append(rows, timed("RSVP", at, f.Took)...)
	if err := g.settled(ctx); err != nil {
		return nil, err
	}
	for _, read := range []struct{ name, path string }{
		{"availability", "/v1/events/" + g.full + "/availability"},
		{"event page", "/v1/events/" + g.full},
		{"search", "/v1/events?q=load&limit=20&to=2090-01-01T00:00:00.%09dZ"},
		{"guest list", "/v1/events/" + g.full + "/guests?limit=50"},
		{"analytics of an organization", "/v1/organizations/" + g.org + "/analytics/overview"},
	} {
		took, refused, err := g.read(ctx, o.duration/2, read.path)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", read.name, err)
		}
		rows = append(rows, timed(read.name, at, took)...)
		if refused > 0 {
			rows = append(rows, row{Name: read.name + " not answered" + at, Unit: "requests", Median: float64(refused), Low: float64(refused), High: float64(refused), N: int64(len(took))})
		}
	}
	return rows, nil
}

// timed are the rows of a sorted series of times.
func timed(name, at string, took []time.Duration) []row {
	if len(took) == 0 {
		return nil
	}
	quantile := func(q string, share int) row {
		return row{Name: name + " " + q + at, Unit: "ms", Median: ms(took[len(took)*share/100]), Low: ms(took[0]), High: ms(took[len(took)-1]), N: int64(len(took))}
	}
	return []row{quantile("p50", 50), quantile("p99", 99)}
}

// read asks one after the other, with the organizer's token. An answer of 503, because a store took too long, is counted
// and timed as it came.
func (g *grower) read(ctx context.Context, d time.Duration, path string) (took []time.Duration, refused int, err error) {
	end := time.Now().Add(d + warm)
	for n := 0; time.Now().Before(end); n++ {
		url := "http://" + g.query.addr + path
		if strings.Contains(path, "%09d") {
			g.number++
			url = "http://" + g.query.addr + fmt.Sprintf(path, g.number)
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return nil, 0, err
		}
		req.Header.Set("Authorization", "Bearer "+g.client.bearer)
		began := time.Now()
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return nil, 0, err
		}
		_, err = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		if err != nil {
			return nil, 0, err
		}
		switch res.StatusCode {
		case http.StatusOK:
		case http.StatusServiceUnavailable:
			refused++
		default:
			return nil, 0, fmt.Errorf("%s: %s", path, res.Status)
		}
		if time.Until(end) < d {
			took = append(took, time.Since(began))
		}
	}
	slices.Sort(took)
	return took, refused, nil
}

// renew signs in again: a token lasts a quarter of an hour, and filling may take longer.
func (g *grower) renew(ctx context.Context) error {
	var session struct {
		AccessToken string `json:"access_token"`
	}
	account, err := json.Marshal(map[string]string{"email": "load-" + g.client.run + "@example.org", "password": "a long enough pass phrase"})
	if err != nil {
		return err
	}
	g.client.bearer = ""
	if _, err := g.client.call(ctx, http.MethodPost, "/v1/auth/login", json.RawMessage(account), &session); err != nil {
		return err
	}
	g.client.bearer = session.AccessToken
	return nil
}
