package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
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
const asked = "/v1/events?q=load&limit=20&to=2090-01-01T00:00:00." + wire.Mark + "Z"

func (r *readers) searches(ctx context.Context, o options) ([]row, error) {
	to := time.Date(2090, 1, 1, 0, 0, 0, 0, time.UTC)
	straight, err := r.straight(reader.Search{Q: "load", To: &to, Status: "published", Sort: reader.SortRelevance, Limit: 20})
	if err != nil {
		return nil, err
	}
	// A young Elasticsearch gets faster by half while it compiles what it runs, to the good of whoever comes later.
	if _, err := r.fully(ctx, r.elasticAddr(), wire.Load{Conns: readConns, Template: straight, For: warmSearches}); err != nil {
		return nil, err
	}
	fresh, same := fixed(get(asked)), fixed(get(strings.ReplaceAll(asked, wire.Mark, "123456789")))
	var ours, theirs, cached, cpu series
	arm := func(into *series, addr string, template func(int64) *wire.Template) func() error {
		return func() error {
			used := r.query.cpu()
			f, err := r.fully(ctx, addr, wire.Load{Conns: readConns, Template: template, Warm: warm, For: o.duration})
			if err != nil {
				return err
			}
			*into = append(*into, f.PerSecond(http.StatusOK))
			if into == &ours {
				cpu = append(cpu, us(r.query.cpu()-used, f.Sent))
			}
			return nil
		}
	}
	err = alternate(o.rounds, arm(&ours, r.query.addr, fresh), arm(&theirs, r.elasticAddr(), straight), arm(&cached, r.query.addr, same))
	return []row{ours.row("searches, none asked before", "1/s"), theirs.row("the same, straight to Elasticsearch", "1/s"),
		ours.over(theirs).row("search / Elasticsearch", "×").atLeast(.85), cpu.row("CPU of the query role per search", "µs"),
		cached.row("one search, asked by all", "1/s"), cached.over(theirs).row("remembered search / Elasticsearch", "×").atLeast(20)}, err
}

func (r *readers) suggestions(ctx context.Context, o options) ([]row, error) {
	q := reader.Search{Q: "loa", TitleOnly: true, Prefix: true, Status: "published", Sort: reader.SortRelevance, Limit: 8, Lean: true}
	straight, err := r.straight(q)
	if err != nil {
		return nil, err
	}
	var other [150]*wire.Template // other texts, the same words
	for i := range other {
		other[i] = get("/v1/suggest?q=loa" + strings.Repeat(".", i))
	}
	var ours, theirs series
	arm := func(into *series, addr string, template func(int64) *wire.Template) func() error {
		return func() error {
			f, err := r.fully(ctx, addr, wire.Load{Conns: suggesters, Template: template, Warm: warm, For: o.duration})
			if err == nil {
				*into = append(*into, ms(f.Quantile(.99)))
			}
			return err
		}
	}
	err = alternate(o.rounds, arm(&ours, r.query.addr, func(n int64) *wire.Template { return other[n%int64(len(other))] }),
		arm(&theirs, r.elasticAddr(), straight))
	return []row{ours.row("suggestion p99", "ms"), theirs.row("the same, straight to Elasticsearch, p99", "ms"),
		ours.over(theirs).row("suggestion p99 / Elasticsearch p99", "×").atMost(3)}, err
}

// fully runs a load of which every request must be answered with 200.
func (r *readers) fully(ctx context.Context, addr string, l wire.Load) (*wire.Figures, error) {
	l.Addr = addr
	f, err := r.run(ctx, l)
	if err == nil && (f.Failed > 0 || len(f.Statuses) != 1 || f.Statuses[http.StatusOK] == 0) {
		err = fmt.Errorf("%s answered %v: %w", addr, f.Statuses, f.Failure)
	}
	return f, err
}

func (r *readers) elasticAddr() string { return strings.TrimPrefix(r.elastic, "http://") }

func fixed(t *wire.Template) func(int64) *wire.Template {
	return func(int64) *wire.Template { return t }
}

func get(path string) *wire.Template {
	return wire.NewTemplate("GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n")
}

// straight is what Elasticsearch is asked for the same answer, with its documents.
func (r *readers) straight(q reader.Search) (func(int64) *wire.Template, error) {
	body, err := json.Marshal(q.Request(time.Now()))
	if err != nil {
		return nil, err
	}
	return fixed(wire.NewTemplate(fmt.Sprintf("POST /%s-listing/_search?allow_partial_search_results=false HTTP/1.1\r\nHost: localhost\r\n"+
		"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", r.namespace, len(body), body))), nil
}
