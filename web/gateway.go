package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/turnout-events/turnout/internal/fault"
	"github.com/turnout-events/turnout/internal/httpserver"
)

// errRoleAway is what a client gets while a role does not answer.
var errRoleAway = fault.New(fault.Unavailable, "role-unavailable", "A part of the system is away for the moment")

// retryRole is how long a client should wait for a role that is restarting.
const retryRole = 2 * time.Second

// gateway gives one origin to the roles.
type gateway struct {
	toCommand, toQuery, toNotifier *role
	ops                            *opsGate
}

// role is where requests for it go.
type role struct {
	name      string
	target    *url.URL
	transport http.RoundTripper
}

func newGateway(cfg Config, transport http.RoundTripper) (*gateway, error) {
	g := &gateway{ops: newOpsGate(cfg, transport)}
	for _, r := range []struct {
		to           **role
		name, target string
	}{
		{&g.toCommand, "command", cfg.CommandURL},
		{&g.toQuery, "query", cfg.QueryURL},
		{&g.toNotifier, "notifier", cfg.NotifierURL},
	} {
		target, err := url.Parse(r.target)
		if err != nil {
			return nil, fmt.Errorf("address of %s: %w", r.name, err)
		}
		*r.to = &role{name: r.name, target: target, transport: transport}
	}
	return g, nil
}

// serve passes the request on and its answer back, streams included.
func (r *role) serve(c *gin.Context) {
	proxy := httputil.ReverseProxy{
		Transport: r.transport,
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(r.target)
			p.Out.Host = p.In.Host
			p.SetXForwarded() // Rewrite has dropped what the client sent
			p.Out.Header.Set(httpserver.HeaderRequestID, httpserver.RequestID(c.Request.Context()))
		},
		ModifyResponse: func(res *http.Response) error {
			// Ours are set already; two of a kind confuse clients.
			for _, h := range []string{httpserver.HeaderRequestID, "Traceparent", "Referrer-Policy", "X-Content-Type-Options"} {
				if c.Writer.Header().Get(h) != "" {
					res.Header.Del(h)
				}
			}
			return nil
		},
		ErrorHandler: func(_ http.ResponseWriter, _ *http.Request, err error) {
			if errors.Is(err, context.Canceled) {
				c.Abort() // the client has gone
				return
			}
			httpserver.Problem(c, errRoleAway.Detailf("%s does not answer", r.name).After(retryRole).Because(err))
		},
	}
	proxy.ServeHTTP(c.Writer, c.Request)
}

func (g *gateway) command(c *gin.Context)  { g.toCommand.serve(c) }
func (g *gateway) query(c *gin.Context)    { g.toQuery.serve(c) }
func (g *gateway) notifier(c *gin.Context) { g.toNotifier.serve(c) }

// notifierPath are the routes whose role is the notifier, reads and writes alike.
var notifierPath = regexp.MustCompile(
	`^/v1/(webhooks|push-subscriptions|hooks|events/[^/]+/(notifications|announcements|campaigns|templates)|campaigns|templates|notifications)(/|$)`)

// commandRead are the reads that the log answers.
var commandRead = regexp.MustCompile(`^/v1/events/[^/]+/(history(/verify)?|certificate|cover)$`)

// route sends a request to the role that API.md names.
func (g *gateway) route(c *gin.Context) {
	path := c.Request.URL.Path
	read := c.Request.Method == http.MethodGet || c.Request.Method == http.MethodHead
	switch {
	case strings.HasPrefix(path, "/v1/ops/"):
		g.ops.serve(c)
	case notifierPath.MatchString(path):
		g.notifier(c)
	case !read, commandRead.MatchString(path):
		g.command(c)
	default:
		g.query(c)
	}
}
