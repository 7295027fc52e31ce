package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// captured are the bodies of _bulk requests, in a file: the very documents that a projector writes, for whoever writes
// them again without a projector.
type captured struct {
	mu     sync.Mutex
	file   *os.File
	end    int64
	bodies []body
	url    string
	server *http.Server
}

type body struct {
	at, size int64
	docs     int
}

// capture answers as an Elasticsearch that takes everything.
func capture(ctx context.Context, dir string) (*captured, error) {
	file, err := os.Create(filepath.Join(dir, "bulk.ndjson"))
	if err != nil {
		return nil, err
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	c := &captured{file: file, url: "http://" + l.Addr().String()}
	c.server = &http.Server{Handler: c, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = c.server.Serve(l) }()
	return c, nil
}

func (c *captured) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Elastic-Product", "Elasticsearch")
	if strings.HasPrefix(r.URL.Path, "/_alias/") { // no index yet, and none that is rebuilt
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, `{"error":"no alias"}`)
		return
	}
	if !strings.HasSuffix(r.URL.Path, "/_bulk") {
		_, _ = io.WriteString(w, `{"status":"green"}`)
		return
	}
	b, err := io.ReadAll(r.Body)
	if err == nil {
		err = c.keep(b)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	docs := bytes.Count(b, []byte{'\n'}) / 2
	_, _ = io.WriteString(w, `{"items":[`+strings.TrimSuffix(strings.Repeat(`{"index":{"status":201}},`, docs), ",")+`]}`)
}

func (c *captured) keep(b []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, err := c.file.WriteAt(b, c.end)
	c.bodies = append(c.bodies, body{at: c.end, size: int64(n), docs: bytes.Count(b, []byte{'\n'}) / 2})
	c.end += int64(n)
	return err
}

// stop ends the server; what was captured stays.
func (c *captured) stop(ctx context.Context) error { return c.server.Shutdown(ctx) }

func (c *captured) docs() (n int) {
	for _, b := range c.bodies {
		n += b.docs
	}
	return n
}

// write sends every body to Elasticsearch as it is, some at a time, and gives how long that took.
func (c *captured) write(ctx context.Context, url string, some int) (time.Duration, error) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: some, DisableCompression: true}, Timeout: time.Minute}
	defer client.CloseIdleConnections()
	began := time.Now()
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(some)
	for _, b := range c.bodies {
		g.Go(func() error {
			text := make([]byte, b.size)
			if _, err := c.file.ReadAt(text, b.at); err != nil {
				return err
			}
			req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/_bulk?filter_path=errors,items.*.error", bytes.NewReader(text))
			if err != nil {
				return err
			}
			req.Header.Set("Content-Type", "application/x-ndjson")
			res, err := client.Do(req)
			if err != nil {
				return err
			}
			answer, err := readAll(res)
			if err == nil && (res.StatusCode != http.StatusOK || !bytes.Contains(answer, []byte(`"errors":false`))) {
				err = fmt.Errorf("bulk: %s: %.300s", res.Status, answer)
			}
			return err
		})
	}
	err := g.Wait()
	return time.Since(began), err
}
