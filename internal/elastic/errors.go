package elastic

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/elastic/go-elasticsearch/v8/esapi"
)

// ErrUnavailable is in the chain when the same request may succeed later: no connection, or 429, 502, 503, 504.
var ErrUnavailable = errors.New("unavailable")

// ErrNotFound is in the chain when the index, alias or document is not there.
var ErrNotFound = errors.New("not found")

// Error is an answer with an error status.
type Error struct {
	Op     string
	Status int
	Type   string // Elasticsearch's, for example index_not_found_exception
	Reason string
}

func (e *Error) Error() string {
	return fmt.Sprintf("elasticsearch %s: %d %s: %s", e.Op, e.Status, e.Type, e.Reason)
}

// Is makes errors.Is(err, ErrUnavailable) and errors.Is(err, ErrNotFound) work.
func (e *Error) Is(target error) bool {
	switch target {
	case ErrUnavailable:
		return busy(e.Status)
	case ErrNotFound:
		return e.Status == http.StatusNotFound
	}
	return false
}

func busy(status int) bool {
	switch status {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

func hasType(err error, name string) bool {
	var e *Error
	return errors.As(err, &e) && e.Type == name
}

// maxErrorBody bounds what is read of an error; a mapping's error can quote a whole document.
const maxErrorBody = 64 << 10

func errorOf(op string, res *esapi.Response) error {
	e := &Error{Op: op, Status: res.StatusCode, Type: http.StatusText(res.StatusCode)}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxErrorBody))
	if err != nil {
		e.Reason = "error body not readable"
		return e
	}
	var answer struct {
		Error json.RawMessage `json:"error"`
	}
	if json.Unmarshal(body, &answer) == nil && len(answer.Error) > 0 {
		var cause cause
		if json.Unmarshal(answer.Error, &cause) == nil {
			e.Type, e.Reason = cause.Type, cause.text()
			return e
		}
		body = answer.Error // a plain string
	}
	e.Reason = string(body[:min(len(body), 300)])
	return e
}

type cause struct {
	Type     string  `json:"type"`
	Reason   string  `json:"reason"`
	CausedBy *cause  `json:"caused_by"`
	Root     []cause `json:"root_cause"`
}

// text gives the outer reason and the innermost, which is mostly the one that helps.
func (c *cause) text() string {
	inner := c
	for inner.CausedBy != nil {
		inner = inner.CausedBy
	}
	switch {
	case inner != c:
		return c.Reason + ": " + inner.Reason
	case len(c.Root) > 0 && c.Root[0].Reason != "" && c.Root[0].Reason != c.Reason:
		return c.Reason + ": " + c.Root[0].Reason
	default:
		return c.Reason
	}
}
