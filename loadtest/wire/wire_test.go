package wire_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/turnout-events/turnout/loadtest/wire"
)

// Every request arrives once, whole, with its number, and its answer is the one that the worker is told.
func TestEveryRequestOnce(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	seen := map[string]int{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		seen[string(body)]++
		mu.Unlock()
		w.WriteHeader(http.StatusCreated)
		_, _ = fmt.Fprintf(w, "%s %s", body, strings.Repeat("x", 1500))
	}))
	defer server.Close()
	request := wire.NewTemplate("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 11\r\n\r\nn " + wire.Mark)
	for name, l := range map[string]wire.Load{
		"closed":   {First: 7, Requests: 2000, For: 20 * time.Second},
		"ordinary": {First: 100_000, Requests: 500, For: 20 * time.Second, Ordinary: true},
		"open":     {First: 500_000, Requests: 300, Rate: 600, For: 20 * time.Second},
	} {
		wrong := make([]int, 16)
		l.Addr, l.Conns = strings.TrimPrefix(server.URL, "http://"), len(wrong)
		l.Template = func(int64) *wire.Template { return request }
		l.Answer = func(worker int, n int64, status int, body []byte) {
			if status != http.StatusCreated || !strings.HasPrefix(string(body), fmt.Sprintf("n %09d x", n)) || len(body) != 11+1+1500 {
				wrong[worker]++
			}
		}
		f, err := wire.Run(t.Context(), l)
		if err != nil || f.Failed > 0 || f.Statuses[http.StatusCreated] != l.Requests || f.Sent != l.Requests {
			t.Fatalf("%s: %+v, %v, %v", name, f.Statuses, f.Failure, err)
		}
		for _, n := range wrong {
			if n > 0 {
				t.Fatalf("%s: wrong answers", name)
			}
		}
	}
	for body, n := range seen {
		if n != 1 {
			t.Fatalf("%q came %d times", body, n)
		}
	}
	if len(seen) != 2800 {
		t.Fatalf("%d requests", len(seen))
	}
}

// Answers in chunks are read to their end, however they are cut, and those that do not fit at first.
func TestChunkedAnswers(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for n := range 5 {
			_, _ = io.WriteString(w, strings.Repeat(r.URL.Path[1:], n*1000))
			_ = http.NewResponseController(w).Flush()
		}
	}))
	defer server.Close()
	request := wire.NewTemplate("GET /" + wire.Mark + " HTTP/1.1\r\nHost: test\r\n\r\n")
	wrong := make([]int, 4)
	f, err := wire.Run(t.Context(), wire.Load{
		Addr: strings.TrimPrefix(server.URL, "http://"), Conns: len(wrong), Requests: 100, For: 20 * time.Second,
		Template: func(int64) *wire.Template { return request },
		Answer: func(worker int, n int64, _ int, body []byte) {
			whole, err := io.ReadAll(httputil.NewChunkedReader(bytes.NewReader(body)))
			if err != nil || string(whole) != strings.Repeat(fmt.Sprintf("%09d", n), 10_000) {
				wrong[worker]++
			}
		},
	})
	if err != nil || f.Failed > 0 || f.Statuses[http.StatusOK] != 100 || slices.Max(wrong) > 0 {
		t.Fatalf("%+v, %v, %v, wrong %v", f.Statuses, f.Failure, err, wrong)
	}
}

func TestServerGoesAway(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	defer server.Close()
	request := wire.NewTemplate("GET / HTTP/1.1\r\nHost: test\r\n\r\n")
	f, err := wire.Run(t.Context(), wire.Load{
		Addr: strings.TrimPrefix(server.URL, "http://"), Conns: 4, For: 10 * time.Second,
		Template: func(int64) *wire.Template { return request },
	})
	if err != nil || f.Failed != 4 || f.Failure == nil {
		t.Fatalf("%+v, %v", f, err)
	}
}
