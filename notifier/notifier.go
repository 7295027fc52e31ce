// Package notifier owes guests their mail: messages become rows, rows that are
// due become mail, and every row can say why, when, by which message and what
// happened.
//
// Read it in this order: on_message.go takes messages, batch.go applies them, on_rsvp.go and on_event.go
// plan (pure, with plan.go), pgstore keeps the plan in the transaction that
// records what was seen, schedule.go ticks, deliver.go claims, attempt.go
// sends, verdict.go judges the answer, and outcome tells the world. campaigns.go
// plans what organizers write to a segment of guests.
package notifier

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/gin-gonic/gin"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jonboulle/clockwork"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/httpserver"
	"github.com/turnout-events/turnout/internal/id"
	"github.com/turnout-events/turnout/internal/kafkabus"
	"github.com/turnout-events/turnout/internal/seal"
	"github.com/turnout-events/turnout/notifier/bounce"
	"github.com/turnout-events/turnout/notifier/httpapi"
	"github.com/turnout-events/turnout/notifier/mail"
	"github.com/turnout-events/turnout/notifier/outcome"
	"github.com/turnout-events/turnout/notifier/pgstore"
	"github.com/turnout-events/turnout/notifier/push"
	"github.com/turnout-events/turnout/notifier/template"
	"github.com/turnout-events/turnout/notifier/webhook"
)

// Config is what the environment sets.
type Config struct {
	// Addr serves the API, OpsAddr health and metrics.
	Addr    string `env:"TURNOUT_NOTIFIER_ADDR" envDefault:"127.0.0.1:8083"`
	OpsAddr string `env:"TURNOUT_NOTIFIER_OPS_ADDR" envDefault:"127.0.0.1:9083"`
	// PublicURL is the origin of the pages, as guests reach it: mail links to it.
	PublicURL string `env:"TURNOUT_PUBLIC_URL" envDefault:"http://127.0.0.1:8080"`
	Mail      mail.Config
	Push      push.Config
	// Workers is how many mails go at the same time.
	Workers int `env:"TURNOUT_NOTIFIER_WORKERS" envDefault:"4"`
	// Tick is how often due notices are looked for; 10 ms to 500 ms.
	Tick time.Duration `env:"TURNOUT_NOTIFIER_TICK" envDefault:"250ms"`
	// Quiet is how long further news about an answer is gathered after the first.
	Quiet time.Duration `env:"TURNOUT_NOTIFIER_QUIET" envDefault:"60s"`
	// PrivateWebhooks lets webhooks go to http and to addresses within this network.
	PrivateWebhooks bool `env:"TURNOUT_NOTIFIER_PRIVATE_WEBHOOKS" envDefault:"false"`
	// BounceToken opens the hooks POST /v1/hooks/bounces/{provider}?key=…; empty: they are closed.
	BounceToken string `env:"TURNOUT_NOTIFIER_BOUNCE_TOKEN"`
	// BounceSMTPAddr is where bounces are taken by SMTP, for mail to the addresses
	// that TURNOUT_MAIL_BOUNCES makes; empty: they are not.
	BounceSMTPAddr string `env:"TURNOUT_NOTIFIER_BOUNCE_SMTP_ADDR"`
	// HourlyLimit is how many announcements an organization may send within an hour.
	HourlyLimit int `env:"TURNOUT_NOTIFIER_ANNOUNCEMENTS_PER_HOUR" envDefault:"20"`
	// MailsPerHour is how many mails of campaigns and announcements an organization
	// may send within an hour; what is beyond it goes later.
	MailsPerHour int `env:"TURNOUT_NOTIFIER_MAILS_PER_HOUR" envDefault:"10000"`
	// DigestHour is when members get the digest of new answers: the hour of the
	// day on the clock of the event, 0 to 23.
	DigestHour int `env:"TURNOUT_NOTIFIER_DIGEST_HOUR" envDefault:"8"`
	// Lease is how long a claimed notice belongs to the one who claimed it.
	Lease time.Duration `env:"TURNOUT_NOTIFIER_LEASE" envDefault:"60s"`
}

