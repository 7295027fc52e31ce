// Package web is the one origin that people and programs talk to: a gateway
// that sends each API route to the role that answers it, and the pages for
// guests and operators. It has no store of its own; what a page shows comes
// from the same API that everybody else uses.
package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/turnout-events/turnout/internal/httpserver"
	"github.com/turnout-events/turnout/internal/seal"
	"github.com/turnout-events/turnout/internal/token"
)

// Config says where web listens and where the other roles do.
type Config struct {
	Addr            string `env:"TURNOUT_HTTP_ADDR" envDefault:"127.0.0.1:8080"`
	OpsAddr         string `env:"TURNOUT_WEB_OPS_ADDR" envDefault:"127.0.0.1:9080"`
	CommandURL      string `env:"TURNOUT_COMMAND_URL" envDefault:"http://127.0.0.1:8081"`
	QueryURL        string `env:"TURNOUT_QUERY_URL" envDefault:"http://127.0.0.1:8082"`
	NotifierURL     string `env:"TURNOUT_NOTIFIER_URL" envDefault:"http://127.0.0.1:8083"`
	CommandOpsURL   string `env:"TURNOUT_COMMAND_OPS_URL" envDefault:"http://127.0.0.1:9081"`
	ProjectorOpsURL string `env:"TURNOUT_PROJECTOR_OPS_URL" envDefault:"http://127.0.0.1:9084"`
	NotifierOpsURL  string `env:"TURNOUT_NOTIFIER_OPS_URL" envDefault:"http://127.0.0.1:9083"`
	RelayOpsURL     string `env:"TURNOUT_RELAY_OPS_URL" envDefault:"http://127.0.0.1:9085"`
	// PublicURL is how browsers reach the origin.
	PublicURL string `env:"TURNOUT_PUBLIC_URL" envDefault:"http://127.0.0.1:8080"`
	// TrustedProxies are addresses or networks of what stands before web and ends TLS, whose X-Forwarded-For is believed.
	// None by default: a client that names its own address would choose its own limits.
	TrustedProxies []string `env:"TURNOUT_WEB_TRUSTED_PROXIES"`
	// OpsToken opens /v1/ops to operators; empty shuts it.
	OpsToken string `env:"TURNOUT_OPS_TOKEN"`
}

// Validate tells the first setting that cannot work.
func (c Config) Validate() error {
	for name, raw := range map[string]string{
		"TURNOUT_COMMAND_URL": c.CommandURL, "TURNOUT_QUERY_URL": c.QueryURL, "TURNOUT_NOTIFIER_URL": c.NotifierURL,
		"TURNOUT_COMMAND_OPS_URL": c.CommandOpsURL, "TURNOUT_PROJECTOR_OPS_URL": c.ProjectorOpsURL,
		"TURNOUT_NOTIFIER_OPS_URL": c.NotifierOpsURL, "TURNOUT_RELAY_OPS_URL": c.RelayOpsURL,
	} {
		if u, err := url.Parse(raw); err != nil || u.Host == "" {
			return fmt.Errorf("%s: %q is not a URL", name, raw)
		}
	}
	return nil
}

// Deps are what web is given.
type Deps struct {
	Log      *slog.Logger
	Registry *prometheus.Registry
	Keyring  *seal.Keyring
	// Inbox is the development inbox, mounted at /inbox; nil where mail goes
	// to a real server.
	Inbox http.Handler
}

// maxBody lets a cover image through; the role behind sets its own, tighter bounds.
const maxBody = 12 << 20

// Web is the role.
type Web struct {
	server *httpserver.Server
}

// New wires the gateway and the pages.
func New(ctx context.Context, cfg Config, deps Deps) (*Web, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if deps.Keyring == nil {
		return nil, errors.New("web needs the keyring for its form tokens")
	}
	views, err := newViews()
	if err != nil {
		return nil, err
	}
	forms, err := newForms(deps.Keyring)
	if err != nil {
		return nil, err
	}
	links, err := token.NewManager(deps.Keyring)
	if err != nil {
		return nil, err
	}
	doc, err := newAPIDoc()
	if err != nil {
		return nil, err
	}
	door, err := newDoor(deps.Keyring)
	if err != nil {
		return nil, err
	}
	server := httpserver.New(httpserver.Config{
		Role: "web", Addr: cfg.Addr, AddrSetting: "TURNOUT_HTTP_ADDR",
		OpsAddr: cfg.OpsAddr, OpsSetting: "TURNOUT_WEB_OPS_ADDR",
		Registry: deps.Registry, MaxBody: maxBody, BodyWithin: time.Minute, // a picture over a bad line
	}, deps.Log)
	if err := server.Engine().SetTrustedProxies(cfg.TrustedProxies); err != nil {
		return nil, fmt.Errorf("TURNOUT_WEB_TRUSTED_PROXIES: %w", err)
	}
	draining, drain := context.WithCancel(ctx)
	server.OnShutdown(drain)
	transport := &http.Transport{
		// One whose machine is gone answers nothing at all, and the system would wait for minutes.
		DialContext:         (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
		MaxIdleConnsPerHost: 256, IdleConnTimeout: 90 * time.Second,
		// A role that is down must not hold a guest up; one that is up answers
		// within its own bounds, and streams have no end.
		ResponseHeaderTimeout: 15 * time.Second,
	}
	p := &pages{
		api:   &api{client: &http.Client{Transport: transport, Timeout: 20 * time.Second}, command: cfg.CommandURL, query: cfg.QueryURL, notifier: cfg.NotifierURL},
		views: views, forms: forms, links: links, secure: strings.HasPrefix(cfg.PublicURL, "https:"), public: strings.TrimSuffix(cfg.PublicURL, "/"), doc: doc, door: door, log: deps.Log,
		origin: http.NewCrossOriginProtection(), renewals: newRenewals(),
	}
	public, err := url.Parse(cfg.PublicURL)
	if err != nil {
		return nil, fmt.Errorf("TURNOUT_PUBLIC_URL: %w", err)
	}
	if err := p.origin.AddTrustedOrigin(public.Scheme + "://" + public.Host); err != nil {
		return nil, fmt.Errorf("TURNOUT_PUBLIC_URL: %w", err)
	}
	g, err := newGateway(draining, cfg, transport)
	if err != nil {
		return nil, err
	}
	routes(server.Engine(), p, g, deps.Inbox)
	server.Engine().NoRoute(p.nowhere)
	return &Web{server: server}, nil
}

// Name is the role's.
func (w *Web) Name() string { return "web" }

// Ready is closed once the origin listens.
func (w *Web) Ready() <-chan struct{} { return w.server.Ready() }

// Addr is where the origin listens, once it is ready.
func (w *Web) Addr() string { return w.server.Addr() }

// Run serves until ctx ends.
func (w *Web) Run(ctx context.Context) error { return w.server.Run(ctx) }
