package httpserver

import (
	"bytes"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/turnout-events/turnout/internal/fault"
)

// prepared is a fault whose document is encoded but for the request's id, which needs no escapes.
type prepared struct {
	fault      *fault.Error
	status     int
	head, tail []byte
}

func (p *prepared) Error() string { return p.fault.Error() }

// Unwrap gives the fault.
func (p *prepared) Unwrap() error { return p.fault }

// anID stands for the request's until there is one.
const anID = "00000000-request-id-00000000"

// Prepare gives the error in a form that Problem answers without encoding it, for what very many are refused with. What
// needs headers of its own, or is no fault, stays as it is.
func Prepare(err error) error {
	f := fault.As(err)
	if f == nil || f.Kind == fault.Internal || f.Kind == fault.Unauthorized || f.Kind == fault.Unavailable || f.RetryAfter > 0 {
		return err
	}
	p := problemFor(f, anID)
	body, failed := p.encode()
	head, tail, found := bytes.Cut(body, []byte(anID))
	if failed != nil || !found || bytes.Contains(tail, []byte(anID)) {
		return err
	}
	return &prepared{fault: f, status: p.Status, head: head, tail: tail}
}

// Shared: full slices, which Add copies.
var (
	noStore   = []string{"no-store"}
	isProblem = []string{ProblemType}
)

func (p *prepared) write(c *gin.Context) {
	h := c.Writer.Header()
	h["Cache-Control"], h["Content-Type"] = noStore, isProblem
	c.Status(p.status)
	if c.Request.Method == http.MethodHead {
		c.Writer.WriteHeaderNow()
		return
	}
	id := RequestID(c.Request.Context()) // made, or matched requestIDPattern
	body := make([]byte, 0, len(p.head)+len(id)+len(p.tail))
	body = append(append(append(body, p.head...), id...), p.tail...)
	_, _ = c.Writer.Write(body) // a client that has left
}
