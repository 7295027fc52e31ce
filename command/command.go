// Package command is the write side: the API that takes commands, the rules
// that decide them, and the store that keeps what was decided together with
// the messages that say so.
//
// This file is the wiring. A request goes httpapi → admission → rsvp →
// pgstore; the relay (command/relay, a role of its own) takes the messages to
// Kafka.
package command

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/turnout-events/turnout/command/account"
	"github.com/turnout-events/turnout/command/admission"
	"github.com/turnout-events/turnout/command/httpapi"
	"github.com/turnout-events/turnout/command/limit"
	"github.com/turnout-events/turnout/command/pgstore"
	"github.com/turnout-events/turnout/command/rsvp"
	"github.com/turnout-events/turnout/command/soldout"
	"github.com/turnout-events/turnout/internal/httpserver"
	"github.com/turnout-events/turnout/internal/process"
	"github.com/turnout-events/turnout/internal/redisconn"
	"github.com/turnout-events/turnout/internal/seal"
)

// Config is the role's own settings.
type Config struct {
	// Addr and OpsAddr are host:port; port 0 takes a free one.
	Addr    string `env:"TURNOUT_COMMAND_ADDR" envDefault:"127.0.0.1:8081"`
	OpsAddr string `env:"TURNOUT_COMMAND_OPS_ADDR" envDefault:"127.0.0.1:9081"`
	// MaxCapacity is the most people that an event with a capacity may have room for.
	MaxCapacity int `env:"TURNOUT_MAX_CAPACITY" envDefault:"1000"`
	// TrustedProxies are addresses or networks whose X-Forwarded-For is
	// believed: the gateway, a load balancer. Limits go by the client's address.
	TrustedProxies []string `env:"TURNOUT_TRUSTED_PROXIES" envDefault:"127.0.0.1,::1"`
	// RetentionEvery is how often answers past their event's retention are looked for, and pictures that no event shows.
	RetentionEvery time.Duration `env:"TURNOUT_RETENTION_EVERY" envDefault:"1h"`

	Admission admission.Config
	Accounts  account.Config
	Limits    httpapi.Limits
}

// Validate says what is wrong with the settings, in one line.
func (c *Config) Validate() error {
	if c.MaxCapacity < 1 {
		return errors.New("command: TURNOUT_MAX_CAPACITY must be at least 1")
	}
	if c.RetentionEvery <= 0 {
		return errors.New("command: TURNOUT_RETENTION_EVERY must be positive")
	}
	for _, p := range c.TrustedProxies {
		_, netErr := netip.ParsePrefix(p)
		if _, err := netip.ParseAddr(p); err != nil && netErr != nil {
			return fmt.Errorf("command: TURNOUT_TRUSTED_PROXIES: %q is neither an address nor a network", p)
		}
	}
	return errors.Join(c.Admission.Validate(), c.Accounts.Validate(), c.Limits.Validate())
}

// Deps are what the role shares with others in its process.
type Deps struct {
	Pool     *pgxpool.Pool
	Redis    *redisconn.Conn // nil: limits are counted by this process alone
	Keyring  *seal.Keyring
	Log      *slog.Logger
	Registry *prometheus.Registry
	// PublicURL is how guests reach the origin.
	PublicURL string
	// ServiceToken is what other roles show to get data keys, OpsToken what operators show.
	ServiceToken, OpsToken string
	// Wake tells the relay of a process that a shard of the outbox has rows; may be nil.
	Wake func(shard int)
	// Now is time.Now but in tests.
	Now func() time.Time
	// AnswerBound is how long a request may take; 0, but in tests, means what clients are promised.
	AnswerBound time.Duration
}

// Command is the role. It is a process.Part.
type Command struct {
	log    *slog.Logger
	server *httpserver.Server
	parts  []process.Part
}

