// Package baseline is what Turnout is measured against: the handler that a textbook would write, and a handler that does
// nothing. Both are real gin servers in processes of their own, loaded with the very requests that Turnout gets.
package baseline

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Main serves one baseline until ctx ends. Arguments: noop, textbook or bytes, then flags.
func Main(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New("baseline: say noop, textbook or bytes")
	}
	f := flag.NewFlagSet("baseline "+args[0], flag.ContinueOnError)
	addr := f.String("addr", "127.0.0.1:0", "where it listens")
	url := f.String("postgres", "", "URL of its own database")
	pool := f.Int("pool", 8, "connections to Postgres")
	body := f.String("body", "", "file that bytes answers")
	if err := f.Parse(args[1:]); err != nil {
		return err
	}
	gin.SetMode(gin.ReleaseMode)
	engine := gin.New() // without logger or recovery: the least that gin can cost
	switch args[0] {
	case "noop":
		engine.POST("/v1/events/:id/rsvps", noop)
	case "textbook":
		db, err := open(ctx, *url, *pool)
		if err != nil {
			return err
		}
		defer db.Close()
		engine.POST("/v1/events/:id/rsvps", textbook{db}.rsvp)
	case "bytes":
		answer, err := os.ReadFile(*body)
		if err != nil {
			return err
		}
		engine.GET("/v1/events/:id/availability", func(c *gin.Context) { c.Data(http.StatusOK, "application/json; charset=utf-8", answer) })
	default:
		return fmt.Errorf("baseline: there is no %q", args[0])
	}
	return serve(ctx, *addr, engine)
}

func open(ctx context.Context, url string, conns int) (*pgxpool.Pool, error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	cfg.MaxConns, cfg.MinConns = int32(conns), int32(conns) //nolint:gosec // a flag
	return pgxpool.NewWithConfig(ctx, cfg)
}

func serve(ctx context.Context, addr string, handler http.Handler) error {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		return server.Shutdown(stop)
	}
}

// noop answers as many bytes as an RSVP's answer has, and looks at nothing: whatever gin, net/http and the kernel leave
// over is what a handler can have.
func noop(c *gin.Context) { c.Data(http.StatusCreated, "application/json; charset=utf-8", nothing) }

var nothing = []byte(`{"id":"00000000-0000-7000-8000-000000000000","event_id":"00000000-0000-7000-8000-000000000000",` +
	`"status":"confirmed","response":"going","position":null,"party_size":1,"address_confirmed":false,"approved":false,` +
	`"checked_in":0,"manage_token":"00000000000000000000000000000000000000000000000000000000000000000000000000000000",` +
	`"manage_url":"http://127.0.0.1:8080/r/00000000000000000000000000000000000000000000000000000000000000000000000000000000",` +
	`"version":1}`)
