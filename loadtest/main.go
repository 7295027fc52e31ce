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
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/turnout-events/turnout/loadtest/baseline"
)

// scenario is one measurement.
type scenario struct {
	name    string
	summary string
	block   time.Duration // its own length of a block
	running bool          // loads a system that somebody started, at -url; the others start their own
	run     func(ctx context.Context, o options) ([]row, error)
}

func scenarios() []scenario {
	return []scenario{
		{name: "hot", summary: "RSVPs/s on one event, against the textbook handler and a no-op", block: 4 * time.Second, run: hot},
		{name: "disk", summary: "the same as if an fsync took longer: what the textbook waits for alone, a group shares", block: 3 * time.Second, run: disks},
		{name: "spread", summary: "one event against a thousand", block: 4 * time.Second, run: spread},
		{name: "latency", summary: "p50/p99 at 500/s on one event, against a transaction that has the machine to itself", block: 10 * time.Second, run: steady},
		{name: "refuse", summary: "refusals of a full event, against acceptances", block: 4 * time.Second, run: refuse},
		{name: "profile", summary: "where the command role's CPU goes while one event is hot", block: 10 * time.Second, run: profile},
		{name: "read", summary: "seats against a bare handler, search and suggestions against Elasticsearch itself", block: 4 * time.Second, run: read},
		{name: "streams", summary: "5,000 viewers of one event's seats: memory, subscriptions, nobody left behind", block: 0, run: streams},
		{name: "relay", summary: "committed rows to Kafka: against Watermill's forwarder and the work done by hand", block: 4 * time.Second, run: relayed},
		{name: "visible", summary: "acknowledged to seats and listing seen by others, against Kafka alone", block: 10 * time.Second, run: visible},
		{name: "reminders", summary: "50,000 reminders due at one moment, against a bare go-mail loop", run: reminders},
		{name: "lateness", summary: "how late reminders are that come due at half the notifier's rate", block: 15 * time.Second, run: lateness},
		{name: "tick", summary: "what looking for due mail costs with 1,000,000 planned, against 10,000", block: 2 * time.Second, run: ticks},
		{name: "projection", summary: "projectors from Kafka to Elasticsearch, against _bulk of the same documents", run: projection},
		{name: "rebuild", summary: "a rebuild of -messages messages, against reading and writing them by hand; its memory", run: rebuilt},
		{name: "growth", summary: "the same at a hundredth, a tenth and all of -messages RSVPs in the stores", block: 6 * time.Second, run: growth},
		{name: "flow", summary: "p50/p99 of an RSVP at a steady rate, and how soon its seats and its listing show it",
			block: 30 * time.Second, running: true, run: flow},
		{name: "seed", summary: "the demo set with all its answers through the API", running: true, run: seed},
	}
}

// options are what every scenario gets.
type options struct {
	url      string
	rate     int           // requests a second, open loop
	duration time.Duration // of each block
	events   int
	rounds   int    // of interleaved blocks
	conns    []int  // closed loops
	stores   string // that verify compares
	profiles string // folder for profiles
	messages int    // in the log that a rebuild reads
	turnout  string // a built binary; empty builds one
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	args := os.Args[1:]
	var err error
	if len(args) > 0 && args[0] == "baseline" { // the load starts itself again as the server to compare with
		err = baseline.Main(ctx, args[1:])
	} else {
		err = run(ctx, args)
	}
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		_, _ = fmt.Fprintln(os.Stderr, "loadtest:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("loadtest", flag.ContinueOnError)
	name := f.String("scenario", "", "only this one, or all; empty lists them")
	o := options{}
	f.StringVar(&o.url, "url", "http://127.0.0.1:8080", "the origin to load; loopback only")
	f.IntVar(&o.rate, "rate", 100, "requests a second where the load is an open loop")
	f.DurationVar(&o.duration, "duration", 0, "length of each block; 0: the scenario's own")
	f.IntVar(&o.events, "events", 20, "events that share the load")
	f.IntVar(&o.rounds, "rounds", 4, "interleaved blocks of each arm")
	f.StringVar(&o.stores, "stores", "kafka,availability,listing,guestlist", "what verify compares in the end; none: the log alone")
	f.StringVar(&o.turnout, "turnout", "", "the turnout binary; empty builds it")
	f.StringVar(&o.profiles, "profiles", os.TempDir(), "folder for profiles")
	f.IntVar(&o.messages, "messages", 1_000_000, "messages in the log that a rebuild reads")
	conns := f.String("conns", "64,256,1024", "connections of the closed loops")
	out := f.String("out", "loadtest/results", "folder for the JSON; empty keeps none")
	if err := f.Parse(args); err != nil {
		return err
	}
	if err := loopback(o.url); err != nil {
		return err
	}
	told := flagsTold(f)
	for _, n := range strings.Split(*conns, ",") {
		c, err := strconv.Atoi(n)
		if err != nil || c < 1 {
			return fmt.Errorf("-conns: %q is not a number of connections", n)
		}
		o.conns = append(o.conns, c)
	}
	known := false
	for _, s := range scenarios() {
		switch *name {
		case "":
			fmt.Printf("  %-10s %s\n", s.name, s.summary)
		case s.name, allOfThem:
			known = true
			if s.running && *name == allOfThem {
				fmt.Printf("%s loads a running system: start one and name it\n", s.name)
				continue
			}
			if err := measure(ctx, s, o, told, *out); err != nil {
				return fmt.Errorf("scenario %s: %w", s.name, err)
			}
		}
	}
	if *name != "" && !known {
		return fmt.Errorf("there is no scenario %q", *name)
	}
	return nil
}

const allOfThem = "all"

// flagsTold is what was asked for, for the result. Where its files lie is this machine's business.
func flagsTold(f *flag.FlagSet) []string {
	var told []string
	f.Visit(func(g *flag.Flag) {
		switch g.Name {
		case "out", "turnout", "profiles":
		default:
			told = append(told, "-"+g.Name, g.Value.String())
		}
	})
	return told
}

func measure(ctx context.Context, s scenario, o options, args []string, out string) error {
	if o.duration == 0 {
		o.duration = s.block
	}
	before := loadAverage()
	rows, err := s.run(ctx, o)
	if err != nil {
		return err
	}
	r := newResult(s.name, args, before, rows)
	r.print(os.Stdout)
	if out != "" {
		err = r.save(filepath.Join(out, s.name+".json"))
	}
	return errors.Join(err, broken(rows))
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