// New wires the role. It reads the signing keys, so the schema must be there;
// nothing listens before Run.
func New(ctx context.Context, cfg Config, d Deps) (*Command, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if d.Now == nil {
		d.Now = time.Now
	}
	store := pgstore.New(d.Pool)
	desk, err := admission.New(ctx, cfg.Admission, admission.Deps{
		Store: store, Keyring: d.Keyring, Log: d.Log, Registerer: d.Registry, Wake: d.Wake, Now: d.Now,
	})
	if err != nil {
		return nil, err
	}
	accountRows := pgstore.NewAccounts(d.Pool)
	signer, err := account.NewSigner(ctx, cfg.Accounts, accountRows, d.Keyring, d.Log, d.Now())
	if err != nil {
		return nil, err
	}
	accounts, err := account.NewAccounts(cfg.Accounts, accountRows, d.Keyring, signer)
	if err != nil {
		return nil, err
	}
	organizationRows, err := pgstore.NewOrganizations(d.Pool, d.Keyring)
	if err != nil {
		return nil, err
	}
	limiter, err := newLimiter(d)
	if err != nil {
		return nil, err
	}
	board, err := soldout.New(store, httpserver.Prepare, d.Registry)
	if err != nil {
		return nil, err
	}
	covers := pgstore.NewCovers(d.Pool)
	api, err := httpapi.New(httpapi.Deps{
		Desk: desk, SoldOut: board, Store: store, Covers: covers, Accounts: accounts,
		Organizations: account.NewOrganizations(organizationRows, accountRows, d.Keyring), Signer: signer, Limiter: limiter,
		Keyring: d.Keyring, Log: d.Log, Now: d.Now, Limits: cfg.Limits, EventLimits: rsvp.Limits{MaxCapacity: cfg.MaxCapacity},
		PublicURL: strings.TrimSuffix(d.PublicURL, "/"), ServiceToken: d.ServiceToken, OpsToken: d.OpsToken, AnswerBound: d.AnswerBound,
	})
	if err != nil {
		return nil, err
	}
	server, err := newServer(cfg, d, api)
	if err != nil {
		return nil, err
	}
	// The server stops first: what it took is decided before the desk goes.
	erase := &retention{every: cfg.RetentionEvery, store: store, covers: covers, desk: desk, now: d.Now, log: d.Log}
	return &Command{log: d.Log, server: server, parts: []process.Part{
		loop("command signing keys", signer.Run), loop("command limits", limiter.Run), loop("command desk", desk.Run),
		loop("command retention", erase.Run), server,
	}}, nil
}

func newLimiter(d Deps) (*limit.Limiter, error) {
	keys, err := d.Keyring.Purpose(seal.PurposeForm)
	if err != nil {
		return nil, err
	}
	return limit.New(d.Redis, keys[0], d.Registry, d.Log)
}

func newServer(cfg Config, d Deps, api *httpapi.API) (*httpserver.Server, error) {
	server := httpserver.New(httpserver.Config{
		Role: "command", Addr: cfg.Addr, OpsAddr: cfg.OpsAddr, Registry: d.Registry,
		AddrSetting: "TURNOUT_COMMAND_ADDR", OpsSetting: "TURNOUT_COMMAND_OPS_ADDR",
	}, d.Log)
	if err := server.Engine().SetTrustedProxies(cfg.TrustedProxies); err != nil {
		return nil, fmt.Errorf("command: TURNOUT_TRUSTED_PROXIES: %w", err)
	}
	api.Routes(server.Engine())
	api.OpsRoutes(server.Ops())
	server.AddCheck("postgres", d.Pool.Ping)
	return server, nil
}

// Name is the process part's name.
func (c *Command) Name() string { return "command" }

// Ready is closed once the API accepts.
func (c *Command) Ready() <-chan struct{} { return c.server.Ready() }

// Addr and OpsAddr are the real host:port; empty before Ready.
func (c *Command) Addr() string { return c.server.Addr() }

// OpsAddr is where roles get data keys and operators look.
func (c *Command) OpsAddr() string { return c.server.OpsAddr() }

// Run serves until ctx ends, then drains: the listener, the desk, the rest.
func (c *Command) Run(ctx context.Context) error { return process.Run(ctx, c.log, c.parts...) }

// background is a part that is ready at once.
type background struct {
	name  string
	run   func(context.Context) error
	ready chan struct{}
}

func loop(name string, run func(context.Context) error) background {
	ready := make(chan struct{})
	close(ready)
	return background{name: name, run: run, ready: ready}
}

func (b background) Name() string                  { return b.name }
func (b background) Run(ctx context.Context) error { return b.run(ctx) }
func (b background) Ready() <-chan struct{}        { return b.ready }
