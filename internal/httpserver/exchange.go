package httpserver

import (
	"context"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
)

type contextKey int

const exchangeKey contextKey = iota

// exchange is the context of one request: its ids, and what costs to find out and is asked for more than once. It is one
// value, for each costs every request an allocation.
type exchange struct {
	context.Context // net/http's: ends when the client leaves

	request, trace string
	began          time.Time

	mu     sync.Mutex
	client string
	until  time.Time       // zero: no bound
	timed  context.Context // ends at until; made when somebody waits for it, which most requests never do
	cancel context.CancelFunc
}

func exchangeOf(ctx context.Context) *exchange {
	x, _ := ctx.Value(exchangeKey).(*exchange)
	return x
}

// RequestID is the id of the request that ctx belongs to; empty outside of one.
func RequestID(ctx context.Context) string {
	if x := exchangeOf(ctx); x != nil {
		return x.request
	}
	return ""
}

// Traceparent is the W3C trace header of the request that ctx belongs to; empty outside of one.
func Traceparent(ctx context.Context) string {
	if x := exchangeOf(ctx); x != nil {
		return x.trace
	}
	return ""
}

// ClientIP is gin's, found out once per request: the proxies that are believed are looked through each time.
func ClientIP(c *gin.Context) string {
	x := exchangeOf(c.Request.Context())
	if x == nil {
		return c.ClientIP()
	}
	x.mu.Lock()
	client := x.client
	x.mu.Unlock()
	if client != "" {
		return client
	}
	client = c.ClientIP() // asks the context, so not under the lock
	x.mu.Lock()
	x.client = client
	x.mu.Unlock()
	return client
}

// Bound ends the request's context d after the request began, at the latest when release is called. It costs a timer only if somebody waits
// for the context: what is answered from memory does not.
func Bound(c *gin.Context, d time.Duration) (release func()) {
	x, ok := c.Request.Context().(*exchange)
	if !ok {
		ctx, cancel := context.WithTimeout(c.Request.Context(), d)
		c.Request = c.Request.WithContext(ctx)
		return cancel
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.until = x.began.Add(d)
	return x.release
}

// Unbound is the request's context without its Bound, for what has a bound of its own: it ends when the client leaves.
func Unbound(c *gin.Context) context.Context {
	if x, ok := c.Request.Context().(*exchange); ok {
		return x.Context
	}
	return c.Request.Context()
}

func (x *exchange) release() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.cancel != nil {
		x.cancel()
	}
}

// now gives the context that counts: net/http's until somebody waits, then the one with the bound.
func (x *exchange) now(wait bool) context.Context {
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case x.timed != nil:
		return x.timed
	case x.until.IsZero() || !wait:
		return x.Context
	}
	x.timed, x.cancel = context.WithDeadline(x.Context, x.until)
	return x.timed
}

// Deadline is that of the bound.
func (x *exchange) Deadline() (time.Time, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.until.IsZero() {
		return x.until, true
	}
	return x.Context.Deadline()
}

// Done arms the bound.
func (x *exchange) Done() <-chan struct{} { return x.now(true).Done() }

// Err tells of a bound that has passed whether or not anybody waited for it.
func (x *exchange) Err() error {
	if until, ok := x.Deadline(); ok && !time.Now().Before(until) {
		return x.now(true).Err() //nolint:contextcheck // it is this one
	}
	return x.now(false).Err()
}

// Value asks the context that counts, so that contexts made of this one hang on it and need no goroutine.
func (x *exchange) Value(key any) any {
	if key == exchangeKey {
		return x
	}
	return x.now(false).Value(key)
}
