package httpserver_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/turnout-events/turnout/internal/httpserver"
)

// A bound holds however it is asked for: by waiting, by looking, through a context made of the request's, and not for
// what asks to be without it.
func TestABoundEndsTheRequestsContext(t *testing.T) {
	t.Parallel()
	const bound = time.Second // long enough for a busy machine to look before it is over
	s, _ := server(t)
	s.Engine().POST("/:how", func(c *gin.Context) {
		defer httpserver.Bound(c, bound)()
		ctx := c.Request.Context()
		if until, ok := ctx.Deadline(); !ok || time.Until(until) > bound {
			t.Errorf("deadline %v %v", until, ok)
		}
		if ctx.Err() != nil {
			t.Error("over before it began")
		}
		whole := httpserver.Unbound(c)
		switch c.Param("how") {
		case "wait":
			<-ctx.Done()
		case "look":
			for ctx.Err() == nil {
				<-time.After(time.Millisecond)
			}
		case "derive":
			inner, cancel := context.WithTimeout(context.WithValue(ctx, key{}, 1), time.Hour)
			defer cancel()
			if httpserver.RequestID(inner) != "r-1" {
				t.Error("the id is lost")
			}
			<-inner.Done()
			if !errors.Is(inner.Err(), context.DeadlineExceeded) {
				t.Error(inner.Err())
			}
		}
		if !errors.Is(ctx.Err(), context.DeadlineExceeded) || whole.Err() != nil {
			t.Errorf("%v, and without a bound %v", ctx.Err(), whole.Err())
		}
		c.Status(http.StatusNoContent)
	})
	for _, how := range []string{"wait", "look", "derive"} {
		r := request(t, "POST", "/"+how, "{}")
		r.Header.Set(httpserver.HeaderRequestID, "r-1")
		if w := do(s, r); w.Code != http.StatusNoContent || w.Header().Get(httpserver.HeaderRequestID) != "r-1" {
			t.Errorf("%s: %d %v", how, w.Code, w.Header())
		}
	}
}

type key struct{}

// Whoever leaves ends the request's context, bound or not, and what was made of it.
func TestAClientThatLeavesEndsTheContext(t *testing.T) {
	t.Parallel()
	s, _ := server(t)
	s.Engine().POST("/", func(c *gin.Context) {
		defer httpserver.Bound(c, time.Hour)()
		inner, cancel := context.WithCancel(c.Request.Context())
		defer cancel()
		<-inner.Done()
		<-httpserver.Unbound(c).Done()
		if !errors.Is(c.Request.Context().Err(), context.Canceled) {
			t.Error(c.Request.Context().Err())
		}
	})
	r := request(t, "POST", "/", "{}")
	ctx, leave := context.WithTimeout(r.Context(), 20*time.Millisecond)
	defer leave()
	gone, cancel := context.WithCancel(r.Context())
	context.AfterFunc(ctx, cancel)
	do(s, r.WithContext(gone))
}