// Validate says what is wrong with the settings.
func (c Config) Validate() error {
	switch {
	case c.Workers < 1 || c.Workers > 256:
		return fmt.Errorf("notifier: TURNOUT_NOTIFIER_WORKERS is %d, wants 1 to 256", c.Workers)
	case c.Tick < 10*time.Millisecond || c.Tick > 500*time.Millisecond:
		return fmt.Errorf("notifier: TURNOUT_NOTIFIER_TICK is %s, wants 10ms to 500ms", c.Tick)
	case c.Quiet < 0:
		return errors.New("notifier: TURNOUT_NOTIFIER_QUIET is negative")
	case c.Lease < 2*time.Second:
		return fmt.Errorf("notifier: TURNOUT_NOTIFIER_LEASE is %s, wants 2s or more: a mail must fit into half of it", c.Lease)
	case c.MailsPerHour < 1:
		return fmt.Errorf("notifier: TURNOUT_NOTIFIER_MAILS_PER_HOUR is %d, wants 1 or more", c.MailsPerHour)
	case c.DigestHour < 0 || c.DigestHour > 23:
		return fmt.Errorf("notifier: TURNOUT_NOTIFIER_DIGEST_HOUR is %d, wants 0 to 23", c.DigestHour)
	case c.PublicURL == "":
		return errors.New("notifier: TURNOUT_PUBLIC_URL is empty")
	default:
		return nil
	}
}

// Deps are what the notifier runs on; it owns none of it.
type Deps struct {
	Log      *slog.Logger
	Registry *prometheus.Registry // nil: a new one
	Pool     *pgxpool.Pool
	Kafka    kafkabus.Config
	Keys     Keys
	Ring     *seal.Keyring
	Clock    clockwork.Clock // nil: the real one
	// Verifier checks members' access tokens.
	Verifier httpapi.Verifier
	// Channel replaces mail over SMTP in tests.
	Channel Channel
}

// Notifier is the role. It is a process.Part.
type Notifier struct {
	cfg     Config
	log     *slog.Logger
	kafka   kafkabus.Config
	clock   clockwork.Clock
	store   *pgstore.Store
	metrics *metrics
	mail    *deliverer
	push    *deliverer // nil: no key is set
	hooks   *hooks
	// campaigns plans organizers' campaigns and lets their mail go.
	campaigns *campaigns
	relay     *outcome.Relay
	server    *httpserver.Server
	api       *httpapi.API
	ready     chan struct{}
	away      bool // the store was, when reclaim asked last
}

// New checks the settings and builds the role; nothing runs before Run.
func New(_ context.Context, cfg Config, deps Deps) (*Notifier, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if deps.Clock == nil {
		deps.Clock = clockwork.NewRealClock()
	}
	if deps.Registry == nil {
		deps.Registry = prometheus.NewRegistry()
	}
	m, err := newMetrics(deps.Registry)
	if err != nil {
		return nil, fmt.Errorf("notifier: metrics: %w", err)
	}
	links, err := mail.NewLinks(deps.Ring)
	if err != nil {
		return nil, err
	}
	channel := deps.Channel
	if channel == nil {
		// What comes before the server's answer must fit into half a lease.
		if channel, err = mail.NewChannel(cfg.Mail, cfg.PublicURL, min(15*time.Second, cfg.Lease/2), deps.Ring, links, deps.Log); err != nil {
			return nil, err
		}
	}
	n := &Notifier{
		cfg: cfg, log: deps.Log, kafka: deps.Kafka, clock: deps.Clock, store: pgstore.New(deps.Pool), metrics: m,
		ready: make(chan struct{}),
	}
	holder, err := holderName()
	if err != nil {
		return nil, err
	}
	connect := func() (message.Publisher, error) { return kafkabus.NewPublisher(deps.Kafka, deps.Log) }
	if n.relay, err = outcome.New(deps.Pool, connect, deps.Log, deps.Registry); err != nil {
		return nil, fmt.Errorf("notifier: metrics: %w", err)
	}
	n.mail = &deliverer{
		channel: channel, store: n.store, keys: deps.Keys, clock: deps.Clock, log: deps.Log, metrics: m,
		holder: holder, workers: cfg.Workers, lease: cfg.Lease, wake: make(chan struct{}, 1), identity: identity(deps.Ring),
		recorded: n.relay.Wake,
	}
	n.campaigns = &campaigns{
		store: n.store, keys: deps.Keys, clock: deps.Clock, log: deps.Log, perHour: cfg.MailsPerHour, deliver: n.wake,
		wake: make(chan struct{}, 1), state: map[string]seenState{},
	}
	n.mail.gate = n.campaigns.gate
	var vapid string
	if n.push, vapid, err = n.newPush(cfg, n.mail); err != nil {
		return nil, err
	}
	n.hooks = &hooks{
		store: n.store, client: webhook.NewClient(cfg.PrivateWebhooks), ring: deps.Ring, clock: deps.Clock, log: deps.Log,
		wake: make(chan struct{}, 1),
	}
	n.server = httpserver.New(httpserver.Config{
		Role: "notifier", Addr: cfg.Addr, OpsAddr: cfg.OpsAddr, AddrSetting: "TURNOUT_NOTIFIER_ADDR",
		OpsSetting: "TURNOUT_NOTIFIER_OPS_ADDR", Registry: deps.Registry,
	}, deps.Log)
	guests, err := httpapi.NewGuests(deps.Ring)
	if err != nil {
		return nil, err
	}
	words, err := template.New()
	if err != nil {
		return nil, err
	}
	api := &httpapi.API{
		Store: n.store, Verifier: deps.Verifier, Keys: deps.Keys, Links: links, Now: deps.Clock.Now, Log: deps.Log,
		MessageID: func(noticeID string) string { return noticeID }, HourlyLimit: cfg.HourlyLimit, Wake: n.wake, BounceToken: cfg.BounceToken,
		MailsPerHour: cfg.MailsPerHour, Words: words, PublicURL: strings.TrimSuffix(cfg.PublicURL, "/"), Test: channel.Deliver,
		WakeCampaigns: n.campaigns.changed,
		Ring:          deps.Ring, PrivateWebhooks: cfg.PrivateWebhooks, WakeHooks: n.hooks.poke,
		Guests: guests, VAPIDKey: vapid, PrivatePush: cfg.Push.Private,
	}
	if m, ok := channel.(*mail.Channel); ok {
		api.MessageID = m.MessageID
	}
	n.api = api
	api.Routes(n.server.Engine())
	n.server.AddCheck("postgres", deps.Pool.Ping)
	return n, nil
}

