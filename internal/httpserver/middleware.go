package httpserver

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"regexp"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/turnout-events/turnout/internal/fault"
)

// Headers that are taken over from a request and answered.
const (
	HeaderRequestID   = "X-Request-Id"
	HeaderTraceparent = "Traceparent"
)

type contextKey int

const idsKey contextKey = iota

// ids of one request; one value in the context, because each costs every request an allocation.
type ids struct{ request, trace string }

var (
	// A client's id is copied into logs and answers, so it may hold nothing that breaks a line.
	requestIDPattern   = regexp.MustCompile(`^[A-Za-z0-9._:/+=-]{1,128}$`)
	traceparentPattern = regexp.MustCompile(`^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$`) // W3C Trace Context, version 00
)

// RequestID is the id of the request that ctx belongs to; empty outside of one.
func RequestID(ctx context.Context) string {
	v, _ := ctx.Value(idsKey).(ids)
	return v.request
}

// Traceparent is the W3C trace header of the request that ctx belongs to; empty outside of one.
func Traceparent(ctx context.Context) string {
	v, _ := ctx.Value(idsKey).(ids)
	return v.trace
}

// identify takes over X-Request-Id and Traceparent or makes them, answers them, and puts them into the context.
func identify() gin.HandlerFunc {
	return func(c *gin.Context) {
		v := ids{request: c.GetHeader(HeaderRequestID), trace: c.GetHeader(HeaderTraceparent)}
		if v.request == "" || !requestIDPattern.MatchString(v.request) {
			v.request = newID(time.Now())
		}
		if v.trace == "" || !traceparentPattern.MatchString(v.trace) {
			v.trace = newTraceparent()
		}
		c.Request = c.Request.WithContext(context.WithValue(c.Request.Context(), idsKey, v))
		// The names are canonical; Set would look that up each time. What forwards the request forwards the same ids.
		for _, h := range []http.Header{c.Request.Header, c.Writer.Header()} {
			h[HeaderRequestID] = []string{v.request}
			h[HeaderTraceparent] = []string{v.trace}
		}
		c.Next()
	}
}

// newID has the form of a UUIDv7. It names a request and opens nothing, so the quick generator will do: the system's,
// asked three times, was a fifth of what a read from memory costs.
func newID(now time.Time) string {
	var raw uuid.UUID
	binary.BigEndian.PutUint64(raw[:8], uint64(now.UnixMilli())<<16|rand.Uint64()&0xffff) //nolint:gosec // no secret
	binary.BigEndian.PutUint64(raw[8:], rand.Uint64())                                    //nolint:gosec // no secret
	raw[6] = raw[6]&0x0f | 0x70
	raw[8] = raw[8]&0x3f | 0x80
	return raw.String()
}

func newTraceparent() string {
	var raw [24]byte
	for i := 0; i < len(raw); i += 8 {
		binary.BigEndian.PutUint64(raw[i:], rand.Uint64()) //nolint:gosec // no secret
	}
	out := make([]byte, 0, 55)
	out = append(out, "00-"...)
	out = hex.AppendEncode(out, raw[:16])
	out = append(out, '-')
	out = hex.AppendEncode(out, raw[16:])
	return string(append(out, "-01"...))
}

// observe writes the access log and the histogram. Neither holds the path as sent or its query: both may carry a
// guest's token, and the route template has few values.
func (s *Server) observe(kind string) gin.HandlerFunc {
	seconds := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "turnout_" + s.cfg.Role + "_" + kind + "_request_seconds",
		Help:    "Time from the request's headers to the end of its handler, by route template, method and status.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .2, .3, .5, 1, 2.5, 5, 10},
	}, []string{"route", "method", "status"})
	if err := s.cfg.Registry.Register(seconds); err != nil {
		s.log.Error("metric not registered", "error", err) // two servers of one role share a registry: count in one
	}
	return func(c *gin.Context) {
		began := time.Now()
		c.Next()
		took := time.Since(began)
		route := c.FullPath()
		if route == "" {
			route = "none"
		}
		status := c.Writer.Status()
		seconds.WithLabelValues(route, method(c.Request.Method), strconv.Itoa(status)).Observe(took.Seconds())
		level := slog.LevelInfo
		if reads(c.Request.Method) && status < http.StatusBadRequest && took < slow {
			level = slog.LevelDebug // thousands a second, and nothing to learn but what the histogram says
		}
		if !s.log.Enabled(c.Request.Context(), level) {
			return // before the arguments are made
		}
		s.log.Log(c.Request.Context(), level, "request", "role", s.cfg.Role, "method", c.Request.Method, "route", route,
			"status", status, "bytes", max(c.Writer.Size(), 0), "took", took, "request_id", RequestID(c.Request.Context()),
			"network", network(c.ClientIP()))
	}
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

// recovery answers a panic with a problem, if nothing was written yet, and keeps the process.
func (s *Server) recovery() gin.HandlerFunc {
	return func(c *gin.Context) {
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if p == http.ErrAbortHandler { //nolint:errorlint // a sentinel that net/http itself compares like this
				panic(p) //nolint:forbidigo // net/http cuts the connection; that is what the handler wanted
			}
			s.log.ErrorContext(c.Request.Context(), "handler panicked", "panic", fmt.Sprint(p),
				"request_id", RequestID(c.Request.Context()), "stack", string(debug.Stack()))
			c.Abort()
			if !c.Writer.Written() {
				write(c, internalProblem(c))
			}
		}()
		c.Next()
		// Problem leaves the chain of an internal error here; this edge logs it, once.
		for _, e := range c.Errors {
			s.log.ErrorContext(c.Request.Context(), "request failed", "error", e.Err, "route", c.FullPath(),
				"request_id", RequestID(c.Request.Context()))
		}
	}
}

func headers() gin.HandlerFunc {
	noReferrer, noSniff := []string{"no-referrer"}, []string{"nosniff"} // shared: full slices, which Add copies
	return func(c *gin.Context) {
		h := c.Writer.Header()
		h["Referrer-Policy"] = noReferrer // links carry tokens
		h["X-Content-Type-Options"] = noSniff
		c.Next()
	}
}

// LimitBody bounds the body of the routes it is used on, in bytes. It replaces the limit that was there, so a route that
// takes a picture may take more than the others.
func LimitBody(bytes int64) gin.HandlerFunc {
	return func(c *gin.Context) {
		if c.Request.Body != nil && c.Request.Body != http.NoBody {
			body := c.Request.Body
			if limited, ok := body.(*limitedBody); ok {
				body = limited.whole
			}
			c.Request.Body = &limitedBody{ReadCloser: http.MaxBytesReader(c.Writer, body, bytes), whole: body}
		}
		c.Next()
	}
}

type limitedBody struct {
	io.ReadCloser               // the limited one
	whole         io.ReadCloser // as net/http gave it
}

var errNUL = fault.New(fault.Invalid, "nul-character", "The address holds a NUL character")

// refuseNUL answers %00 in a path or query: Postgres and Elasticsearch refuse it deep inside, as an internal error.
func refuseNUL() gin.HandlerFunc {
	return func(c *gin.Context) {
		if strings.ContainsRune(c.Request.URL.Path, 0) || strings.Contains(c.Request.URL.RawQuery, "%00") {
			Problem(c, errNUL)
			return
		}
		c.Next()
	}
}
