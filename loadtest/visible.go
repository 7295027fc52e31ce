package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/turnout-events/turnout/loadtest/wire"
)

const (
	visibleRate   = 200 // answers a second, and raw messages
	visibleEvents = 20
	visibleConns  = 64
	visibleWarm   = 30 * time.Second
	rawSize       = 800                   // bytes, as the message of an RSVP
	listingEvery  = 25 * time.Millisecond // between two searches of the watcher
)

// visible measures how soon what a guest was told is seen by others: the seats by an open stream, the listing by a plain
// search. Beside it stands what Kafka alone takes from a producer to a consumer, at the same rate in the same run.
// The roles run as processes of their own, but for the notifier, which nobody waits for here.
func visible(ctx context.Context, o options) (rows []row, err error) {
	w, err := newWorld(ctx, o)
	if err != nil {
		return nil, err
	}
	defer func() { err = closeAfter(ctx, w, err) }()
	v := &viewers{readers: &readers{world: w}}
	if err := w.topics(ctx, rawTopic); err != nil { // first: a new topic has no leader for a moment
		return nil, err
	}
	if err := v.start(ctx); err != nil {
		return nil, err
	}
	// A JVM compiles what runs often, and newly started Kafka and Elasticsearch take the processors for it. What guests meet
	// has run for longer.
	if _, err := v.block(ctx, visibleWarm); err != nil {
		return nil, err
	}
	var raw, beside, seats, listing [2]series // p50 and p99
	err = alternate(o.rounds, func() error {
		took, err := v.rawBlock(ctx, rawTopic, visibleRate, o.duration, rawSize)
		note99(&raw, took)
		return err
	}, func() error {
		b, err := v.block(ctx, o.duration)
		note99(&seats, b.seats)
		note99(&listing, b.listing)
		note99(&beside, b.raw)
		return err
	})
	if err != nil {
		return nil, err
	}
	at := fmt.Sprintf(" at %d/s", visibleRate)
	refresh := w.refresh(ctx)
	bound := make(series, 0, len(raw[1]))
	for i := range min(len(beside[1]), len(listing[1])) {
		bound = append(bound, refresh+3*beside[1][i])
	}
	return []row{
		raw[0].row("Kafka alone, produced to consumed, p50"+at, "ms"), raw[1].row("Kafka alone, produced to consumed, p99"+at, "ms"),
		beside[0].row("the same beside Turnout's load, p50"+at, "ms"), beside[1].row("the same beside Turnout's load, p99"+at, "ms"),
		seats[0].row("acknowledged to seats shown by a stream, p50"+at, "ms"), seats[1].row("acknowledged to seats shown by a stream, p99"+at, "ms"),
		seats[1].over(raw[1]).row("seats p99 / Kafka p99 on a machine of its own", "×"),
		seats[1].over(beside[1]).row("seats p99 / Kafka p99", "×").atMost(3),
		listing[0].row("acknowledged to found by a search, p50"+at, "ms"), listing[1].row("acknowledged to found by a search, p99"+at, "ms"),
		listing[1].over(bound).row(fmt.Sprintf("found p99 / (refresh of %.0f ms + 3 × Kafka p99)", refresh), "×").atMost(1),
	}, nil
}

func note99(into *[2]series, took []time.Duration) {
	if len(took) == 0 {
		return
	}
	slices.Sort(took)
	into[0] = append(into[0], ms(took[len(took)/2]))
	into[1] = append(into[1], ms(took[len(took)*99/100]))
}

// sighting is a version of an event, and when it was seen (or told).
type sighting struct {
	event   int
	version int64
	at      time.Time
}

// sightings are those of one watcher.
type sightings struct {
	mu   sync.Mutex
	seen [visibleEvents][]sighting
}

// add keeps what is newer than all before it.
func (s *sightings) add(event int, version int64, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.seen[event]); n == 0 || s.seen[event][n-1].version < version {
		s.seen[event] = append(s.seen[event], sighting{event, version, at})
	}
}

// after gives how long each of what was told took to be seen. What was seen before it was told counts as 0.
func (s *sightings) after(told []sighting) (took []time.Duration, missing int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range told {
		seen := s.seen[t.event]
		i, _ := slices.BinarySearchFunc(seen, t.version, func(have sighting, want int64) int { return int(have.version - want) })
		if i == len(seen) {
			missing++
			continue
		}
		took = append(took, max(0, seen[i].at.Sub(t.at)))
	}
	return took, missing
}

type viewers struct {
	*readers
	command *child
	ids     []string
	number  int64
}

func (v *viewers) start(ctx context.Context) (err error) {
	if v.command, err = v.role(ctx, "command"); err != nil {
		return err
	}
	if err := v.startReaders(ctx); err != nil {
		return err
	}
	if err := v.signUp(ctx, v.command); err != nil {
		return err
	}
	if v.ids, err = v.events(ctx, visibleEvents, nil, ""); err != nil {
		return err
	}
	listed, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return until(listed, 200*time.Millisecond, func() (bool, error) {
		var page struct {
			Total int `json:"total"`
		}
		body, err := v.get(ctx, "/v1/events?limit=1")
		if err != nil {
			return false, nil //nolint:nilerr // not listed yet
		}
		err = json.Unmarshal(body, &page)
		return page.Total == visibleEvents, err
	})
}

