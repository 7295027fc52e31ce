package httpserver_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/turnout-events/turnout/internal/fault"
	"github.com/turnout-events/turnout/internal/httpserver"
)

// What was prepared is answered byte for byte like what was not, whatever the request's id, and is still the same fault.
func TestPreparedProblemsAreTheSame(t *testing.T) {
	t.Parallel()
	full := fault.New(fault.Conflict, "full", "All seats are taken")
	cases := []error{
		full, full.Detailf("<%s> & \"more\"", "request_id"), full.With("remaining", -3).With("request_id", "mine"),
		full.About(fault.Field{Pointer: "/a", Detail: "is \"bad\""}), full.After(time.Second), fault.ErrUnauthorized, fault.ErrUnavailable,
		fmt.Errorf("about e1: %w", full), errors.New("no fault"), full.Detailf("00000000-request-id-00000000"),
	}
	s, _ := server(t)
	for i, err := range cases {
		ready := httpserver.Prepare(err)
		if fault.As(err) != nil && (!errors.Is(ready, err) && !errors.Is(ready, full) || fault.KindOf(ready) != fault.KindOf(err)) {
			t.Errorf("%v became %v", err, ready)
		}
		s.Engine().POST(fmt.Sprintf("/%d/plain", i), func(c *gin.Context) { httpserver.Problem(c, err) })
		s.Engine().POST(fmt.Sprintf("/%d/ready", i), func(c *gin.Context) { httpserver.Problem(c, fmt.Errorf("wrapped: %w", ready)) })
		for _, id := range []string{"r-1", "a+b/c=d", ""} {
			ask := func(how string) (int, http.Header, []byte) {
				r := request(t, "POST", fmt.Sprintf("/%d/%s", i, how), "{}")
				r.Header.Set(httpserver.HeaderTraceparent, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
				if id != "" {
					r.Header.Set(httpserver.HeaderRequestID, id)
				}
				w := do(s, r)
				made := w.Header().Get(httpserver.HeaderRequestID)
				w.Header().Del(httpserver.HeaderRequestID)
				return w.Code, w.Header(), bytes.ReplaceAll(w.Body.Bytes(), []byte(made), []byte("ID"))
			}
			status, header, body := ask("plain")
			status2, header2, body2 := ask("ready")
			if status != status2 || !reflect.DeepEqual(header, header2) || !bytes.Equal(body, body2) {
				t.Errorf("%v, id %q: %d %v %s\nprepared: %d %v %s", err, id, status, header, body, status2, header2, body2)
			}
		}
	}
}
