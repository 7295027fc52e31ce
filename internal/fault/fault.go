// Package fault is the one error type that crosses a boundary: a kind (which
// HTTP status it becomes), a slug that clients may rely on, and words for
// people. Anything that is not a fault is internal: the client gets an id, the
// log the chain.
package fault

import (
	"errors"
	"fmt"
	"time"
)

// Kind says whose fault it is; internal/httpserver maps it to a status.
type Kind uint8

// The kinds, with the HTTP status each becomes.
const (
	Internal      Kind = iota // 500
	Invalid                   // 400
	Unauthorized              // 401
	Forbidden                 // 403
	NotFound                  // 404
	Conflict                  // 409
	Gone                      // 410
	Precondition              // 412
	TooLarge                  // 413
	Unsupported               // 415
	Unprocessable             // 422
	TooMany                   // 429
	Unavailable               // 503
)

// Field is one complaint about the input: Pointer is an RFC 6901 JSON pointer
// into the body ("/venue/lat"), or the name of a query parameter or header.
type Field struct {
	Pointer string `json:"pointer"`
	Detail  string `json:"detail"`
}

// Error is a refusal that a client can act on.
type Error struct {
	Kind       Kind
	Slug       string // stable; renaming breaks clients
	Title      string // the same for every occurrence of the slug
	Detail     string // this occurrence, for people
	Fields     []Field
	RetryAfter time.Duration  // > 0: sent as Retry-After
	Extra      map[string]any // further members of the problem document
	cause      error
}

// New declares a fault; keep the result in a package variable (rsvp.ErrEventFull).
func New(kind Kind, slug, title string) *Error {
	return &Error{Kind: kind, Slug: slug, Title: title}
}

func (e *Error) Error() string {
	s := e.Slug
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	if e.cause != nil {
		s += ": " + e.cause.Error()
	}
	return s
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.cause }

// Is matches by slug, so that a fault with a detail still is its declaration.
func (e *Error) Is(target error) bool {
	t, ok := errors.AsType[*Error](target)
	return ok && t.Slug == e.Slug
}

// Detailf returns a copy with the detail of this occurrence.
func (e *Error) Detailf(format string, args ...any) *Error {
	c := *e
	c.Detail = fmt.Sprintf(format, args...)
	return &c
}

// Because returns a copy that carries the cause, for the log only.
func (e *Error) Because(cause error) *Error {
	c := *e
	c.cause = cause
	return &c
}

// With returns a copy with a further member of the problem document.
func (e *Error) With(key string, value any) *Error {
	c := *e
	c.Extra = make(map[string]any, len(e.Extra)+1)
	for k, v := range e.Extra {
		c.Extra[k] = v
	}
	c.Extra[key] = value
	return &c
}

// After returns a copy that asks the client to come back after d.
func (e *Error) After(d time.Duration) *Error {
	c := *e
	c.RetryAfter = d
	return &c
}

// About returns a copy with complaints about the input.
func (e *Error) About(fields ...Field) *Error {
	c := *e
	c.Fields = append(append([]Field(nil), e.Fields...), fields...)
	return &c
}

// As finds the fault in a chain; nil means internal.
func As(err error) *Error {
	e, _ := errors.AsType[*Error](err)
	return e
}

// KindOf is the kind of err; what is no fault is Internal.
func KindOf(err error) Kind {
	if e := As(err); e != nil {
		return e.Kind
	}
	return Internal
}

// The faults that more than one package returns.
var (
	ErrInvalid      = New(Invalid, "invalid-input", "The request is not valid")
	ErrUnauthorized = New(Unauthorized, "unauthorized", "Sign in first")
	ErrForbidden    = New(Forbidden, "forbidden", "Your role does not allow this")
	ErrNotFound     = New(NotFound, "not-found", "There is no such thing, or you may not know of it")
	ErrUnavailable  = New(Unavailable, "unavailable", "A part of the system is away for the moment")
	ErrTooMany      = New(TooMany, "rate-limited", "Too many requests")
)
