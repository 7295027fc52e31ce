package httpserver

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"regexp"
	"runtime/debug"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/turnout-events/turnout/internal/fault"
)

// Headers that are taken over from a request and answered.
const (
	HeaderRequestID   = "X-Request-Id"
	HeaderTraceparent = "Traceparent"
)

var (
	// A client's id is copied into logs and answers, so it may hold nothing that breaks a line.
	requestIDPattern   = regexp.MustCompile(`^[A-Za-z0-9._:/+=-]{1,128}$`)
	traceparentPattern = regexp.MustCompile(`^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$`) // W3C Trace Context, version 00
)

// identify takes over X-Request-Id and Traceparent or makes them, answers them, and puts them into the context.
func identify() gin.HandlerFunc {
	return func(c *gin.Context) {
		x := &exchange{
			Context: c.Request.Context(), began: time.Now(),
			request: c.GetHeader(HeaderRequestID), trace: c.GetHeader(HeaderTraceparent),
		}
		if x.request == "" || !requestIDPattern.MatchString(x.request) {
			delete(c.Request.Header, HeaderRequestID) // nobody may forward what was not taken
			x.request = newID(x.began)
		}
		if x.trace == "" || !traceparentPattern.MatchString(x.trace) {
			delete(c.Request.Header, HeaderTraceparent)
			x.trace = newTraceparent()
		}
		c.Request = c.Request.WithContext(x)
		h, values := c.Writer.Header(), [...]string{x.request, x.trace}
		h[HeaderRequestID], h[HeaderTraceparent] = values[:1:1], values[1:] // canonical; Set would look that up each time
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
		body := c.Request.Body
		if limited, ok := body.(*limitedBody); ok {
			body = limited.whole
			c.Request.Body = body
		}
		// net/http reads no more than the length that was announced.
		announced := c.Request.ContentLength >= 0 && c.Request.ContentLength <= bytes
		if body != nil && body != http.NoBody && !announced {
			c.Request.Body = &limitedBody{ReadCloser: http.MaxBytesReader(c.Writer, body, bytes), whole: body}
		}
		c.Next()
	}
}

// bodyInTime bounds how long a client may take to send a body, whoever reads it: a handler, a form's parser, a proxy, or
// net/http, which takes in what nobody has read before it answers. The bound goes with the end of the body, for the
// background read of what runs long would meet it.
func bodyInTime(within time.Duration) gin.HandlerFunc {
	return func(c *gin.Context) {
		if body := c.Request.Body; body != nil && body != http.NoBody {
			var w http.ResponseWriter = c.Writer
			if inner, ok := w.(interface{ Unwrap() http.ResponseWriter }); ok {
				w = inner.Unwrap() // gin's is another request's later, and a proxy may read on until then
			}
			conn := http.NewResponseController(w)
			if conn.SetReadDeadline(time.Now().Add(within)) == nil { // not supported by a recorder in tests
				c.Request.Body = &timedBody{ReadCloser: body, conn: conn}
			}
		}
		c.Next()
	}
}

type timedBody struct {
	io.ReadCloser

	conn *http.ResponseController
}

func (b *timedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		_ = b.conn.SetReadDeadline(time.Time{})
	}
	return n, err
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
