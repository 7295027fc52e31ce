package web

import (
	"context"
	"io"
	"net/http"

	"github.com/gin-gonic/gin"
)

// guestsCSV passes the guest list through as a file, a piece at a time: a large event's takes longer than any page may.
func (p *pages) guestsCSV(c *gin.Context) {
	e, _, ok := p.memberEvent(c)
	if !ok {
		return
	}
	target := address(p.api.query+"/v1/events/"+e.ID+"/guests.csv", guestFilter(c.Request.URL.Query()))
	res, err := p.api.open(c.Request.Context(), target, by(c, "Turnout-Min-Version", c.Query("v")))
	if err != nil {
		p.memberSorry(c, err)
		return
	}
	defer func() { _ = res.Body.Close() }()
	h := c.Writer.Header()
	for _, name := range []string{"Content-Type", "Content-Disposition"} {
		h.Set(name, res.Header.Get(name))
	}
	h.Set("Cache-Control", "no-store")
	c.Status(http.StatusOK)
	p.passOn(c, res.Body)
}

// passOn copies the body of an answer whose head is sent: only breaking off tells the browser that it lacks the rest.
func (p *pages) passOn(c *gin.Context, body io.Reader) {
	if _, err := io.Copy(c.Writer, body); err != nil && c.Request.Context().Err() == nil {
		p.log.ErrorContext(c.Request.Context(), "answer broken off", "path", c.Request.URL.Path, "error", err)
		panic(http.ErrAbortHandler) //nolint:forbidigo // net/http's own way to cut an answer
	}
}

// open begins to read what may be long; the caller closes its body. No bound but that of ctx: the client's is for answers
// that fit into a page.
func (a *api) open(ctx context.Context, target string, headers map[string]string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return nil, err
	}
	if err := setHeaders(req, headers); err != nil {
		return nil, err
	}
	res, err := (&http.Client{Transport: a.client.Transport}).Do(req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode >= http.StatusBadRequest {
		defer func() { _ = res.Body.Close() }()
		return nil, problemOf(res, target)
	}
	return res, nil
}
