package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
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
	draining  context.Context // ends when web starts to stop: a stream has no end of its own
}

func newGateway(draining context.Context, cfg Config, transport http.RoundTripper) (*gateway, error) {
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
		*r.to = &role{name: r.name, target: target, transport: transport, draining: draining}
	}
	return g, nil
}

// serve passes the request on and its answer back, streams included.
func (r *role) serve(c *gin.Context) {
	proxy := httputil.ReverseProxy{
		Transport: r.transport,
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(r.target)
			// A query that cannot be parsed is for the role to refuse. Left to itself the proxy drops such parts: a filter
			// that is spelt wrongly would answer everything.
			p.Out.URL.RawQuery = p.In.URL.RawQuery
			p.Out.Host = p.In.Host
			p.SetXForwarded() // Rewrite has dropped what the client sent
			p.Out.Header.Set("X-Forwarded-For", httpserver.ClientIP(c))
			p.Out.Header.Set(httpserver.HeaderRequestID, httpserver.RequestID(c.Request.Context()))
			p.Out.Header.Set(httpserver.HeaderTraceparent, httpserver.Traceparent(c.Request.Context()))
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
	req := c.Request
	if strings.HasSuffix(req.URL.Path, "/stream") {
		ctx, end := context.WithCancel(req.Context())
		defer end()
		defer context.AfterFunc(r.draining, end)()
		req = req.WithContext(ctx)
	}
	proxy.ServeHTTP(c.Writer, req)
}

// to is where the requests for a role go; nil for what web answers itself.
func (g *gateway) to(name string) gin.HandlerFunc {
	switch name {
	case "command":
		return g.toCommand.serve
	case "query":
		return g.toQuery.serve
	case "notifier":
		return g.toNotifier.serve
	case "ops":
		return g.ops.serve
	}
	return nil
}
