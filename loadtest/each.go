package main

import (
	"context"
	"io"
	"net/http"

	"golang.org/x/sync/errgroup"
)

// each calls f for 0…n-1, some at a time.
func each(ctx context.Context, n, some int, f func(ctx context.Context, i int) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(some)
	for i := range n {
		g.Go(func() error { return f(ctx, i) })
	}
	return g.Wait()
}

func readAll(res *http.Response) ([]byte, error) {
	defer func() { _ = res.Body.Close() }()
	return io.ReadAll(io.LimitReader(res.Body, 32<<20))
}
