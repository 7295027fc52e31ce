// Command loadtest measures Turnout. A scenario drives the running system over
// HTTP and compares itself with a baseline in the same run where its goal is a
// ratio; results are printed as a table and kept as JSON with the machine and
// the commit. Loads go to loopback only and end by themselves.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

// scenario is one measurement.
type scenario struct {
	name    string
	summary string
	run     func(ctx context.Context, o options) ([]row, error)
}

func scenarios() []scenario {
	return []scenario{
		{"flow", "p50/p99 of an RSVP at a steady rate, and how soon its seats and its listing show it", flow},
	}
}

// options are what every scenario gets.
type options struct {
	url      string
	rate     int           // requests a second, open loop
	duration time.Duration // of each block
	events   int
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		_, _ = fmt.Fprintln(os.Stderr, "loadtest:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("loadtest", flag.ContinueOnError)
	name := f.String("scenario", "", "only this one; empty lists them")
	o := options{}
	f.StringVar(&o.url, "url", "http://127.0.0.1:8080", "the origin to load; loopback only")
	f.IntVar(&o.rate, "rate", 100, "requests a second where the load is an open loop")
	f.DurationVar(&o.duration, "duration", 30*time.Second, "length of each block")
	f.IntVar(&o.events, "events", 20, "events that share the load")
	out := f.String("out", "loadtest/results", "folder for the JSON; empty keeps none")
	if err := f.Parse(args); err != nil {
		return err
	}
	if err := loopback(o.url); err != nil {
		return err
	}
	for _, s := range scenarios() {
		if *name == "" {
			fmt.Printf("  %-10s %s\n", s.name, s.summary)
			continue
		}
		if s.name != *name {
			continue
		}
		rows, err := s.run(ctx, o)
		if err != nil {
			return fmt.Errorf("scenario %s: %w", s.name, err)
		}
		r := newResult(s.name, args, rows)
		r.print(os.Stdout)
		if *out == "" {
			return nil
		}
		return r.save(filepath.Join(*out, s.name+".json"))
	}
	if *name != "" {
		return fmt.Errorf("there is no scenario %q", *name)
	}
	return nil
}

// loopback keeps a typing error from loading somebody else's server.
func loopback(raw string) error {
	u, err := url.Parse(raw)
	if err != nil {
		return err
	}
	host := u.Hostname()
	if ip := net.ParseIP(host); host == "localhost" || (ip != nil && ip.IsLoopback()) {
		return nil
	}
	return fmt.Errorf("%s is not on loopback", raw)
}
