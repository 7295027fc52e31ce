package mail

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/seal"
	"github.com/turnout-events/turnout/notifier/breaker"
	"github.com/turnout-events/turnout/notifier/notice"
)

// Config is what the environment sets about mail.
type Config struct {
	// From is the sender's address; the organizer's name goes before it.
	From string `env:"TURNOUT_MAIL_FROM" envDefault:"Turnout <no-reply@turnout.localhost>"`
	// Bounces is the address that bounces come to. With one, the envelope's
	// sender names the notification: bounces+<id>-<code>@example.org (VERP).
	Bounces string `env:"TURNOUT_MAIL_BOUNCES"`
	// SMTPAddr is host:port of the SMTP server; the default is the built-in inbox.
	SMTPAddr     string `env:"TURNOUT_SMTP_ADDR" envDefault:"127.0.0.1:2525"`
	SMTPUser     string `env:"TURNOUT_SMTP_USER"`
	SMTPPassword string `env:"TURNOUT_SMTP_PASSWORD"`
	// SMTPTLS is none, starttls or tls.
	SMTPTLS string `env:"TURNOUT_SMTP_TLS" envDefault:"none"`
	// The backup is used while the first server is away; empty: there is none.
	BackupAddr     string `env:"TURNOUT_SMTP_BACKUP_ADDR"`
	BackupUser     string `env:"TURNOUT_SMTP_BACKUP_USER"`
	BackupPassword string `env:"TURNOUT_SMTP_BACKUP_PASSWORD"`
	BackupTLS      string `env:"TURNOUT_SMTP_BACKUP_TLS" envDefault:"starttls"`
	// DomainRate is how many mails per second go to one recipient domain; 0: as many as there are.
	DomainRate float64 `env:"TURNOUT_MAIL_DOMAIN_RATE" envDefault:"0"`
	// DKIM signs when all three are set; the key is a PEM file, RSA or Ed25519.
	DKIMDomain   string `env:"TURNOUT_DKIM_DOMAIN"`
	DKIMSelector string `env:"TURNOUT_DKIM_SELECTOR"`
	DKIMKeyFile  string `env:"TURNOUT_DKIM_KEY_FILE"`
}

// Channel is mail as a way to deliver notices: it writes a mail and hands it to
// the first server that can be reached. Safe for concurrent use.
type Channel struct {
	writer *Writer
	routes []*route
	limit  *domainLimits
	log    *slog.Logger
}

// route is a server and whether it is worth a try.
type route struct {
	server  *Server
	breaker breaker.Breaker
	silent  atomic.Int32 // mails that it keeps waiting for an answer
}

// NewChannel checks the settings; it connects to nothing.
func NewChannel(cfg Config, publicURL string, timeout time.Duration, ring *seal.Keyring, links *Links, log *slog.Logger) (*Channel, error) {
	writer, err := NewWriter(cfg, publicURL, ring, links)
	if err != nil {
		return nil, err
	}
	c := &Channel{writer: writer, limit: newDomainLimits(cfg.DomainRate), log: log}
	servers := []ServerConfig{{Addr: cfg.SMTPAddr, User: cfg.SMTPUser, Password: cfg.SMTPPassword, TLS: cfg.SMTPTLS, Timeout: timeout}}
	if cfg.BackupAddr != "" {
		servers = append(servers, ServerConfig{Addr: cfg.BackupAddr, User: cfg.BackupUser, Password: cfg.BackupPassword, TLS: cfg.BackupTLS, Timeout: timeout})
	}
	for _, s := range servers {
		server, err := NewServer(s)
		if err != nil {
			return nil, err
		}
		c.routes = append(c.routes, &route{server: server})
	}
	return c, nil
}

// Name is the channel's name in notices.
func (c *Channel) Name() string { return notice.ChannelMail }

// MessageID is derived from the notice: sent twice, it is the same message.
func (c *Channel) MessageID(noticeID string) string { return c.writer.MessageID(noticeID) }

