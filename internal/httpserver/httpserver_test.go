package httpserver_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/turnout-events/turnout/internal/fault"
	"github.com/turnout-events/turnout/internal/httpserver"
)

// logs is a log that a test can read while others write.
type logs struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func server(t *testing.T) (*httpserver.Server, *logs) {
	t.Helper()
	l := &logs{}
	s := httpserver.New(httpserver.Config{Role: "test", Addr: "127.0.0.1:0", OpsAddr: "127.0.0.1:0", Drain: time.Minute},
		slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug})))
	return s, l
}

// do asks the engine without a network.
func do(s *httpserver.Server, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	s.Engine().ServeHTTP(w, r)
	return w
}

func request(t *testing.T, method, target, body string) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	return r
}

type problem struct {
	Type, Title, Detail, Code string
	Status                    int
	RequestID                 string `json:"request_id"`
	Errors                    []fault.Field
	Version                   string // an extra member
}

func decode(t *testing.T, w *httptest.ResponseRecorder) problem {
	t.Helper()
	if got := w.Header().Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("Content-Type %q", got)
	}
	var p problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		t.Fatalf("%s: %v", w.Body, err)
	}
	if p.Status != w.Code || p.RequestID == "" || p.RequestID != w.Header().Get("X-Request-Id") || p.Type != "/problems/"+p.Code || p.Title == "" {
		t.Errorf("status %d, headers %v, problem %+v", w.Code, w.Header(), p)
	}
	return p
}

func TestEveryErrorIsAProblem(t *testing.T) {
	t.Parallel()
	s, l := server(t)
	full := fault.New(fault.Conflict, "event-full", "The event is full")
	answers := map[string]error{
		"/conflict":    full.Detailf("100 of 100").With("version", "e@7").With("status", 200),
		"/wrapped":     errors.Join(errors.New("sQl"), full),
		"/invalid":     fault.ErrInvalid.About(fault.Field{Pointer: "/a", Detail: "is missing"}),
		"/unavailable": fault.ErrUnavailable.Because(errors.New("sQl")),
		"/later":       fault.ErrTooMany.After(1500 * time.Millisecond),
		"/signin":      fault.ErrUnauthorized,
		"/bug":         errors.New("sQl at 10.0.0.1"),
	}
	for path, err := range answers {
		s.Engine().GET(path, func(c *gin.Context) { httpserver.Problem(c, err) }, func(*gin.Context) { panic("the chain goes on") })
	}
	s.Engine().GET("/panic", func(*gin.Context) { panic("sQl") })
	for _, c := range []struct {
		method, path string
		status       int
		code         string
		header       map[string]string
	}{
		{"GET", "/conflict", 409, "event-full", nil},
		{"GET", "/wrapped", 409, "event-full", nil},
		{"GET", "/invalid", 400, "invalid-input", nil},
		{"GET", "/unavailable", 503, "unavailable", map[string]string{"Retry-After": "1"}},
		{"GET", "/later", 429, "rate-limited", map[string]string{"Retry-After": "2"}},
		{"GET", "/signin", 401, "unauthorized", map[string]string{"WWW-Authenticate": "Bearer"}},
		{"GET", "/bug", 500, "internal", nil},
		{"GET", "/panic", 500, "internal", nil},
		{"GET", "/nowhere", 404, "no-such-route", nil},
		{"POST", "/bug", 405, "method-not-allowed", map[string]string{"Allow": "GET"}},
	} {
		w := do(s, request(t, c.method, c.path, ""))
		p := decode(t, w)
		if p.Status != c.status || p.Code != c.code || strings.Contains(w.Body.String(), "sQl") {
			t.Errorf("%s %s: %s", c.method, c.path, w.Body)
		}
		for name, want := range c.header {
			if got := w.Header().Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", c.path, name, got, want)
			}
		}
		if w.Header().Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: no Referrer-Policy", c.path)
		}
		switch c.path {
		case "/conflict":
			if p.Detail != "100 of 100" || p.Version != "e@7" {
				t.Errorf("%+v", p)
			}
		case "/invalid":
			if len(p.Errors) != 1 || p.Errors[0].Pointer != "/a" {
				t.Errorf("%+v", p)
			}
		case "/bug":
			if !strings.Contains(l.String(), p.RequestID) || !strings.Contains(l.String(), "sQl at 10.0.0.1") {
				t.Error("the log does not have what the client must not see")
			}
		}
	}
}

func TestIDsAreTakenOverAndTokensAreNotLogged(t *testing.T) {
	t.Parallel()
	s, l := server(t)
	s.Engine().GET("/r/:token", func(c *gin.Context) {
		ctx := c.Request.Context()
		for name, want := range map[string]string{"X-Request-Id": httpserver.RequestID(ctx), "Traceparent": httpserver.Traceparent(ctx)} {
			if got := c.GetHeader(name); got != "" && got != want {
				t.Errorf("a forwarded request would have another %s: %q", name, got)
			}
		}
		c.String(200, httpserver.RequestID(ctx)+" "+httpserver.Traceparent(ctx))
	})
	const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	r := request(t, "GET", "/r/sEcReT?token=sEcReT", "")
	r.Header.Set("X-Request-Id", "abc-1")
	r.Header.Set("Traceparent", trace)
	r.Header.Set("Authorization", "Guest sEcReT")
	w := do(s, r)
	if w.Body.String() != "abc-1 "+trace || w.Header().Get("X-Request-Id") != "abc-1" || w.Header().Get("Traceparent") != trace {
		t.Errorf("%s, %v", w.Body, w.Header())
	}
	r = request(t, "GET", "/r/x", "")
	r.Header.Set("X-Request-Id", "abc\" level=ERROR")
	r.Header.Set("Traceparent", "rubbish")
	w = do(s, r)
	id, made, _ := strings.Cut(w.Body.String(), " ")
	if len(id) != 36 || len(made) != len(trace) {
		t.Errorf("made %q and %q", id, made)
	}
	for _, from := range []string{"[2001:db8:7:8::9]:4000", "[::ffff:203.0.113.77]:4000", "[fe80::1%eth0]:4000", "unknown"} {
		r.RemoteAddr = from
		do(s, r)
	}
	text := l.String()
	for _, secret := range []string{"sEcReT", "192.0.2.1 ", "203.0.113.77", "8::9", "eth0"} {
		if strings.Contains(text, secret) {
			t.Errorf("%q is in the log: %s", secret, text)
		}
	}
	for _, want := range []string{"route=/r/:token", "network=192.0.2.0/24", "network=203.0.113.0/24", "network=2001:db8:7::/48"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in the log: %s", want, text)
		}
	}
}
