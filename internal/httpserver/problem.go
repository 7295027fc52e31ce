package httpserver

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"

	"github.com/turnout-events/turnout/internal/fault"
)

// ProblemType is the media type of RFC 9457.
const ProblemType = "application/problem+json"

var (
	errNoRoute  = fault.New(fault.NotFound, "no-such-route", "There is nothing at this address")
	errNoMethod = fault.New(fault.Invalid, "method-not-allowed", "This address does not take that method")
	errGone     = fault.New(fault.Unavailable, "request-cancelled", "The request ended before its answer")
)

// Problem answers with the error and aborts the chain. A fault shows what it says; anything else is internal: the
// client gets the request's id, the log gets the error.
func Problem(c *gin.Context, err error) {
	if p, ok := errors.AsType[*prepared](err); ok {
		c.Abort()
		p.write(c)
		return
	}
	f := fault.As(err)
	if f == nil && c.Request.Context().Err() != nil && errors.Is(err, context.Canceled) {
		f = errGone // the client has left; nothing is wrong here
	}
	if f == nil || f.Kind == fault.Internal {
		_ = c.Error(err) // the recovery middleware logs it
		c.Abort()
		write(c, internalProblem(c))
		return
	}
	c.Abort()
	write(c, problemOf(c, f))
}

// problem is an RFC 9457 document. Extra members come after ours and cannot replace them.
type problem struct {
	Type      string        `json:"type"`
	Title     string        `json:"title"`
	Status    int           `json:"status"`
	Detail    string        `json:"detail"`
	Code      string        `json:"code"`
	RequestID string        `json:"request_id"`
	Errors    []fault.Field `json:"errors,omitempty"`

	retryAfter int // seconds; 0 sends no header
	extra      map[string]any
}

func problemOf(c *gin.Context, f *fault.Error) problem {
	return problemFor(f, RequestID(c.Request.Context()))
}

func problemFor(f *fault.Error, requestID string) problem {
	p := problem{
		Type: "/problems/" + f.Slug, Title: f.Title, Status: Status(f.Kind), Detail: f.Detail, Code: f.Slug,
		RequestID: requestID, Errors: f.Fields, extra: f.Extra,
	}
	if errors.Is(f, errNoMethod) {
		p.Status = http.StatusMethodNotAllowed
	}
	if p.Detail == "" {
		p.Detail = f.Title
	}
	switch {
	case f.RetryAfter > 0:
		p.retryAfter = int(math.Ceil(f.RetryAfter.Seconds()))
	case f.Kind == fault.Unavailable:
		p.retryAfter = 1
	}
	return p
}

func internalProblem(c *gin.Context) problem {
	id := RequestID(c.Request.Context())
	return problem{
		Type: "/problems/internal", Title: "Something went wrong on our side", Status: http.StatusInternalServerError,
		Detail: "The error is in the log under this request's id.", Code: "internal", RequestID: id,
	}
}

// Status is the HTTP status of a kind.
func Status(kind fault.Kind) int {
	switch kind {
	case fault.Invalid:
		return http.StatusBadRequest
	case fault.Unauthorized:
		return http.StatusUnauthorized
	case fault.Forbidden:
		return http.StatusForbidden
	case fault.NotFound:
		return http.StatusNotFound
	case fault.Conflict:
		return http.StatusConflict
	case fault.Gone:
		return http.StatusGone
	case fault.Precondition:
		return http.StatusPreconditionFailed
	case fault.TooLarge:
		return http.StatusRequestEntityTooLarge
	case fault.Unsupported:
		return http.StatusUnsupportedMediaType
	case fault.Unprocessable:
		return http.StatusUnprocessableEntity
	case fault.TooMany:
		return http.StatusTooManyRequests
	case fault.Unavailable:
		return http.StatusServiceUnavailable
	default:
		return http.StatusInternalServerError
	}
}

func write(c *gin.Context, p problem) {
	h := c.Writer.Header()
	if p.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(p.retryAfter))
	}
	if p.Status == http.StatusUnauthorized && h.Get("WWW-Authenticate") == "" {
		h.Set("WWW-Authenticate", "Bearer") // RFC 9110 15.5.2 wants one
	}
	h["Cache-Control"], h["Content-Type"] = noStore, isProblem
	c.Status(p.Status)
	if c.Request.Method == http.MethodHead {
		c.Writer.WriteHeaderNow()
		return
	}
	body, err := p.encode()
	if err != nil { // an extra member that JSON cannot hold
		p.extra = nil
		body, _ = p.encode()
	}
	_, _ = c.Writer.Write(body) // a client that has left
}

func (p problem) encode() ([]byte, error) {
	body, err := json.Marshal(p)
	if err != nil || len(p.extra) == 0 {
		return body, err
	}
	members := make(map[string]any, len(p.extra))
	for k, v := range p.extra {
		switch k {
		case "type", "title", "status", "detail", "code", "request_id", "errors":
		default:
			members[k] = v
		}
	}
	if len(members) == 0 {
		return body, nil
	}
	more, err := json.Marshal(members)
	if err != nil {
		return nil, err
	}
	return append(append(body[:len(body)-1], ','), more[1:]...), nil
}
