package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/turnout-events/turnout/loadtest/wire"
	"github.com/turnout-events/turnout/query/reader"
)

const (
	readEvents = 400
	readConns  = 32
	suggesters = 4

	warmSearches = 20 * time.Second
)

// read measures the query role against what it stands on: seats against a bare handler that answers the same bytes,
// search and suggestions against the same request sent straight to Elasticsearch.
func read(ctx context.Context, o options) (rows []row, err error) {
	w, err := newWorld(ctx, o)
	if err != nil {
		return nil, err
	}
	defer func() { err = closeAfter(ctx, w, err) }()
	r := &readers{world: w, count: readEvents}
	if err := r.start(ctx); err != nil {
		return nil, err
	}
	seats, err := r.seats(ctx, o)
	if err != nil {
		return nil, err
	}
	searches, err := r.searches(ctx, o)
	if err != nil {
		return nil, err
	}
	suggestions, err := r.suggestions(ctx, o)
	return append(append(seats, searches...), suggestions...), err
}

// readers are the roles that a read needs, with events in them.
type readers struct {
	*world
	count int // events
	query *child
	event string
	seen  []byte // the answer that is the bare handler's too
}

func (r *readers) start(ctx context.Context) error {
	command, err := r.role(ctx, "command")
	if err != nil {
		return err
	}
	for _, name := range []string{"relay", "project"} {
		if _, err := r.role(ctx, name); err != nil {
			return err
		}
	}
	r.query, err = start(ctx, r.dir, "query", r.env["TURNOUT_QUERY_ADDR"], r.env["TURNOUT_QUERY_OPS_URL"]+"/readyz", r.environ(), r.binary, "query")
	if err != nil {
		return err
	}
	r.children = append(r.children, r.query)
	if err := r.signUp(ctx, command); err != nil {
		return err
	}
	events, err := r.events(ctx, r.count, nil, "")
	if err != nil {
		return err
	}
	r.event = events[0]
	return r.listed(ctx)
}