// Deliver writes the mail and hands it to a server.
func (c *Channel) Deliver(ctx context.Context, d *notice.Delivery, p contract.Personal, now time.Time) error {
	if wait := c.limit.take(domainOf(onWireAddress(p.Email)), now); wait > 0 {
		return &notice.Later{After: wait}
	}
	l, err := c.writer.Letter(d, p, now)
	if err != nil {
		return err
	}
	defer l.Release()
	return c.send(ctx, l, now)
}

// send tries the servers in their order. The next one is asked only when
// nothing was handed over: in doubt a second server would double the mail.
func (c *Channel) send(ctx context.Context, l *Letter, now time.Time) error {
	err := fmt.Errorf("%w: every server failed a moment ago", notice.ErrUnreachable)
	began := time.Now()
	for _, r := range c.routes {
		if !r.may(now) {
			continue
		}
		err = r.send(ctx, l, now)
		switch {
		case errors.Is(err, notice.ErrUnreachable):
			r.breaker.Failed(now)
			c.log.WarnContext(ctx, "smtp server unreachable", "server", r.server.Name(), "error", err)
			continue
		case errors.Is(err, notice.ErrInDoubt):
			r.breaker.Failed(now.Add(time.Since(began)))
		default:
			r.breaker.Worked()
		}
		return err
	}
	return err
}

// may tells whether a server is to be tried. One that keeps a mail waiting for
// its answer gets no more until it has answered, but for one now and then.
func (r *route) may(now time.Time) bool {
	if r.silent.Load() > 0 {
		return r.breaker.Probe(now)
	}
	return !r.breaker.Open(now)
}

func (r *route) send(ctx context.Context, l *Letter, now time.Time) error {
	counted := make(chan struct{})
	timer := time.AfterFunc(r.server.timeout, func() {
		r.silent.Add(1)
		r.breaker.Failed(now.Add(r.server.timeout))
		close(counted)
	})
	err := r.server.Send(ctx, l)
	if !timer.Stop() {
		<-counted
		r.silent.Add(-1)
	}
	return err
}

// Close ends the connections.
func (c *Channel) Close() {
	for _, r := range c.routes {
		r.server.Close()
	}
}

func domainOf(address string) string {
	return strings.ToLower(address[strings.LastIndexByte(address, '@')+1:])
}

// domainLimits is a token bucket per recipient domain: big mailbox providers
// refuse who sends faster than they like. What finds no token is put off to a
// moment of its own, so that it does not come back with all the others.
type domainLimits struct {
	rate float64 // per second; 0: none

	mu      sync.Mutex
	buckets map[string]*bucket
}

type bucket struct {
	tokens float64
	filled time.Time
	booked time.Time // until then moments are given away
}

// maxBuckets bounds the memory; full buckets are forgotten.
const maxBuckets = 10_000

func newDomainLimits(rate float64) *domainLimits {
	return &domainLimits{rate: rate, buckets: map[string]*bucket{}}
}

// take gives 0 when one more mail may go to the domain, else how long to wait.
func (l *domainLimits) take(domain string, now time.Time) time.Duration {
	if l.rate <= 0 {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	burst := max(l.rate, 1)
	b := l.buckets[domain]
	if b == nil {
		if len(l.buckets) >= maxBuckets {
			clear(l.buckets) // at worst each domain gets one burst more
		}
		b = &bucket{tokens: burst, filled: now}
		l.buckets[domain] = b
	}
	b.tokens = min(burst, b.tokens+now.Sub(b.filled).Seconds()*l.rate)
	b.filled = now
	if b.tokens >= 1 {
		b.tokens--
		return 0
	}
	if b.booked.Before(now) {
		b.booked = now
	}
	b.booked = b.booked.Add(time.Duration(float64(time.Second) / l.rate))
	return b.booked.Sub(now)
}
