package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/turnout-events/turnout/command"
	"github.com/turnout-events/turnout/command/relay"
	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/elastic"
	"github.com/turnout-events/turnout/internal/httpserver"
	"github.com/turnout-events/turnout/internal/inbox"
	"github.com/turnout-events/turnout/internal/kafkabus"
	"github.com/turnout-events/turnout/internal/ops"
	"github.com/turnout-events/turnout/internal/postgres"
	"github.com/turnout-events/turnout/internal/process"
	"github.com/turnout-events/turnout/internal/redisconn"
	"github.com/turnout-events/turnout/internal/seal"
	"github.com/turnout-events/turnout/internal/token"
	"github.com/turnout-events/turnout/notifier"
	"github.com/turnout-events/turnout/projector"
	"github.com/turnout-events/turnout/query"
	"github.com/turnout-events/turnout/web"
)

// roleSettings are the settings of the roles themselves.
type roleSettings struct {
	Command   command.Config
	Relay     relay.Config
	RelayOps  string `env:"TURNOUT_RELAY_OPS_ADDR" envDefault:"127.0.0.1:9085"`
	Projector projector.Config
	// ProjectorOps is where the projectors show health, metrics and lag.
	ProjectorOps string `env:"TURNOUT_PROJECTOR_OPS_ADDR" envDefault:"127.0.0.1:9084"`
	Query        query.Config
	Notifier     notifier.Config
	Web          web.Config
	Inbox        inbox.Config
	// InboxOn runs the development inbox beside web, for everybody who reaches the origin. Unset, it runs where only
	// this machine does.
	InboxOn *bool `env:"TURNOUT_INBOX"`
}

// system builds roles. What it opens it closes, after the parts have stopped.
type system struct {
	settings
	roleSettings
	log    *slog.Logger
	ring   *seal.Keyring
	http   *http.Client // between the roles
	parts  []process.Part
	opened []func()
	wake   func(shard int) // the relay of this process, if there is one
	// redrivers are the handlers of consumer groups for dead letters, as far as they were asked for.
	redrivers map[string]ops.Redrive
}

// newSystem reads all settings. Each role is added by its method, and run runs
// them in the order in which they were added.
func newSystem(environ map[string]string, log io.Writer) (*system, error) {
	s := &system{http: &http.Client{Timeout: 10 * time.Second}}
	var err error
	if s.settings, err = loadFrom[settings](environ); err != nil {
		return nil, err
	}
	if s.roleSettings, err = loadFrom[roleSettings](environ); err != nil {
		return nil, err
	}
	if s.ring, err = s.keyring(); err != nil {
		return nil, err
	}
	s.log = s.logger(log)
	return s, nil
}

func (s *system) run(ctx context.Context) error {
	defer func() {
		for i := len(s.opened) - 1; i >= 0; i-- {
			s.opened[i]()
		}
	}()
	return process.Run(ctx, s.log, s.parts...)
}

func (s *system) add(p process.Part) { s.parts = append(s.parts, p) }

func (s *system) later(f func()) { s.opened = append(s.opened, f) }

// registry is a role's own: in `serve` each role still shows only its metrics.
func registry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// pool opens a role's own connections: one role cannot starve another.
func (s *system) pool(ctx context.Context, role string, conns int32) (*pgxpool.Pool, error) {
	cfg := s.Postgres
	cfg.Name, cfg.MaxConns = "turnout-"+role, conns
	if role == "command" {
		cfg.AcquireWithin = 1500 * time.Millisecond // guests wait, and are promised an answer within 2 s
	}
	pool, err := postgres.Open(ctx, cfg, s.log)
	if err != nil {
		return nil, err
	}
	s.later(pool.Close)
	return pool, nil
}

func (s *system) redis(ctx context.Context, role string, timeout time.Duration) (*redisconn.Conn, error) {
	cfg := s.Redis
	cfg.Name, cfg.Timeout = "turnout-"+role, timeout
	conn, err := redisconn.Open(ctx, cfg, s.log)
	if err != nil {
		return nil, err
	}
	s.later(func() { _ = conn.Close() })
	return conn, nil
}

func (s *system) elastic(ctx context.Context, timeout time.Duration) (*elastic.Client, error) {
	cfg := s.Elastic
	cfg.Timeout = timeout
	client, err := elastic.Open(ctx, cfg, s.log)
	if err != nil {
		return nil, err
	}
	s.later(func() { _ = client.Close(ctx) })
	return client, nil
}

func (s *system) keys() (*seal.KeyClient, error) {
	if s.ServiceToken == "" {
		return nil, errors.New("TURNOUT_SERVICE_TOKEN is not set, and the roles show it to each other: `make run` makes it in .local/secrets.env; by hand: openssl rand -hex 32")
	}
	return seal.NewKeyClient(s.Web.CommandOpsURL, s.ServiceToken, s.http)
}

func (s *system) verifier() *token.Verifier {
	return token.NewVerifier(s.Web.CommandURL+"/.well-known/jwks.json", s.http)
}

