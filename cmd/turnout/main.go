// Command turnout is the whole system: a subcommand per role and per
// operator's tool. `turnout serve` runs every role in one process.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
)

// subcommand is one word after turnout. run gets the arguments after it.
type subcommand struct {
	name    string
	summary string
	run     func(ctx context.Context, args []string, stdout, stderr io.Writer) error
}

// subcommands in the order in which help shows them: roles, then tools.
func subcommands() []subcommand {
	return []subcommand{
		{"serve", "run every role in one process", serve},
		{"command", "the write side: take commands, decide, log", alone("command", true, (*system).addCommand)},
		{"relay", "take the log's messages to Kafka", alone("relay", true, (*system).addRelay)},
		{"project", "build the read stores from Kafka", alone("project", false, (*system).addProjector)},
		{"query", "answer reads", alone("query", false, (*system).addQuery)},
		{"notify", "send mail: confirmations, reminders, news", alone("notify", true, (*system).addNotifier)},
		{"web", "pages and the one origin for everything", alone("web", false, (*system).addWeb)},
		{"migrate", "bring the write store's schema up to date", migrate},
		{"lag", "how far behind every consumer is", lag},
		{"explain", "why a notification exists and what became of it", explain},
		{"mail", "mail check DOMAIN: the DNS records that a sender's domain needs", mailTool},
		{"push", "push key: a new key that signs pushes to guests' devices, as settings", pushTool},
		{"dlq", "list, show and redrive dead letters", dlq},
		{"rebuild", "fill a read store, or one event of it, from the log", rebuild},
		{"erasures", "after a restore of Postgres: erase again who was erased since the backup", erasures},
		{"seed", "load events and answers through the API", runSeed},
		{"verify", "audit the log, the rows and every store; with --oracle FILE, the search; with --analytics, the figures", verify},
	}
}

// errUsage means that the arguments were wrong and that it has been said.
var errUsage = errors.New("usage")

// gcPercent lets garbage grow to four times what lives before it is collected. A role keeps little and a request leaves
// much: with Go's 100, collecting took a quarter of the command role's CPU under a hot event (docs/performance.md).
const gcPercent = 400

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 || args[0] == "help" || args[0] == "-h" || args[0] == "--help" {
		help(stdout)
		return 0
	}
	for _, s := range subcommands() {
		if s.name != args[0] {
			continue
		}
		switch err := s.run(ctx, args[1:], stdout, stderr); {
		case err == nil, errors.Is(err, flag.ErrHelp):
			return 0
		case errors.Is(err, errUsage):
			return 2
		case errors.Is(err, context.Canceled) && ctx.Err() != nil:
			return 130 // interrupted, as a shell counts it
		default:
			_, _ = fmt.Fprintf(stderr, "turnout %s: %v\n", s.name, err)
			return 1
		}
	}
	_, _ = fmt.Fprintf(stderr, "turnout: there is no %q; `turnout help` lists what there is\n", args[0])
	return 2
}

func help(w io.Writer) {
	_, _ = fmt.Fprintf(w, "turnout: event RSVPs\n\n")
	for _, s := range subcommands() {
		_, _ = fmt.Fprintf(w, "  %-10s %s\n", s.name, s.summary)
	}
	_, _ = fmt.Fprintf(w, "\nEvery setting is an environment variable; .env.example lists them.\n")
}

// flags makes a flag set that reports its errors as errUsage.
func flags(name string, stderr io.Writer) *flag.FlagSet {
	f := flag.NewFlagSet("turnout "+name, flag.ContinueOnError)
	f.SetOutput(stderr)
	return f
}

// parse wants no arguments beyond the flags.
func parse(f *flag.FlagSet, args []string) error {
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return err
		}
		return errUsage
	}
	if f.NArg() > 0 {
		_, _ = fmt.Fprintf(f.Output(), "%s: unexpected %q\n", f.Name(), f.Arg(0))
		return errUsage
	}
	return nil
}
