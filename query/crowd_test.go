package query_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/testkit"
)

// counter stands before the real Elasticsearch, counts searches for a text, and
// holds their answers until it is opened.
type counter struct {
	text     string
	searches atomic.Int64
	byID     atomic.Int64
	arrived  chan struct{}
	open     chan struct{}
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
				if c.searches.Add(1) == 1 {
					close(c.arrived)
				}
				<-c.open
			}
			proxy.ServeHTTP(w, r)
		}))
		t.Cleanup(server.Close)
		return server.URL
	}
}

const crowd = 1000

// A thousand people who ask for the same at the same moment cost Elasticsearch
// one search, and all get its answer.
func TestACrowdAsksOnce(t *testing.T) {
	t.Parallel()
	count := &counter{text: "stampede", arrived: make(chan struct{}), open: make(chan struct{})}
	r := startBehind(t, count.behind(t))
	e := r.event(newID(t), "Stampede")
	v := r.publish(e, contract.Counters{})
	ok[map[string]any](t, r.get("/v1/events/"+e.ID, atLeast(e.ID, v)...))
	ok[found](t, r.get("/v1/events?q=other", atLeast(e.ID, v)...)) // the index has it

	before := count.byID.Load()
	host := strings.TrimPrefix(r.url, "http://")
	conns := make([]net.Conn, crowd)
	for i := range conns { // all at the door before the first may ask
		var err error
		conns[i], err = (&net.Dialer{}).DialContext(t.Context(), "tcp", host)
		must(t, err)
		defer func() { _ = conns[i].Close() }()
	}
	var asked, answered sync.WaitGroup
	var good atomic.Int64
	for _, conn := range conns {
		asked.Add(1)
		answered.Go(func() {
			_, err := fmt.Fprintf(conn, "GET /v1/events?q=stampede HTTP/1.1\r\nHost: x\r\n\r\n")
			asked.Done()
			if err != nil {
				return
			}
			res, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				return
			}
			body, err := io.ReadAll(res.Body)
			_ = res.Body.Close()
			if err == nil && res.StatusCode == http.StatusOK && strings.Contains(string(body), e.ID) {
				good.Add(1)
			}
		})
	}
	asked.Wait()
	<-count.arrived
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	<-ctx.Done() // those who have written are heard meanwhile; who is late still finds the answer in memory
	cancel()
	close(count.open)
	answered.Wait()
	if good.Load() != crowd {
		t.Errorf("%d of %d were answered", good.Load(), crowd)
	}
	if n := count.searches.Load(); n != 1 {
		t.Errorf("Elasticsearch was asked %d times", n)
	}
	if n := count.byID.Load() - before; n > 1 { // for a document that is not remembered
		t.Errorf("Elasticsearch was asked %d times for what was found", n)
	}
	testkit.Eventually(t, 5*time.Second, 20*time.Millisecond, func() error {
		hit, shared, miss := r.metric("turnout_query_search_cache_total", "hit"), r.metric("turnout_query_search_cache_total", "shared"), r.metric("turnout_query_search_cache_total", "miss")
		if hit+shared != crowd-1 || miss != 1 {
			return errorf("hits %v, shared %v, misses %v: the hit rate would be wrong", hit, shared, miss)
		}
		return nil
	})
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
