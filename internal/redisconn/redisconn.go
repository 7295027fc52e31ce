// Package redisconn opens Redis, names its keys and runs scripts in pipelines. It knows no business word.
package redisconn

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// defaultNamespace is the one whose keys have no prefix.
const defaultNamespace = "turnout"

// Config says where Redis is and which keys are ours.
type Config struct {
	// URL is redis://[user:password@]host:port/db (rediss for TLS). Required.
	URL string `env:"TURNOUT_REDIS_URL" envDefault:"redis://127.0.0.1:26379/0"`
	// Namespace isolates by name; the default one has no prefix on keys. Required.
	Namespace string `env:"TURNOUT_NAMESPACE" envDefault:"turnout"`
	// PoolSize bounds connections; 0 means 16.
	PoolSize int
	// Timeout bounds one read or write; 0 means 300 ms. A projector's large pipelines need more than a query may wait.
	Timeout time.Duration
	// Name is shown by CLIENT LIST; empty means turnout.
	Name string
}

// Validate says what is wrong with the settings, in one line and without the password.
func (c Config) Validate() error {
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" || (u.Scheme != "redis" && u.Scheme != "rediss") {
		return errors.New("redis: TURNOUT_REDIS_URL is not like redis://host:6379/0")
	}
	if c.Namespace == "" {
		return errors.New("redis: TURNOUT_NAMESPACE is empty")
	}
	return nil
}

// Key joins the parts with colons: avail:<event>. Only a namespace other than the default goes before them.
func (c Config) Key(parts ...string) string {
	key := strings.Join(parts, ":")
	if c.Namespace == defaultNamespace {
		return key
	}
	return c.Namespace + ":" + key
}

// Channel is the name of a pub/sub channel. It always has the namespace: channels, unlike keys, are not kept apart by
// Redis databases.
func (c Config) Channel(name string) string { return c.Namespace + ":" + name }

// Conn is a client with its namespace. The embedded client is go-redis's own, for everything this package has no word
// for.
type Conn struct {
	*redis.Client
	cfg Config
}

// Open makes a client. It does not connect: a role that can serve without Redis must start without it; Healthy tells.
func Open(ctx context.Context, cfg Config, log *slog.Logger) (*Conn, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	opts, err := redis.ParseURL(cfg.URL)
	if err != nil {
		return nil, errors.New("redis: TURNOUT_REDIS_URL is not like redis://host:6379/0")
	}
	timeout := cfg.Timeout
	if timeout == 0 {
		timeout = 300 * time.Millisecond
	}
	opts.DialTimeout = max(timeout, time.Second)
	opts.ReadTimeout, opts.WriteTimeout = timeout, timeout
	opts.PoolTimeout = 2 * timeout
	opts.ContextTimeoutEnabled = true // else a request's deadline does not reach the socket
	opts.MaxRetries = 1
	opts.PoolSize = cfg.PoolSize
	if opts.PoolSize == 0 {
		opts.PoolSize = 16
	}
	opts.ClientName = cfg.Name
	if opts.ClientName == "" {
		opts.ClientName = "turnout"
	}
	// Redis as such has no maintenance notifications; asking costs an error line per connection (go-redis 3536).
	opts.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	conn := &Conn{Client: redis.NewClient(opts), cfg: cfg}
	if err := conn.Healthy(ctx); err != nil {
		log.WarnContext(ctx, "redis is not there yet", "error", err)
	}
	return conn, nil
}

// Key is Config.Key.
func (c *Conn) Key(parts ...string) string { return c.cfg.Key(parts...) }

// Channel is Config.Channel.
func (c *Conn) Channel(name string) string { return c.cfg.Channel(name) }

// Healthy pings, for readiness checks.
func (c *Conn) Healthy(ctx context.Context) error {
	if err := c.Ping(ctx).Err(); err != nil {
		return fmt.Errorf("redis at %s (TURNOUT_REDIS_URL): %w", c.Options().Addr, err)
	}
	return nil
}
