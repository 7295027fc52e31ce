package elastic_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/turnout-events/turnout/internal/elastic"
	"github.com/turnout-events/turnout/internal/testkit"
)

func TestBusyServerIsRetriedAndThenUnavailable(t *testing.T) {
	t.Parallel()
	// No engine can be told to answer 429 and then nothing: what a real one does is in the tests above.
	var calls, busyFor atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		w.Header().Set("Content-Type", "application/json")
		if busyFor.Add(-1) >= 0 {
			w.WriteHeader(http.StatusTooManyRequests)
			_, _ = w.Write([]byte(`{"error": {"type": "es_rejected_execution_exception", "reason": "queue full"}, "status": 429}`))
			return
		}
		if strings.HasSuffix(r.URL.Path, "_bulk") {
			_, _ = w.Write([]byte(`{"items": [{"index": {"status": 429, "error": {"type": "es_rejected_execution_exception", "reason": "queue full"}}}]}`))
			return
		}
		_, _ = w.Write([]byte(`{"count": 7, "status": "green"}`))
	}))
	t.Cleanup(server.Close)
	c := open(t, elastic.Config{URL: server.URL, Namespace: "t"})

	busyFor.Store(2)
	if n, err := c.Count(t.Context(), "docs", nil); err != nil || n != 7 {
		t.Errorf("after two refusals: %d, %v", n, err)
	}
	busyFor.Store(1000)
	calls.Store(0)
	if _, err := c.Count(t.Context(), "docs", nil); !errors.Is(err, elastic.ErrUnavailable) || calls.Load() > 5 {
		t.Errorf("always busy: %v after %d calls", err, calls.Load())
	}
	results, err := c.Bulk(t.Context(), []elastic.Op{{Index: "docs", ID: "a", Doc: doc{}}})
	if !errors.Is(err, elastic.ErrUnavailable) || results[0].Status != elastic.Retry {
		t.Errorf("bulk refused: %+v, %v", results, err)
	}
	busyFor.Store(0)
	results, err = c.Bulk(t.Context(), []elastic.Op{{Index: "docs", ID: "a", Doc: doc{}}})
	if _, retry := elastic.Sum(results); err != nil || !errors.Is(retry, elastic.ErrUnavailable) {
		t.Errorf("item refused: %v, %v", retry, err)
	}
	server.Close()
	if err := c.Healthy(t.Context()); !errors.Is(err, elastic.ErrUnavailable) || !strings.Contains(err.Error(), "TURNOUT_ELASTIC_URL") {
		t.Errorf("gone: %v", err)
	}
}

func TestEndedContextEndsTheCall(t *testing.T) {
	t.Parallel()
	blocked := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-blocked:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(func() { close(blocked); server.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	c, err := elastic.Open(ctx, elastic.Config{URL: server.URL, Namespace: "t"}, testkit.Logger(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Count(ctx, "docs", nil); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, elastic.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
}
