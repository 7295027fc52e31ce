// Package elastic talks to Elasticsearch 8: batches with external versions, searches, aliases over physical indices. It
// knows no business word.
//
// It uses elastictransport and esapi only. The client module's root package compiles the whole typed API: 200 s of CPU
// and over 1 GB on a cold cache.
package elastic

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/elastic/elastic-transport-go/v8/elastictransport"
	"github.com/elastic/go-elasticsearch/v8/esapi"
)

// Config says where Elasticsearch is and which indices are ours.
type Config struct {
	// URL is http(s)://[user:password@]host:port. Required.
	URL string `env:"TURNOUT_ELASTIC_URL" envDefault:"http://127.0.0.1:29200"`
	// Namespace goes before every alias with a hyphen. Required, lower case.
	Namespace string `env:"TURNOUT_NAMESPACE" envDefault:"turnout"`
	// Timeout bounds the wait for the first byte of an answer, per attempt; 0 means 10 s.
	Timeout time.Duration
}

// Validate says what is wrong with the settings, in one line and without the password.
func (c Config) Validate() error {
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return errors.New("elasticsearch: TURNOUT_ELASTIC_URL is not like http://host:9200")
	}
	if c.Namespace == "" || c.Namespace != strings.ToLower(c.Namespace) {
		return errors.New("elasticsearch: TURNOUT_NAMESPACE must be lower case and not empty")
	}
	return nil
}

// Alias is the full name of an alias. A full name stays as it is, so every function here takes either.
func (c Config) Alias(name string) string {
	if name == "" || strings.HasPrefix(name, c.Namespace+"-") {
		return name
	}
	return c.Namespace + "-" + name
}

// Client is safe for concurrent use.
type Client struct {
	cfg       Config
	log       *slog.Logger
	transport *elastictransport.Client
	idle      interface{ CloseIdleConnections() }
	refreshes refreshes
}

// Open makes a client. It does not connect: a role that can serve without Elasticsearch must start without it; Healthy
// tells.
func Open(ctx context.Context, cfg Config, log *slog.Logger) (*Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	u, err := url.Parse(strings.TrimRight(cfg.URL, "/"))
	if err != nil {
		return nil, errors.New("elasticsearch: TURNOUT_ELASTIC_URL is not like http://host:9200")
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 10 * time.Second
	}
	base := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 2 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		ResponseHeaderTimeout: cfg.Timeout,
		TLSHandshakeTimeout:   5 * time.Second,
		MaxIdleConnsPerHost:   32, // the default of 2 makes a new connection for nearly every concurrent request
		IdleConnTimeout:       90 * time.Second,
		// Elasticsearch would deflate and we inflate every answer: a third of a search's CPU, to spare a local network.
		DisableCompression: true,
	}
	transport, err := elastictransport.NewClient(
		elastictransport.WithURLs(u),
		elastictransport.WithTransport(base),
		elastictransport.WithUserAgent("turnout"),
		// 429 is not among the transport's defaults, yet it is what a busy Elasticsearch says first.
		elastictransport.WithRetry(2, http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout),
		elastictransport.WithRetryBackoff(func(attempt int) time.Duration { return time.Duration(attempt) * 50 * time.Millisecond }),
		// A refused connection is tried again by whoever can wait; a query has its degraded answer.
		elastictransport.WithRetryOnError(func(*http.Request, error) bool { return false }),
	)
	if err != nil {
		return nil, fmt.Errorf("elasticsearch: %w", err)
	}
	c := &Client{cfg: cfg, log: log, transport: transport, idle: base}
	if err := c.Healthy(ctx); err != nil {
		log.WarnContext(ctx, "elasticsearch is not there yet", "error", err)
	}
	return c, nil
}

// Alias is Config.Alias.
func (c *Client) Alias(name string) string { return c.cfg.Alias(name) }

// Close ends the client's idle connections; it must not be used after.
func (c *Client) Close(ctx context.Context) error {
	c.idle.CloseIdleConnections()
	return c.transport.Close(ctx)
}

// Healthy asks /_cluster/health (≤ 2 s): nil means that every primary shard is there. It asks no product information:
// not every build serves GET /.
func (c *Client) Healthy(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	var health struct {
		Status string `json:"status"`
	}
	if err := c.do(ctx, "health", esapi.ClusterHealthRequest{Timeout: time.Second}, &health); err != nil {
		return err
	}
	if health.Status == "red" {
		return fmt.Errorf("elasticsearch at %s: %w: cluster is red", c.where(), ErrUnavailable)
	}
	return nil
}

func (c *Client) where() string {
	u, err := url.Parse(c.cfg.URL)
	if err != nil {
		return "?"
	}
	return u.Host
}

// request is what esapi's request types have in common.
type request interface {
	Do(ctx context.Context, transport esapi.Transport) (*esapi.Response, error)
}

// raw takes an answer's bytes as they are.
type raw []byte

// do runs the request and decodes its answer into out, unless that is nil. The body is always read to its end and
// closed, or the connection could not be used again.
func (c *Client) do(ctx context.Context, op string, r request, out any) error {
	res, err := r.Do(ctx, c.transport)
	if err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("elasticsearch %s: %w", op, ctx.Err())
		}
		return fmt.Errorf("elasticsearch %s at %s (TURNOUT_ELASTIC_URL): %w: %w", op, c.where(), ErrUnavailable, err)
	}
	defer func() {
		_, _ = io.Copy(io.Discard, res.Body) // the rest is of no interest
		_ = res.Body.Close()
	}()
	if res.IsError() {
		return errorOf(op, res)
	}
	if out == nil {
		return nil
	}
	if err := decode(res.Body, out); err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("elasticsearch %s: %w", op, ctx.Err())
		}
		return fmt.Errorf("elasticsearch %s: read answer: %w: %w", op, ErrUnavailable, err)
	}
	return nil
}

func decode(body io.Reader, out any) error {
	all, ok := out.(*raw)
	if !ok {
		return json.NewDecoder(body).Decode(out)
	}
	buffer := bytes.NewBuffer(make([]byte, 0, 32<<10)) // a page of a listing; the length of a chunked answer is not told
	_, err := buffer.ReadFrom(body)
	*all = buffer.Bytes()
	return err
}
