package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/turnout-events/turnout/internal/fault"
	"github.com/turnout-events/turnout/internal/httpserver"
	"github.com/turnout-events/turnout/internal/ops"
)

// opsTimeout bounds how long one role may keep the operators' view waiting.
const opsTimeout = 5 * time.Second

// opsGate gathers the operators' routes: each role answers for its own
// consumers on its ops address, and the list is the sum of what they say.
type opsGate struct {
	token  string
	guard  gin.HandlerFunc
	client *http.Client
	roles  []opsRole
}

type opsRole struct{ name, url string }

func newOpsGate(cfg Config, transport http.RoundTripper) *opsGate {
	return &opsGate{
		token:  cfg.OpsToken,
		guard:  ops.Guard(cfg.OpsToken),
		client: &http.Client{Transport: transport, Timeout: opsTimeout},
		roles: []opsRole{
			{"command", cfg.CommandOpsURL}, {"relay", cfg.RelayOpsURL},
			{"projector", cfg.ProjectorOpsURL}, {"notifier", cfg.NotifierOpsURL},
		},
	}
}

func (o *opsGate) serve(c *gin.Context) {
	if o.guard(c); c.IsAborted() {
		return
	}
	if c.Request.Method != http.MethodGet {
		o.first(c)
		return
	}
	o.gather(c)
}

// part is what one role said.
type part struct {
	Items   []json.RawMessage `json:"items"`
	role    string
	found   bool
	refused []byte // the problem document of a request that is not valid
	err     error
}

// gather asks all roles at once. A role that does not know the route has
// nothing to say; one that is away is named, and the others still show.
func (o *opsGate) gather(c *gin.Context) {
	parts := make([]part, len(o.roles))
	var wg sync.WaitGroup
	for i, role := range o.roles {
		wg.Go(func() { parts[i] = o.ask(c.Request.Context(), role, c.Request.URL.RequestURI()) })
	}
	wg.Wait()
	items, away, found := []json.RawMessage{}, []string{}, false
	for _, p := range parts {
		items = append(items, p.Items...)
		found = found || p.found
		if p.refused != nil {
			c.Data(http.StatusBadRequest, httpserver.ProblemType, p.refused)
			return
		}
		if p.err != nil {
			away = append(away, p.role)
		}
	}
	if !found && len(away) == 0 {
		httpserver.Problem(c, fault.ErrNotFound)
		return
	}
	c.JSON(http.StatusOK, gin.H{"items": items, "next_cursor": nil, "away": away, "at": time.Now().UTC()})
}

func (o *opsGate) ask(ctx context.Context, role opsRole, uri string) part {
	p := part{role: role.name}
	res, err := o.send(ctx, role, http.MethodGet, uri, nil)
	if err != nil {
		p.err = err
		return p
	}
	defer func() { _ = res.Body.Close() }()
	switch res.StatusCode {
	case http.StatusNotFound:
	case http.StatusBadRequest:
		p.refused, p.err = io.ReadAll(res.Body)
	case http.StatusOK:
		p.found = true
		p.err = json.NewDecoder(res.Body).Decode(&p)
	default:
		p.err = fmt.Errorf("%s answered %s", role.name, res.Status)
	}
	return p
}

// first passes a write (a redrive) to the role that knows the thing. If none of
// those that answer does, it may be a thing of one that does not.
func (o *opsGate) first(c *gin.Context) {
	body, err := io.ReadAll(c.Request.Body)
	if err != nil {
		httpserver.Problem(c, fault.ErrInvalid.Because(err))
		return
	}
	var away []string
	var reasons error
	for _, role := range o.roles {
		res, err := o.send(c.Request.Context(), role, c.Request.Method, c.Request.URL.RequestURI(), body)
		if err != nil {
			away, reasons = append(away, role.name), errors.Join(reasons, err)
			continue
		}
		if res.StatusCode == http.StatusNotFound {
			_ = res.Body.Close()
			continue
		}
		c.DataFromReader(res.StatusCode, res.ContentLength, res.Header.Get("Content-Type"), res.Body, nil)
		_ = res.Body.Close()
		return
	}
	if len(away) > 0 {
		httpserver.Problem(c, errRoleAway.Detailf("No answer from %s: look whether it was done.", strings.Join(away, ", ")).After(retryRole).Because(reasons))
		return
	}
	httpserver.Problem(c, fault.ErrNotFound)
}

func (o *opsGate) send(ctx context.Context, role opsRole, method, uri string, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(role.url, "/")+uri, strings.NewReader(string(body)))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+o.token)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(httpserver.HeaderRequestID, httpserver.RequestID(ctx))
	return o.client.Do(req)
}
