package httpserver

import (
	"context"
	"net/http"
	"sort"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// checkTimeout bounds one readiness check; a probe waits about a second in most deployments.
const checkTimeout = 800 * time.Millisecond

// Check says whether something this role needs is there: nil is ready. It must respect ctx.
type Check func(ctx context.Context) error

type checks struct {
	mu    sync.Mutex
	named map[string]Check
}

// AddCheck makes /readyz depend on the check.
func (s *Server) AddCheck(name string, check Check) {
	s.checks.mu.Lock()
	defer s.checks.mu.Unlock()
	if s.checks.named == nil {
		s.checks.named = map[string]Check{}
	}
	s.checks.named[name] = check
}

type checkResult struct {
	Name  string `json:"name"`
	OK    bool   `json:"ok"`
	Error string `json:"error,omitempty"`
}

// run asks all checks at once.
func (c *checks) run(ctx context.Context) (results []checkResult, ok bool) {
	c.mu.Lock()
	named := make(map[string]Check, len(c.named))
	for name, check := range c.named {
		named[name] = check
	}
	c.mu.Unlock()

	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	answers := make(chan checkResult, len(named)) // room for those that come too late
	pending := make(map[string]bool, len(named))
	for name, check := range named {
		pending[name] = true
		go func() {
			r := checkResult{Name: name, OK: true}
			if err := check(ctx); err != nil {
				r.OK, r.Error = false, err.Error()
			}
			answers <- r
		}()
	}
	ok = true
	for len(pending) > 0 {
		select {
		case r := <-answers:
			delete(pending, r.Name)
			ok = ok && r.OK
			results = append(results, r)
		case <-ctx.Done():
			for name := range pending {
				results = append(results, checkResult{Name: name, Error: "no answer within " + checkTimeout.String()})
			}
			pending, ok = nil, false
		}
	}
	sort.Slice(results, func(i, j int) bool { return results[i].Name < results[j].Name })
	return results, ok
}

// opsRoutes: /healthz says the process lives, /readyz that it can do its work now, /metrics what it has done.
func (s *Server) opsRoutes() {
	s.ops.GET("/healthz", func(c *gin.Context) { c.JSON(http.StatusOK, gin.H{"status": "ok"}) })
	s.ops.GET("/readyz", func(c *gin.Context) {
		results, ok := s.checks.run(c.Request.Context())
		select {
		case <-s.draining:
			c.JSON(http.StatusServiceUnavailable, gin.H{"status": "draining", "checks": results})
			return
		default:
		}
		if !ok {
			c.JSON(http.StatusServiceUnavailable, gin.H{"status": "not ready", "checks": results})
			return
		}
		c.JSON(http.StatusOK, gin.H{"status": "ready", "checks": results})
	})
	s.ops.GET("/metrics", gin.WrapH(promhttp.HandlerFor(s.cfg.Registry, promhttp.HandlerOpts{})))
}
