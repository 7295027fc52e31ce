package query_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/testkit"
)

// counter stands before the real Elasticsearch, counts searches for a text, and
// holds their answers at a gate.
type counter struct {
	text     string
	searches atomic.Int64
	byID     atomic.Int64
	gate     atomic.Pointer[gate]
}

// gate tells of the first search that comes to it.
type gate struct {
	came     sync.Once
	arrived  chan struct{}
	open     chan struct{}
	answered atomic.Int64 // how long after it came the first was answered; zero: not yet
}

func (c *counter) behind(t *testing.T) func(string) string {
	return func(elasticURL string) string {
		proxy := httputil.NewSingleHostReverseProxy(mustURL(t, elasticURL))
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return // the client has left
			}
			r.Body = io.NopCloser(strings.NewReader(string(body)))
			if strings.Contains(string(body), `"ids"`) {
				c.byID.Add(1)
			}
			if strings.HasSuffix(r.URL.Path, "/_search") && strings.Contains(string(body), c.text) {
				c.searches.Add(1)
				g, began := c.gate.Load(), time.Now()
				g.came.Do(func() { close(g.arrived) })
				<-g.open
				defer func() { g.answered.CompareAndSwap(0, int64(time.Since(began))) }()
			}
			proxy.ServeHTTP(w, r)
		}))
		t.Cleanup(server.Close)
		return server.URL
	}
}

// A thousand people who ask for the same at the same moment cost Elasticsearch
// one search, and all get its answer. A machine that does not let as many in
// while one search may take has a smaller crowd.
func TestACrowdAsksOnce(t *testing.T) {
	t.Parallel()
	count := &counter{text: "stampede"}
	r := startBehind(t, count.behind(t))
	e := r.event(newID(t), "Stampede")
	v := r.publish(e, contract.Counters{})
	ok[map[string]any](t, r.get("/v1/events/"+e.ID, atLeast(e.ID, v)...))
	ok[found](t, r.get("/v1/events?q=other", atLeast(e.ID, v)...)) // the index has it

	const most, least = 1000, 100
	for crowd, round := most, 0; !r.stampede(count, e.ID, crowd, round); round++ {
		if round == 10 {
			t.Fatalf("not even %d get in while a search goes on", crowd)
		}
		crowd = max(crowd/2, least)
	}
}

// stampede sends a crowd, and tells whether all of it was in while the first
// one's search went on. If not, nothing can be said of it.
func (r *readSide) stampede(count *counter, event string, crowd, round int) bool {
	t := r.t
	t.Helper()
	const cache = "turnout_query_search_cache_total"
	type counts struct{ searches, byID, hit, shared, miss int }
	now := func() counts {
		return counts{int(count.searches.Load()), int(count.byID.Load()), int(r.metric(cache, "hit")), int(r.metric(cache, "shared")), int(r.metric(cache, "miss"))}
	}
	before := now()
	path := "/v1/events?q=stampede&limit=" + strconv.Itoa(50+round) // not what is remembered of another round
	g := &gate{arrived: make(chan struct{}), open: make(chan struct{})}
	count.gate.Store(g)
	host := strings.TrimPrefix(r.url, "http://")
	conns := make([]net.Conn, crowd)
	for i := range conns { // all at the door before the first may ask
		var err error
		conns[i], err = (&net.Dialer{}).DialContext(t.Context(), "tcp", host)
		must(t, err)
		defer func() { _ = conns[i].Close() }()
	}
	var answered sync.WaitGroup
	var good atomic.Int64
	for _, conn := range conns {
		answered.Go(func() {
			if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path); err != nil {
				return
			}
			res, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				return
			}
			body, err := io.ReadAll(res.Body)
			_ = res.Body.Close()
			if err == nil && res.StatusCode == http.StatusOK && strings.Contains(string(body), event) {
				good.Add(1)
			}
		})
	}
	<-g.arrived
	in := 0 // a second for all of them leaves the search half of one
	for end := time.Now().Add(time.Second); in < crowd && time.Now().Before(end); <-time.After(20 * time.Millisecond) {
		in = inCache(t)
	}
	close(g.open)
	answered.Wait()
	if took := time.Duration(g.answered.Load()); in < crowd || took > 1400*time.Millisecond {
		t.Logf("%d of %d were in, and the search took %s", in, crowd, took)
		return false
	}
	if good.Load() != int64(crowd) {
		t.Errorf("%d of %d were answered", good.Load(), crowd)
	}
	if n := now().searches - before.searches; n != 1 {
		t.Errorf("Elasticsearch was asked %d times", n)
	}
	if n := now().byID - before.byID; n > 1 { // for a document that is not remembered
		t.Errorf("Elasticsearch was asked %d times for what was found", n)
	}
	testkit.Eventually(t, time.Minute, 20*time.Millisecond, func() error {
		after := now()
		hit, shared, miss := after.hit-before.hit, after.shared-before.shared, after.miss-before.miss
		if hit+shared != crowd-1 || miss != 1 {
			return errorf("hits %d, shared %d, misses %d: the hit rate would be wrong", hit, shared, miss)
		}
		return nil
	})
	return true
}

// inCache is how many requests are where they find an answer, or wait for one.
func inCache(t *testing.T) (n int) {
	t.Helper()
	var all strings.Builder
	must(t, pprof.Lookup("goroutine").WriteTo(&all, 1)) // by stack, after how many have it
	for stack := range strings.SplitSeq(all.String(), "\n\n") {
		if many, _, there := strings.Cut(stack, " @ "); there && strings.Contains(stack, "reader.(*Cache).Get+") {
			many = many[strings.LastIndexByte(many, '\n')+1:]
			count, err := strconv.Atoi(many)
			must(t, err)
			n += count
		}
	}
	return n
}

// metric is a counter's value by its label "result"; 0 when nothing was counted.
func (r *readSide) metric(name, result string) float64 {
	r.t.Helper()
	families, err := r.registry.Gather()
	must(r.t, err)
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if l.GetName() == "result" && l.GetValue() == result {
					return m.GetCounter().GetValue()
				}
			}
		}
	}
	return 0
}