// holderName tells claims of this process from those of others, also of an
// earlier one on the same machine.
func holderName() (string, error) {
	host, err := os.Hostname()
	if err != nil {
		host = "?"
	}
	unique, err := id.New()
	if err != nil {
		return "", err
	}
	return host + "/" + unique[24:], nil
}

// Name is the process part's name.
func (n *Notifier) Name() string { return "notifier" }

// Ready is closed once the API listens and the consumer has its partitions to come.
func (n *Notifier) Ready() <-chan struct{} { return n.ready }

// Addr is the API's real host:port, OpsAddr the ops listener's.
func (n *Notifier) Addr() string { return n.server.Addr() }

// OpsAddr is the ops listener's real host:port.
func (n *Notifier) OpsAddr() string { return n.server.OpsAddr() }

// Server gives the listeners, for routes that other packages add.
func (n *Notifier) Server() *httpserver.Server { return n.server }

// AddOps adds the operators' routes to the ops listener; guard decides who is one.
func (n *Notifier) AddOps(guard gin.HandlerFunc) { n.api.OpsRoutes(n.server.Ops(), guard) }

// wake looks for due notices now, not with the next tick.
func (n *Notifier) wake() {
	n.mail.poke()
	if n.push != nil {
		n.push.poke()
	}
}

// Run consumes, ticks, delivers and serves until ctx ends. It stops in that
// order: no plans any more, no ticks, what is under way is sent and recorded.
func (n *Notifier) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	scheduler, err := n.schedule(ctx)
	if err != nil {
		return err
	}
	group.Go(func() error { return n.server.Run(ctx) })
	group.Go(func() error { return n.mail.run(ctx) })
	if n.push != nil {
		group.Go(func() error { return n.push.run(ctx) })
	}
	group.Go(func() error { return n.hooks.run(ctx) })
	group.Go(func() error { return n.campaigns.run(ctx) })
	group.Go(func() error { return n.relay.Run(ctx) })
	if n.cfg.BounceSMTPAddr != "" {
		box := &bounce.Mailbox{Addr: n.cfg.BounceSMTPAddr, Notice: n.api.Links.Returned, Take: n.api.TakeReport, Log: n.log}
		group.Go(func() error { return box.Run(ctx) })
	}
	group.Go(func() error {
		return kafkabus.Consume(ctx, n.kafka, contract.GroupNotifier, contract.Groups()[contract.GroupNotifier], n.onMessages,
			kafkabus.ConsumeOptions{Log: n.log})
	})
	group.Go(func() error {
		scheduler.Start()
		n.wake()
		<-ctx.Done()
		return scheduler.Shutdown()
	})
	group.Go(func() error {
		select {
		case <-n.server.Ready():
			close(n.ready)
		case <-ctx.Done():
		}
		return nil
	})
	return group.Wait()
}