func (s *system) addCommand(ctx context.Context) error {
	pool, err := s.pool(ctx, "command", 12)
	if err != nil {
		return err
	}
	rd, err := s.redis(ctx, "command", 300*time.Millisecond)
	if err != nil {
		return err
	}
	c, err := command.New(ctx, s.Command, command.Deps{
		Pool: pool, Redis: rd, Keyring: s.ring, Log: s.log, Registry: registry(), PublicURL: s.PublicURL,
		ServiceToken: s.ServiceToken, OpsToken: s.OpsToken, Wake: s.wake,
	})
	if err != nil {
		return err
	}
	s.add(c)
	return nil
}

func (s *system) addRelay(ctx context.Context) error {
	pool, err := s.pool(ctx, "relay", 4)
	if err != nil {
		return err
	}
	server := httpserver.New(httpserver.Config{
		Role: "relay", OpsAddr: s.RelayOps, OpsSetting: "TURNOUT_RELAY_OPS_ADDR", Registry: registry(),
	}, s.log)
	r, err := relay.New(s.Relay, relay.Deps{
		Pool: pool, Log: s.log, Registerer: server.Registry(),
		Connect: func() (message.Publisher, error) { return kafkabus.NewPublisher(s.Kafka, s.log) },
		Ends: func(ctx context.Context, topic string) ([]*message.Message, error) {
			return kafkabus.Ends(ctx, s.Kafka, topic)
		},
	})
	if err != nil {
		return err
	}
	s.wake = r.Wake
	s.add(server)
	s.add(r)
	return nil
}

func (s *system) addProjector(ctx context.Context) error {
	es, err := s.elastic(ctx, 30*time.Second)
	if err != nil {
		return err
	}
	rd, err := s.redis(ctx, "projector", 5*time.Second)
	if err != nil {
		return err
	}
	keys, err := s.keys()
	if err != nil {
		return err
	}
	server := httpserver.New(httpserver.Config{
		Role: "projector", OpsAddr: s.ProjectorOps, OpsSetting: "TURNOUT_PROJECTOR_OPS_ADDR", Registry: registry(),
	}, s.log)
	groups := contract.Groups()
	delete(groups, contract.GroupNotifier)
	server.Registry().MustRegister(ops.NewLagCollector(ctx, s.Kafka, groups, s.log))
	server.Ops().GET("/v1/ops/lag", ops.Guard(s.OpsToken), ops.LagHandler(s.Kafka, groups))
	p, err := projector.New(ctx, s.Projector, projector.Deps{
		Log: s.log, Registry: server.Registry(), Kafka: s.Kafka, Elastic: es, Redis: rd, Keys: keys,
	})
	if err != nil {
		return err
	}
	ops.DLQRoutes(server.Ops(), ops.Guard(s.OpsToken), s.Kafka, p.Groups(), p.Redrive)
	server.Ops().GET("/v1/ops/rebuilds", ops.Guard(s.OpsToken), p.RebuildsHandler)
	s.add(server)
	s.add(p)
	return nil
}

func (s *system) addQuery(ctx context.Context) error {
	es, err := s.elastic(ctx, 1500*time.Millisecond) // nobody waits longer for a page
	if err != nil {
		return err
	}
	rd, err := s.redis(ctx, "query", 300*time.Millisecond)
	if err != nil {
		return err
	}
	q, err := query.New(ctx, s.Query, query.Deps{
		Log: s.log, Registry: registry(), Elastic: es, Redis: rd, Ring: s.ring, Verifier: s.verifier(),
	})
	if err != nil {
		return err
	}
	s.add(q)
	return nil
}

func (s *system) addNotifier(ctx context.Context) error {
	pool, err := s.pool(ctx, "notifier", 8)
	if err != nil {
		return err
	}
	keys, err := s.keys()
	if err != nil {
		return err
	}
	r := registry()
	groups := map[string][]string{contract.GroupNotifier: contract.Groups()[contract.GroupNotifier]}
	r.MustRegister(ops.NewLagCollector(ctx, s.Kafka, groups, s.log))
	n, err := notifier.New(ctx, s.Notifier, notifier.Deps{
		Log: s.log, Registry: r, Pool: pool, Kafka: s.Kafka, Keys: keys, Ring: s.ring, Verifier: s.verifier(),
	})
	if err != nil {
		return err
	}
	guard := ops.Guard(s.OpsToken)
	n.AddOps(guard)
	n.Server().Ops().GET("/v1/ops/lag", guard, ops.LagHandler(s.Kafka, groups))
	ops.DLQRoutes(n.Server().Ops(), guard, s.Kafka, notifierGroups, n.Redrive)
	s.add(n)
	return nil
}

func (s *system) inboxOn() bool {
	if s.InboxOn != nil {
		return *s.InboxOn
	}
	origin, err := url.Parse(s.Web.PublicURL)
	if err != nil {
		return false
	}
	addr, err := netip.ParseAddr(origin.Hostname())
	return origin.Hostname() == "localhost" || err == nil && addr.IsLoopback()
}

func (s *system) addWeb(ctx context.Context) error {
	deps := web.Deps{Log: s.log, Registry: registry(), Keyring: s.ring}
	if s.inboxOn() {
		box, err := inbox.New(s.Inbox, s.log)
		if err != nil {
			return err
		}
		deps.Inbox = box.Handler()
		s.add(box)
	}
	w, err := web.New(ctx, s.Web, deps)
	if err != nil {
		return err
	}
	s.add(w)
	return nil
}
