// Package query is the read side's HTTP role: search, seats, RSVPs as guests
// see them, guest lists, analytics. It reads Elasticsearch and Redis only.
// reader/ says what is read and what is served when a store is away, httpapi/
// has a file per resource.
package query

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/turnout-events/turnout/internal/elastic"
	"github.com/turnout-events/turnout/internal/httpserver"
	"github.com/turnout-events/turnout/internal/redisconn"
	"github.com/turnout-events/turnout/internal/seal"
	"github.com/turnout-events/turnout/internal/token"
	"github.com/turnout-events/turnout/query/httpapi"
	"github.com/turnout-events/turnout/query/reader"
)

// Config of the query role.
type Config struct {
	// Addr is host:port of the API; port 0 takes a free one.
	Addr string `env:"TURNOUT_QUERY_ADDR" envDefault:"127.0.0.1:8082"`
	// OpsAddr is host:port of /healthz, /readyz and /metrics.
	OpsAddr string `env:"TURNOUT_QUERY_OPS_ADDR" envDefault:"127.0.0.1:9082"`
	// PublicURL is the origin that people see; links in calendars start with it.
	PublicURL string `env:"TURNOUT_PUBLIC_URL" envDefault:"http://127.0.0.1:8080"`
}

// Validate says what is wrong with the settings.
func (c Config) Validate() error {
	if c.Addr == "" {
		return errors.New("query: TURNOUT_QUERY_ADDR is empty")
	}
	if u, err := url.Parse(c.PublicURL); err != nil || u.Host == "" {
		return errors.New("query: TURNOUT_PUBLIC_URL is not like https://example.org")
	}
	return nil
}

// Deps are what the role uses; it closes none of it.
type Deps struct {
	Log      *slog.Logger
	Registry *prometheus.Registry // nil: one of its own
	Elastic  *elastic.Client      // with a timeout of at most 2 s
	Redis    *redisconn.Conn
	Ring     *seal.Keyring
	Verifier httpapi.Verifier
	Now      func() time.Time // nil: the clock
}

// Query serves reads. It is a process.Part.
type Query struct {
	server *httpserver.Server
	hub    *reader.Hub
	log    *slog.Logger
}

// New wires the role; nothing listens before Run.
func New(_ context.Context, cfg Config, deps Deps) (*Query, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	server := httpserver.New(httpserver.Config{
		Role: "query", Addr: cfg.Addr, OpsAddr: cfg.OpsAddr, AddrSetting: "TURNOUT_QUERY_ADDR",
		OpsSetting: "TURNOUT_QUERY_OPS_ADDR", Registry: deps.Registry,
	}, deps.Log)
	stores := reader.NewStores(deps.Elastic, deps.Redis, deps.Log)
	if err := stores.Register(server.Registry()); err != nil {
		return nil, fmt.Errorf("query metrics: %w", err)
	}
	hub, err := reader.NewHub(stores, server.Registry(), deps.Log)
	if err != nil {
		return nil, fmt.Errorf("query metrics: %w", err)
	}
	cache, err := reader.NewCache(server.Registry())
	if err != nil {
		return nil, fmt.Errorf("query metrics: %w", err)
	}
	api := &httpapi.API{Stores: stores, Hub: hub, Cache: cache, Verifier: deps.Verifier, Now: deps.Now, Log: deps.Log,
		Draining: server.Draining(), Public: cfg.PublicURL}
	if api.Now == nil {
		api.Now = time.Now
	}
	if api.Manage, err = token.NewManager(deps.Ring); err != nil {
		return nil, err
	}
	if api.Tickets, err = token.NewTickets(deps.Ring); err != nil {
		return nil, err
	}
	if api.Sessions, err = token.NewSessions(deps.Ring); err != nil {
		return nil, err
	}
	api.Routes(server.Engine())
	// Either store serves its half, so one of them is enough to take requests.
	server.AddCheck("a store", func(ctx context.Context) error {
		err := deps.Redis.Healthy(ctx)
		if err == nil {
			return nil
		}
		if other := deps.Elastic.Healthy(ctx); other != nil {
			return errors.Join(err, other)
		}
		return nil
	})
	return &Query{server: server, hub: hub, log: deps.Log}, nil
}

// Name is for logs.
func (q *Query) Name() string { return "query" }

// Ready is closed once the API accepts requests.
func (q *Query) Ready() <-chan struct{} { return q.server.Ready() }

// Addr is the API's real host:port; empty before Ready.
func (q *Query) Addr() string { return q.server.Addr() }

// Server gives the listeners, for routes that other packages add.
func (q *Query) Server() *httpserver.Server { return q.server }

// Run serves until ctx ends; open requests are finished, streams ended.
func (q *Query) Run(ctx context.Context) error {
	checkFiles(ctx, q.log)
	listening, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		q.hub.Run(listening)
	}()
	err := q.server.Run(ctx)
	stop()
	<-ended
	return err
}
