package httpapi

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"github.com/turnout-events/turnout/command/admission"
	"github.com/turnout-events/turnout/command/pgstore"
	"github.com/turnout-events/turnout/command/rsvp"
	"github.com/turnout-events/turnout/internal/fault"
	"github.com/turnout-events/turnout/internal/httpserver"
)

const (
	headerKey     = "Idempotency-Key"
	headerIfMatch = "If-Match"
	maxKey        = 255
)

var (
	errKeyMissing = fault.New(fault.Invalid, "idempotency-key-missing", "This request needs an Idempotency-Key")
	errKey        = fault.New(fault.Invalid, "idempotency-key-invalid", "The Idempotency-Key is not usable")
)

// decode reads the body into v, strictly, and gives its bytes.
func decode(c *gin.Context, v any) ([]byte, error) {
	body, err := httpserver.ReadBody(c)
	if err != nil {
		return nil, err
	}
	return body, httpserver.DecodeBody(c, body, v)
}

// decodeOptional is decode for routes that work without a body.
func decodeOptional(c *gin.Context, v any) ([]byte, error) {
	body, err := httpserver.ReadBody(c)
	if err != nil || len(bytes.TrimSpace(body)) == 0 {
		return nil, err
	}
	return body, httpserver.DecodeBody(c, body, v)
}

// nothing is the body of a route that takes none; {} will do.
type nothing struct{}

// key reads the Idempotency-Key: a quoted string as the draft has it, or bare.
func key(c *gin.Context, required bool) (string, error) {
	k := strings.TrimSpace(c.GetHeader(headerKey))
	if len(k) >= 2 && k[0] == '"' && k[len(k)-1] == '"' {
		k = k[1 : len(k)-1]
	}
	if k == "" {
		if required || len(c.Request.Header.Values(headerKey)) > 0 {
			return "", errKeyMissing.About(fault.Field{Pointer: headerKey, Detail: "make one up per request, and send it again with a repeat"})
		}
		return "", nil
	}
	if len(k) > maxKey || !utf8.ValidString(k) || strings.ContainsFunc(k, func(r rune) bool { return r < 0x20 || r == 0x7f }) {
		return "", errKey.About(fault.Field{Pointer: headerKey, Detail: "wants 1 to 255 printable characters"})
	}
	return k, nil
}

// hash is over the method, the path and the body: what makes a request the same one.
func (a *API) hash(c *gin.Context, body []byte) [32]byte {
	return a.hashes.Sum([]string{c.Request.Method, c.Request.URL.Path, c.GetHeader(headerIfMatch)}, body)
}

// scope keeps one client's keys from another's, and one route's from another's.
func scope(c *gin.Context, subject, actor string) string {
	return c.Request.Method + " " + c.FullPath() + " " + subject + " " + actor
}

// revision reads If-Match: the ETag of the event that the client has seen; 0
// means that the client does not care.
func revision(c *gin.Context) (int64, error) {
	v := strings.TrimSpace(c.GetHeader(headerIfMatch))
	if v == "" || v == "*" {
		return 0, nil
	}
	if len(v) > 2 && v[0] == '"' && v[len(v)-1] == '"' {
		if n, err := strconv.ParseInt(v[1:len(v)-1], 10, 64); err == nil && n > 0 {
			return n, nil
		}
	}
	// An ETag that we never gave matches nothing (RFC 9110, 13.1.1).
	return 0, rsvp.ErrRevision.About(fault.Field{Pointer: headerIfMatch, Detail: "wants the ETag of the event, with its quotes"})
}

// request fills in what every command has in common.
func (a *API) request(c *gin.Context, eventID, subject string, actor rsvp.Actor, body []byte) (admission.Request, error) {
	k, err := key(c, false)
	return admission.Request{
		EventID: eventID, Actor: actor, Key: k, Scope: scope(c, subject, actor.ID),
		RequestHash: a.hash(c, body), Traceparent: httpserver.Traceparent(c.Request.Context()),
	}, err
}

// earlier is what a refusal by the present state turns into when the same
// request was accepted before: the answer that it got then. A refusal that is
// not about the input stays, and so do one of a request without a key and one
// of what was erased.
func (a *API) earlier(c *gin.Context, scope, k string, body []byte, refusal error) (admission.Answer, error) {
	if fault.As(refusal) == nil || fault.KindOf(refusal) == fault.Unavailable || fault.KindOf(refusal) == fault.Gone {
		return admission.Answer{}, refusal
	}
	got, found, err := a.kept(c, scope, k, body)
	if err == nil && !found {
		err = refusal
	}
	return got, err
}

// kept is the answer that the same request had before.
func (a *API) kept(c *gin.Context, scope, k string, body []byte) (got admission.Answer, found bool, err error) {
	if k == "" {
		return got, false, nil
	}
	return a.Desk.Earlier(c.Request.Context(), scope, k, a.hash(c, body))
}

// once is request for what does not go through the desk.
func (a *API) once(c *gin.Context, accountID, subject string, body []byte) (pgstore.Once, error) {
	k, err := key(c, false)
	h := a.hash(c, body)
	return pgstore.Once{Scope: scope(c, subject, "member:"+accountID), Key: k, Hash: h[:]}, err
}

// Shared: full slices, which Add copies.
var (
	noStore = []string{"no-store"}
	isJSON  = []string{"application/json; charset=utf-8"}
)

// answer writes what the desk answered.
func answer(c *gin.Context, got admission.Answer, location string) {
	h, values := c.Writer.Header(), make([]string, 2)
	values[0] = got.EventID + "@" + strconv.FormatInt(got.Version, 10)
	h["Turnout-Version"] = values[:1:1] // canonical names: Set would look that up each time
	if location != "" && got.Status == http.StatusCreated {
		values[1] = location
		h["Location"] = values[1:]
	}
	write(c, got.Status, got.Body)
}

func write(c *gin.Context, status int, body []byte) {
	h := c.Writer.Header()
	h["Cache-Control"] = noStore // it holds tokens, or is about one guest
	if status == http.StatusNoContent || len(body) == 0 {
		c.Status(status)
		c.Writer.WriteHeaderNow()
		return
	}
	h["Content-Type"] = isJSON
	c.Status(status)
	_, _ = c.Writer.Write(body) // a client that has left
}
