package httpserver_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/turnout-events/turnout/internal/httpserver"
	"github.com/turnout-events/turnout/internal/testkit"
)

// start runs the server until the returned function stops it and gives Run's result.
func start(t *testing.T, s *httpserver.Server) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	select {
	case <-s.Ready():
	case err := <-done:
		cancel()
		t.Fatal(err)
	}
	stop = sync.OnceValue(func() error { cancel(); return <-done })
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return stop
}

func get(t *testing.T, url string) (int, string, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	return res.StatusCode, string(body), err
}

func TestDrainAnswersWhatIsOpenAndEndsStreams(t *testing.T) {
	t.Parallel()
	s, _ := server(t)
	entered, finish := make(chan struct{}, 2), make(chan struct{})
	hooked := make(chan struct{})
	s.OnShutdown(func() { close(hooked) })
	s.Engine().GET("/slow", func(c *gin.Context) {
		entered <- struct{}{}
		<-finish
		if c.Request.Context().Err() != nil {
			t.Error("the open request was cut")
		}
		c.String(200, "done")
	})
	s.Engine().GET("/stream", func(c *gin.Context) {
		c.Writer.Flush()
		entered <- struct{}{}
		<-s.Draining()
		c.String(200, "bye")
	})
	stop := start(t, s)
	type answer struct {
		body string
		err  error
	}
	answers := make(chan answer, 2)
	for _, path := range []string{"/slow", "/stream"} {
		go func() {
			_, body, err := get(t, "http://"+s.Addr()+path)
			answers <- answer{body, err}
		}()
	}
	<-entered
	<-entered
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	<-hooked
	if a := <-answers; a.err != nil || a.body != "bye" {
		t.Errorf("stream: %+v", a)
	}
	// The API takes no more; operators still see why.
	testkit.Eventually(t, 5*time.Second, 5*time.Millisecond, func() error {
		if conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", s.Addr()); err == nil {
			_ = conn.Close()
			return errors.New("still accepting")
		}
		return nil
	})
	if status, body, err := get(t, "http://"+s.OpsAddr()+"/readyz"); err != nil || status != 503 || !strings.Contains(body, "draining") {
		t.Errorf("readyz: %d %s %v", status, body, err)
	}
	select {
	case err := <-stopped:
		t.Fatalf("stopped with a request open: %v", err)
	default:
	}
	close(finish)
	if a := <-answers; a.err != nil || a.body != "done" {
		t.Errorf("slow: %+v", a)
	}
	if err := <-stopped; err != nil {
		t.Errorf("Run: %v", err)
	}
}

func TestOpsListener(t *testing.T) {
	t.Parallel()
	s, _ := server(t)
	s.Engine().GET("/things/:id", func(c *gin.Context) { c.Status(200) })
	var away error
	var mu sync.Mutex
	s.AddCheck("store", func(context.Context) error { mu.Lock(); defer mu.Unlock(); return away })
	s.AddCheck("bus", func(context.Context) error { return nil })
	stop := start(t, s)
	ops := "http://" + s.OpsAddr()
	if status, _, err := get(t, ops+"/healthz"); err != nil || status != 200 {
		t.Errorf("healthz: %d, %v", status, err)
	}
	if status, body, err := get(t, ops+"/readyz"); err != nil || status != 200 {
		t.Errorf("readyz: %d %s, %v", status, body, err)
	}
	mu.Lock()
	away = errors.New("connection refused")
	mu.Unlock()
	if status, body, err := get(t, ops+"/readyz"); err != nil || status != 503 || !strings.Contains(body, `{"name":"bus","ok":true},{"name":"store","ok":false,"error":"connection refused"}`) {
		t.Errorf("readyz: %d %s, %v", status, body, err)
	}
	s.AddCheck("stuck", func(ctx context.Context) error { select {} }) // never answers, whatever ctx says
	began := time.Now()
	if status, body, err := get(t, ops+"/readyz"); err != nil || status != 503 || !strings.Contains(body, "no answer within") || time.Since(began) > 20*time.Second {
		t.Errorf("readyz with a stuck check: %d %s, %v after %s", status, body, err, time.Since(began))
	}
	for range 3 {
		if status, _, err := get(t, "http://"+s.Addr()+"/things/secret"); err != nil || status != 200 {
			t.Errorf("%d, %v", status, err)
		}
	}
	_, body, err := get(t, ops+"/metrics")
	if err != nil || !strings.Contains(body, `turnout_test_http_request_seconds_count{method="GET",route="/things/:id",status="200"} 3`) || strings.Contains(body, "secret") {
		t.Errorf("metrics: %s %v", body, err)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestTakenPortIsOneLineWithTheSetting(t *testing.T) {
	t.Parallel()
	first, _ := server(t)
	start(t, first)
	for name, cfg := range map[string]httpserver.Config{
		"api": {Role: "test", Addr: first.Addr(), AddrSetting: "TURNOUT_TEST_ADDR"},
		"ops": {Role: "test", Addr: "127.0.0.1:0", OpsAddr: first.Addr(), OpsSetting: "TURNOUT_TEST_ADDR"},
	} {
		err := httpserver.New(cfg, testkit.Logger(t)).Run(t.Context())
		if err == nil || !strings.Contains(err.Error(), "port in use") || !strings.Contains(err.Error(), "TURNOUT_TEST_ADDR") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A client that sends its body slowly is let go, whoever reads the body, and also where nobody does.
func TestASlowBodyEnds(t *testing.T) {
	t.Parallel()
	s := httpserver.New(httpserver.Config{Role: "test", Addr: "127.0.0.1:0", OpsAddr: "127.0.0.1:0", BodyWithin: 200 * time.Millisecond}, slog.New(slog.DiscardHandler))
	s.Engine().POST("/form", func(c *gin.Context) { c.String(200, c.PostForm("a")) })
	s.Engine().POST("/json", func(c *gin.Context) {
		if _, err := httpserver.ReadBody(c); err != nil {
			httpserver.Problem(c, err)
		}
	})
	s.Engine().POST("/unread", func(c *gin.Context) { c.String(200, "") })
	s.Engine().POST("/long", func(c *gin.Context) {
		_, err := httpserver.ReadBody(c)
		select {
		case <-c.Request.Context().Done():
			err = errors.New("the bound of the body has cut what runs long")
		case <-time.After(500 * time.Millisecond):
		}
		if err != nil {
			httpserver.Problem(c, err)
		}
	})
	stop := start(t, s)
	defer func() { _ = stop() }()
	for _, path := range []string{"/form", "/json", "/unread", "/nowhere"} {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", s.Addr())
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
		_, _ = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: test\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000\r\n\r\na=b", path)
		if _, err := io.ReadAll(conn); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s holds on to a client that sends nothing", path)
		}
		_ = conn.Close()
	}
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+s.Addr()+"/long", strings.NewReader("{}"))
	res, err := http.DefaultClient.Do(req)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("a whole body, and a long answer: %v %v", res, err)
	}
	_ = res.Body.Close()
}
