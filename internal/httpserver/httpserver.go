// Package httpserver is the HTTP frame that every role shares: one gin engine for the API, one for operators, problems
// (RFC 9457) for every error, strict JSON, request ids, access log, metrics, and a drain that loses no request. It
// knows no business word.
package httpserver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
)

// Config is what differs between roles.
type Config struct {
	// Role names the server in logs, metrics (turnout_<role>_http_…) and process parts. Required.
	Role string
	// Addr is host:port of the API; port 0 takes a free one. Empty: no API, as in a role that has operators only.
	Addr string
	// OpsAddr is host:port of /healthz, /readyz and /metrics; port 0 takes a free one. Empty: no ops server.
	OpsAddr string
	// AddrSetting and OpsSetting are the settings' names, for errors: TURNOUT_COMMAND_ADDR, TURNOUT_COMMAND_OPS_ADDR.
	AddrSetting, OpsSetting string
	// Registry collects the metrics and is what /metrics shows; nil means a new one.
	Registry *prometheus.Registry
	// MaxBody bounds a request's body in bytes; 0 means 1 MiB. A route may set its own with LimitBody.
	MaxBody int64
	// BodyWithin bounds how long a client may take to send its body; 0 means 30 s: 1 MiB over a bad line.
	BodyWithin time.Duration
	// Drain bounds how long open requests may take once the server stops; 0 means 8 s, under process.DrainBound.
	Drain time.Duration
}

// Server is an API listener and an ops listener. It is a process.Part.
type Server struct {
	cfg    Config
	log    *slog.Logger
	api    *gin.Engine
	ops    *gin.Engine
	checks checks

	ready    chan struct{}
	draining chan struct{} // closed when the server starts to stop
	mu       sync.Mutex
	onStop   []func()
	addr     string
	opsAddr  string
}

// New builds the engines with their middleware; nothing listens before Run.
func New(cfg Config, log *slog.Logger) *Server {
	gin.SetMode(gin.ReleaseMode) // gin's only switch for the routes it prints to stdout is one for the process
	if cfg.Registry == nil {
		cfg.Registry = prometheus.NewRegistry()
	}
	if cfg.MaxBody == 0 {
		cfg.MaxBody = 1 << 20
	}
	if cfg.BodyWithin == 0 {
		cfg.BodyWithin = 30 * time.Second
	}
	if cfg.Drain == 0 {
		cfg.Drain = 8 * time.Second
	}
	s := &Server{cfg: cfg, log: log, ready: make(chan struct{}), draining: make(chan struct{})}
	s.api = s.engine("http")
	s.ops = s.engine("ops_http")
	s.opsRoutes()
	return s
}

// engine makes a gin engine. The order of middleware: ids first, so everything after can name the request; then log
// and metrics, so that they see what recovery answered; then recovery; then limits.
func (s *Server) engine(kind string) *gin.Engine {
	e := gin.New()
	e.HandleMethodNotAllowed = true
	e.RedirectTrailingSlash = false // a redirected POST loses its body; 404 is honest
	e.ContextWithFallback = false   // gin 4117: handlers pass c.Request.Context()
	_ = e.SetTrustedProxies(nil)    // or X-Forwarded-For makes ClientIP whatever the client says; nil cannot fail
	e.Use(identify(), s.observe(kind), s.recovery(), headers(), bodyInTime(s.cfg.BodyWithin), refuseNUL(), LimitBody(s.cfg.MaxBody))
	e.NoRoute(NoRoute)
	e.NoMethod(func(c *gin.Context) { Problem(c, errNoMethod) })
	return e
}

// NoRoute answers an address at which there is nothing.
func NoRoute(c *gin.Context) { Problem(c, errNoRoute) }

// Engine takes the role's routes.
func (s *Server) Engine() *gin.Engine { return s.api }

// Ops takes further routes of the ops listener, beside /healthz, /readyz and /metrics.
func (s *Server) Ops() *gin.Engine { return s.ops }

// Registry is where the role registers its metrics.
func (s *Server) Registry() *prometheus.Registry { return s.cfg.Registry }