// listed waits until a search finds every event.
func (r *readers) listed(ctx context.Context) error {
	until := time.Now().Add(time.Minute)
	for {
		var page struct {
			Total int `json:"total"`
		}
		body, err := r.get(ctx, "/v1/events?limit=1")
		if err == nil {
			err = json.Unmarshal(body, &page)
		}
		if err == nil && page.Total == r.count {
			r.seen, err = r.get(ctx, "/v1/events/"+r.event+"/availability")
			return err
		}
		if time.Now().After(until) {
			return fmt.Errorf("%d of %d events listed: %w", page.Total, r.count, err)
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (r *readers) get(ctx context.Context, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+r.query.addr+path, nil)
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	body, err := readAll(res)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("GET %s: %s: %s", path, res.Status, body)
	}
	return body, err
}

// seats compares answers from memory with a handler that has nothing to do.
func (r *readers) seats(ctx context.Context, o options) ([]row, error) {
	file := filepath.Join(r.dir, "seats.json")
	if err := os.WriteFile(file, r.seen, 0o600); err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	ports, err := freePorts(ctx, 1)
	if err != nil {
		return nil, err
	}
	bare, err := start(ctx, r.dir, "bytes", ports[0], ports[0], nil, self, "baseline", "bytes", "-addr", ports[0], "-body", file)
	if err != nil {
		return nil, err
	}
	r.children = append(r.children, bare)
	t := wire.NewTemplate("GET /v1/events/" + r.event + "/availability HTTP/1.1\r\nHost: localhost\r\n\r\n")
	var ours, theirs, p99 series
	arm := func(c *child, into *series) func() error {
		return func() error {
			b, err := r.load(ctx, c, closed(o, readConns, t))
			if err == nil && b.Statuses[http.StatusOK] == 0 {
				err = fmt.Errorf("%s answered no seats: %v, %w", c.name, b.Statuses, b.Failure)
			}
			if err != nil {
				return err
			}
			*into = append(*into, b.PerSecond(http.StatusOK))
			if c == r.query {
				p99 = append(p99, ms(b.Quantile(.99)))
			}
			return nil
		}
	}
	if err := alternate(o.rounds, arm(r.query, &ours), arm(bare, &theirs)); err != nil {
		return nil, err
	}
	return []row{ours.row("seats from memory", "1/s"), theirs.row("bare handler, same bytes", "1/s"),
		ours.over(theirs).row("seats / bare handler", "×").atLeast(.8), p99.row("seats p99", "ms")}, nil
}

// asked is a search as both sides get it; the number keeps ours from being answered from memory.
const asked = "/v1/events?q=load&limit=20&to=2090-01-01T00:00:00.%09dZ"

func (r *readers) searches(ctx context.Context, o options) ([]row, error) {
	to := time.Date(2090, 1, 1, 0, 0, 0, 0, time.UTC)
	straight, err := r.straight(reader.Search{Q: "load", To: &to, Status: "published", Sort: reader.SortRelevance, Limit: 20})
	if err != nil {
		return nil, err
	}
	// A young Elasticsearch gets faster by half while it compiles what it runs, to the good of whoever comes later.
	if _, err := hammer(ctx, warmSearches, readConns, straight); err != nil {
		return nil, err
	}
	var number int64
	var mu sync.Mutex
	fresh := func(ctx context.Context) (*http.Request, error) {
		mu.Lock()
		number++
		path := fmt.Sprintf(asked, number)
		mu.Unlock()
		return http.NewRequestWithContext(ctx, http.MethodGet, "http://"+r.query.addr+path, nil)
	}
	same := func(ctx context.Context) (*http.Request, error) {
		return http.NewRequestWithContext(ctx, http.MethodGet, "http://"+r.query.addr+fmt.Sprintf(asked, 0), nil)
	}
	var ours, theirs, cached, cpu series
	arm := func(into *series, make request) func() error {
		return func() error {
			used := r.query.cpu()
			b, err := hammer(ctx, o.duration, readConns, make)
			*into = append(*into, b.perSecond)
			if into == &ours {
				cpu = append(cpu, us(r.query.cpu()-used, b.asked))
			}
			return err
		}
	}
	if err := alternate(o.rounds, arm(&ours, fresh), arm(&theirs, straight), arm(&cached, same)); err != nil {
		return nil, err
	}
	return []row{ours.row("searches, none asked before", "1/s"), theirs.row("the same, straight to Elasticsearch", "1/s"),
		ours.over(theirs).row("search / Elasticsearch", "×").atLeast(.85), cpu.row("CPU of the query role per search", "µs"),
		cached.row("one search, asked by all", "1/s"), cached.over(theirs).row("remembered search / Elasticsearch", "×").atLeast(20)}, nil
}

func (r *readers) suggestions(ctx context.Context, o options) ([]row, error) {
	q := reader.Search{Q: "loa", TitleOnly: true, Prefix: true, Status: "published", Sort: reader.SortRelevance, Limit: 8, Lean: true}
	straight, err := r.straight(q)
	if err != nil {
		return nil, err
	}
	var n int64
	var mu sync.Mutex
	ask := func(ctx context.Context) (*http.Request, error) {
		mu.Lock()
		n++
		path := "/v1/suggest?q=loa" + strings.Repeat(".", int(n%150)) // other texts, the same words
		mu.Unlock()
		return http.NewRequestWithContext(ctx, http.MethodGet, "http://"+r.query.addr+path, nil)
	}
	var ours, theirs series
	arm := func(into *series, make request) func() error {
		return func() error {
			b, err := hammer(ctx, o.duration, suggesters, make)
			*into = append(*into, ms(b.p99))
			return err
		}
	}
	if err := alternate(o.rounds, arm(&ours, ask), arm(&theirs, straight)); err != nil {
		return nil, err
	}
	return []row{ours.row("suggestion p99", "ms"), theirs.row("the same, straight to Elasticsearch, p99", "ms"),
		ours.over(theirs).row("suggestion p99 / Elasticsearch p99", "×").atMost(3)}, nil
}

type request func(ctx context.Context) (*http.Request, error)

// straight is the very request that the query role sends.
func (r *readers) straight(q reader.Search) (request, error) {
	body, err := json.Marshal(q.Request(time.Now()))
	if err != nil {
		return nil, err
	}
	url := r.elastic + "/" + r.namespace + "-listing/_search?allow_partial_search_results=false"
	return func(ctx context.Context) (*http.Request, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
		if err == nil {
			req.Header.Set("Content-Type", "application/json")
		}
		return req, err
	}, nil
}

type hammered struct {
	perSecond float64
	p99       time.Duration
	asked     int64 // while it warmed up as well
}

// hammer is a closed loop over net/http, for answers that wire does not read (Elasticsearch sends them in chunks).
func hammer(ctx context.Context, d time.Duration, conns int, make request) (hammered, error) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: conns, MaxConnsPerHost: conns, DisableCompression: true}, Timeout: 30 * time.Second}
	defer client.CloseIdleConnections()
	var (
		mu     sync.Mutex
		took   []time.Duration
		failed error
		asked  int64
		wg     sync.WaitGroup
	)
	began := time.Now()
	from, end := began.Add(warm), began.Add(warm+d)
	for range conns {
		wg.Go(func() {
			var own []time.Duration
			var err error
			var n int64
			for ; err == nil && ctx.Err() == nil && time.Now().Before(end); n++ {
				at := time.Now()
				if err = once(ctx, client, make); err == nil && at.After(from) {
					own = append(own, time.Since(at))
				}
			}
			mu.Lock()
			defer mu.Unlock()
			took, failed, asked = append(took, own...), errors.Join(failed, err), asked+n
		})
	}
	wg.Wait()
	if failed == nil && len(took) == 0 {
		failed = errors.New("nothing was answered")
	}
	if failed != nil || ctx.Err() != nil {
		return hammered{}, errors.Join(failed, ctx.Err())
	}
	slices.Sort(took)
	return hammered{perSecond: float64(len(took)) / d.Seconds(), p99: took[len(took)*99/100], asked: asked}, nil
}

func once(ctx context.Context, client *http.Client, make request) error {
	req, err := make(ctx)
	if err != nil {
		return err
	}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if _, err = io.Copy(io.Discard, res.Body); err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", req.URL, res.Status)
	}
	return err
}
