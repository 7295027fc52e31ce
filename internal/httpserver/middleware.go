package httpserver

import (
	"context"
	"fmt"
	"io"
	"net/http"
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

const (
	requestIDKey contextKey = iota
	traceparentKey
)

var (
	// A client's id is copied into logs and answers, so it may hold nothing that breaks a line.
	requestIDPattern   = regexp.MustCompile(`^[A-Za-z0-9._:/+=-]{1,128}$`)
	traceparentPattern = regexp.MustCompile(`^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$`) // W3C Trace Context, version 00
)

// RequestID is the id of the request that ctx belongs to; empty outside of one.
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey).(string)
	return id
}

// Traceparent is the W3C trace header of the request that ctx belongs to; empty outside of one.
func Traceparent(ctx context.Context) string {
	t, _ := ctx.Value(traceparentKey).(string)
	return t
}

// identify takes over X-Request-Id and Traceparent or makes them, answers them, and puts them into the context.
func identify() gin.HandlerFunc {
	return func(c *gin.Context) {
		id := c.GetHeader(HeaderRequestID)
		if !requestIDPattern.MatchString(id) {
			id = newID()
		}
		trace := c.GetHeader(HeaderTraceparent)
		if !traceparentPattern.MatchString(trace) {
			trace = newTraceparent()
		}
		ctx := context.WithValue(c.Request.Context(), requestIDKey, id)
		ctx = context.WithValue(ctx, traceparentKey, trace)
		c.Request = c.Request.WithContext(ctx)
		c.Request.Header.Set(HeaderRequestID, id) // what forwards the request forwards the same ids
		c.Request.Header.Set(HeaderTraceparent, trace)
		c.Header(HeaderRequestID, id)
		c.Header(HeaderTraceparent, trace)
		c.Next()
	}
}

func newID() string {
	id, err := uuid.NewV7()
	if err != nil { // no randomness: an id that repeats is still better than no answer
		return strconv.FormatInt(time.Now().UnixNano(), 36)
	}
	return id.String()
}

func newTraceparent() string {
	trace, err := uuid.NewRandom()
	if err != nil {
		return ""
	}
	span, err := uuid.NewRandom()
	if err != nil {
		return ""
	}
	return fmt.Sprintf("00-%x-%x-01", trace[:], span[8:])
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
		s.log.InfoContext(c.Request.Context(), "request", "role", s.cfg.Role, "method", c.Request.Method, "route", route,
			"status", status, "bytes", max(c.Writer.Size(), 0), "took", took, "request_id", RequestID(c.Request.Context()),
			"client", c.ClientIP())
	}
}

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
	return func(c *gin.Context) {
		h := c.Writer.Header()
		h.Set("Referrer-Policy", "no-referrer") // links carry tokens
		h.Set("X-Content-Type-Options", "nosniff")
		c.Next()
	}
}

// LimitBody bounds the body of the routes it is used on, in bytes. It replaces the limit that was there, so a route that
// takes a picture may take more than the others.
func LimitBody(bytes int64) gin.HandlerFunc {
	return func(c *gin.Context) {
		if c.Request.Body != nil {
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