// Name is the process part's name.
func (s *Server) Name() string { return s.cfg.Role + " http" }

// Ready is closed once both listeners accept.
func (s *Server) Ready() <-chan struct{} { return s.ready }

// Draining is closed when the server starts to stop: streams end on it, because http.Server.Shutdown waits for them.
func (s *Server) Draining() <-chan struct{} { return s.draining }

// OnShutdown registers f to be called, in its own goroutine, when the server starts to stop.
func (s *Server) OnShutdown(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onStop = append(s.onStop, f)
}

// Addr is the API's real host:port; empty before Ready.
func (s *Server) Addr() string { s.mu.Lock(); defer s.mu.Unlock(); return s.addr }

// OpsAddr is the ops listener's real host:port; empty before Ready.
func (s *Server) OpsAddr() string { s.mu.Lock(); defer s.mu.Unlock(); return s.opsAddr }

// Run listens, serves until ctx ends, and drains: it stops accepting, ends streams, and waits for open requests.
func (s *Server) Run(ctx context.Context) error {
	api, err := s.listen(ctx, s.cfg.Addr, s.cfg.AddrSetting)
	if err != nil {
		return err
	}
	ops, err := s.listen(ctx, s.cfg.OpsAddr, s.cfg.OpsSetting)
	if err != nil {
		closeListener(api)
		return err
	}
	s.mu.Lock()
	s.addr, s.opsAddr = address(api), address(ops)
	s.mu.Unlock()

	failed := make(chan error, 2)
	apiServer := s.serve(ctx, api, s.api, failed)
	opsServer := s.serve(ctx, ops, s.ops, failed)
	s.log.InfoContext(ctx, "listening", "role", s.cfg.Role, "addr", s.Addr(), "ops_addr", s.OpsAddr())
	close(s.ready)

	var cause error
	select {
	case <-ctx.Done():
	case cause = <-failed:
	}
	close(s.draining)
	// The ops listener goes last: while the API drains, /readyz says so.
	err = errors.Join(cause, s.shutdown(ctx, apiServer, s.cfg.Drain))
	// Probes and scrapes come again, and a connection that was opened and never used counts as open for 5 s (net/http):
	// neither is worth an error.
	_ = s.shutdown(ctx, opsServer, time.Second)
	return err
}

func (s *Server) listen(ctx context.Context, addr, setting string) (net.Listener, error) {
	if addr == "" {
		return nil, nil
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", addr)
	if err == nil {
		return l, nil
	}
	if setting == "" {
		setting = "the address"
	}
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%s: port in use: %s is taken by another process; stop it or set %s", s.cfg.Role, addr, setting)
	}
	return nil, fmt.Errorf("%s: cannot listen on %s (%s): %w", s.cfg.Role, addr, setting, err)
}

func (s *Server) serve(ctx context.Context, l net.Listener, handler http.Handler, failed chan<- error) *http.Server {
	if l == nil {
		return nil
	}
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		// No WriteTimeout: it would cut streams, which set a deadline per write with http.ResponseController. No
		// ReadTimeout either: net/http's background read meets it while a stream runs, and cancels the request's
		// context. Bodies have a deadline of their own (bodyInTime).
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
		// A request outlives the server's own context: it is drained, not cut.
		BaseContext: func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
	}
	s.mu.Lock()
	if handler == http.Handler(s.api) {
		for _, f := range s.onStop {
			server.RegisterOnShutdown(f)
		}
	}
	s.mu.Unlock()
	go func() {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			failed <- fmt.Errorf("%s: serve: %w", s.cfg.Role, err)
		}
	}()
	return server
}

func (s *Server) shutdown(ctx context.Context, server *http.Server, bound time.Duration) error {
	if server == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), bound)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("%s: requests still open after %s", s.cfg.Role, bound), server.Close())
	}
	return nil
}

func address(l net.Listener) string {
	if l == nil {
		return ""
	}
	return l.Addr().String()
}

func closeListener(l net.Listener) {
	if l != nil {
		_ = l.Close()
	}
}