// startReaders starts what lies behind the command role, up to the query role.
func (r *readers) startReaders(ctx context.Context) (err error) {
	for _, name := range []string{"relay", "project"} {
		if _, err := r.role(ctx, name); err != nil {
			return err
		}
	}
	r.query, err = start(ctx, r.dir, "query", r.env["TURNOUT_QUERY_ADDR"], r.env["TURNOUT_QUERY_OPS_URL"]+"/readyz", r.environ(), r.binary, "query")
	if err == nil {
		r.children = append(r.children, r.query)
	}
	return err
}

type visibleBlock struct{ seats, listing, raw []time.Duration }

// block answers at the rate, while streams and a searcher watch.
func (v *viewers) block(ctx context.Context, d time.Duration) (b visibleBlock, err error) {
	watching, stop := context.WithCancel(ctx)
	defer stop()
	var seats, listing sightings
	failed := make(chan error, visibleEvents+2)
	var wait sync.WaitGroup
	for i := range v.ids {
		wait.Go(func() { failed <- v.stream(watching, i, &seats) })
	}
	wait.Go(func() { failed <- v.search(watching, &listing) })
	templates := make([]*wire.Template, len(v.ids))
	for i, e := range v.ids {
		templates[i] = v.rsvp(e)
	}
	told := make([][]sighting, visibleConns)
	l := wire.Load{
		Conns: visibleConns, Rate: visibleRate, Warm: time.Second, For: d,
		Template: func(n int64) *wire.Template { return templates[n%visibleEvents] },
		Answer: func(worker int, n int64, status int, body []byte) {
			var a struct {
				Version int64 `json:"version"`
			}
			if at := time.Now(); status == http.StatusCreated && json.Unmarshal(body, &a) == nil {
				told[worker] = append(told[worker], sighting{int(n % visibleEvents), a.Version, at})
			}
		},
	}
	var rawErr error
	wait.Go(func() { b.raw, rawErr = v.rawBlock(ctx, rawTopic, visibleRate, d, rawSize) })
	f, err := v.load(ctx, v.command, l)
	if err != nil {
		return b, err
	}
	if f.Statuses[http.StatusCreated] < int64(visibleRate*d.Seconds())*9/10 {
		return b, fmt.Errorf("only %v answers within %s", f.Statuses, d)
	}
	all := slices.Concat(told...)
	var missing [2]int
	err = until(ctx, 50*time.Millisecond, waited(5*time.Second, func() bool {
		b.seats, missing[0] = seats.after(all)
		b.listing, missing[1] = listing.after(all)
		return missing == [2]int{}
	}))
	stop()
	wait.Wait()
	close(failed)
	for e := range failed {
		if !errors.Is(e, context.Canceled) {
			err = errors.Join(err, e)
		}
	}
	if missing != [2]int{} {
		err = errors.Join(err, fmt.Errorf("never seen: %d by streams, %d by searches", missing[0], missing[1]))
	}
	return b, errors.Join(err, rawErr)
}

// waited asks for so long and then gives up.
func waited(d time.Duration, done func() bool) func() (bool, error) {
	end := time.Now().Add(d)
	return func() (bool, error) { return done() || time.Now().After(end), nil }
}

// stream notes the ids of server-sent events, which are versions.
func (v *viewers) stream(ctx context.Context, i int, into *sightings) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+v.query.addr+"/v1/events/"+v.ids[i]+"/availability/stream", nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("stream: %s", res.Status)
	}
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		id, is := strings.CutPrefix(lines.Text(), "id:")
		if !is {
			continue
		}
		at := time.Now()
		version, err := strconv.ParseInt(strings.TrimSpace(id), 10, 64)
		if err != nil {
			return fmt.Errorf("stream: %w", err)
		}
		into.add(i, version, at)
	}
	return ctx.Err()
}

// search looks at the listing by searches that nobody asked before, so none is answered from memory.
func (v *viewers) search(ctx context.Context, into *sightings) error {
	index := map[string]int{}
	for i, id := range v.ids {
		index[id] = i
	}
	tick := time.NewTicker(listingEvery)
	defer tick.Stop()
	for {
		v.number++
		body, err := v.get(ctx, fmt.Sprintf("/v1/events?q=load&limit=50&to=2090-01-01T00:00:00.%09dZ", v.number))
		at := time.Now()
		if err != nil {
			return err
		}
		var page struct {
			Items []struct {
				ID           string `json:"id"`
				Availability struct {
					Version int64 `json:"version"`
				} `json:"availability"`
			} `json:"items"`
		}
		if err := json.Unmarshal(body, &page); err != nil {
			return err
		}
		for _, it := range page.Items {
			if i, ours := index[it.ID]; ours {
				into.add(i, it.Availability.Version, at)
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// refresh is the listing's refresh interval in milliseconds, as its index has it.
func (w *world) refresh(ctx context.Context) float64 {
	text, err := w.ask(ctx, http.MethodGet, "/"+w.namespace+"-listing/_settings/index.refresh_interval?flat_settings=true&filter_path=*.settings")
	if err != nil {
		return 0
	}
	var answer map[string]struct {
		Settings map[string]string `json:"settings"`
	}
	if json.Unmarshal([]byte(text), &answer) != nil {
		return 0
	}
	for _, index := range answer {
		if d, err := time.ParseDuration(index.Settings["index.refresh_interval"]); err == nil {
			return ms(d)
		}
	}
	return 0
}
