package httpserver

import (
	"log/slog"
	"maps"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
)

// kindOfAnswer is what the histogram and the log tell apart. Its values are few: routes are templates, methods known ones.
type kindOfAnswer struct {
	route, method string
	status        int
}

// observed is what is looked up and encoded once per kind.
type observed struct {
	seconds prometheus.Observer
	log     slog.Handler // with the attributes that are the same each time
}

// observer keeps what it has looked up. Reading takes no lock: there are some hundred kinds, and soon no new ones.
type observer struct {
	role    string
	seconds *prometheus.HistogramVec
	log     slog.Handler
	mu      sync.Mutex
	known   atomic.Pointer[map[kindOfAnswer]observed]
}

func (o *observer) of(k kindOfAnswer) observed {
	if known, ok := (*o.known.Load())[k]; ok {
		return known
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	all := maps.Clone(*o.known.Load())
	all[k] = observed{
		seconds: o.seconds.WithLabelValues(k.route, k.method, strconv.Itoa(k.status)),
		log: o.log.WithAttrs([]slog.Attr{
			slog.String("role", o.role), slog.String("method", k.method), slog.String("route", k.route), slog.Int("status", k.status),
		}),
	}
	o.known.Store(&all)
	return all[k]
}

// observe writes the access log and the histogram. Neither holds the path as sent or its query: both may carry a
// guest's token, and the route template has few values.
func (s *Server) observe(kind string) gin.HandlerFunc {
	o := &observer{role: s.cfg.Role, log: s.log.Handler(), seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "turnout_" + s.cfg.Role + "_" + kind + "_request_seconds",
		Help:    "Time from the request's headers to the end of its handler, by route template, method and status.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .2, .3, .5, 1, 2.5, 5, 10},
	}, []string{"route", "method", "status"})}
	o.known.Store(&map[kindOfAnswer]observed{})
	if err := s.cfg.Registry.Register(o.seconds); err != nil {
		s.log.Error("metric not registered", "error", err) // two servers of one role share a registry: count in one
	}
	return func(c *gin.Context) {
		x := exchangeOf(c.Request.Context()) // identify made it
		c.Next()
		now := time.Now()
		took := now.Sub(x.began)
		k := kindOfAnswer{route: c.FullPath(), method: method(c.Request.Method), status: c.Writer.Status()}
		if k.route == "" {
			k.route = "none"
		}
		answer := o.of(k)
		answer.seconds.Observe(took.Seconds())
		level := slog.LevelInfo
		if reads(k.method) && k.status < http.StatusBadRequest && took < slow {
			level = slog.LevelDebug // thousands a second, and nothing to learn but what the histogram says
		}
		answer.say(c, level, now, took)
	}
}

// say writes the line of the access log. The handler is asked without its Logger, which would look up who called.
func (o observed) say(c *gin.Context, level slog.Level, now time.Time, took time.Duration) {
	ctx := c.Request.Context()
	if !o.log.Enabled(ctx, level) {
		return // before the attributes are made
	}
	line := slog.NewRecord(now, level, "request", 0)
	line.AddAttrs(slog.Int("bytes", max(c.Writer.Size(), 0)), slog.Duration("took", took),
		slog.String("request_id", RequestID(ctx)), slog.String("network", network(ClientIP(c))))
	_ = o.log.Handle(ctx, line) // where nothing can be written, nothing can be said
}

// network is enough of a client's address to see where a flood comes from, and no person: a log is kept longer than an
// address belongs to one (/24, or /48 of IPv6).
func network(client string) string {
	address, err := netip.ParseAddr(client)
	if err != nil {
		return ""
	}
	bits := 48
	if address = address.Unmap(); address.Is4() {
		bits = 24
	}
	prefix, err := address.WithZone("").Prefix(bits)
	if err != nil {
		return ""
	}
	return prefix.String()
}

// slow is when a read that went well is worth a line all the same.
const slow = time.Second

func reads(method string) bool { return method == http.MethodGet || method == http.MethodHead }

// method keeps a client from making label values.
func method(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return m
	}
	return "other"
}
