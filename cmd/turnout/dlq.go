package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/caarlos0/env/v11"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/id"
	"github.com/turnout-events/turnout/internal/kafkabus"
	"github.com/turnout-events/turnout/internal/ops"
	"github.com/turnout-events/turnout/projector"
)

const dlqUsage = `usage: turnout dlq ls [--group GROUP] [--json]
       turnout dlq show ID
       turnout dlq redrive ID | --all --group GROUP

A dead letter is a message that a consumer group could never apply: redriving
hands it to that group's handler again, and to no other. Or it is a notification
that was given up (refused for good three times, or for 24 hours), listed as
group "notices": redriving sends it again.
`

// dlq lists, shows and redrives dead letters. It talks to Kafka and the stores
// itself, so that it also works while the roles are down.
func dlq(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) == 0 {
		_, _ = fmt.Fprint(stderr, dlqUsage)
		return errUsage
	}
	f := flags("dlq "+args[0], stderr)
	f.Usage = func() { _, _ = fmt.Fprint(stderr, dlqUsage); f.PrintDefaults() }
	group := f.String("group", "", "only this consumer group")
	limit := f.Int("limit", 100, "ls, redrive --all: at most this many, the newest")
	asJSON := f.Bool("json", false, "ls: as JSON")
	all := f.Bool("all", false, "redrive: every letter of --group")
	if err := f.Parse(args[1:]); err != nil {
		return errUsage
	}
	s, err := newSystem(env.ToMap(os.Environ()), stderr)
	if err != nil {
		return err
	}
	defer s.close()
	switch {
	case args[0] == "ls" && f.NArg() == 0:
		return s.dlqList(ctx, *group, *limit, *asJSON, stdout)
	case args[0] == "show" && f.NArg() == 1 && id.Valid(f.Arg(0)):
		return s.showNotice(ctx, stdout, f.Arg(0))
	case args[0] == "show" && f.NArg() == 1:
		return dlqShow(ctx, s.Kafka, f.Arg(0), stdout)
	case args[0] == "redrive" && f.NArg() == 1 && !*all && id.Valid(f.Arg(0)):
		return s.resendNotices(ctx, stdout, f.Arg(0))
	case args[0] == "redrive" && f.NArg() == 0 && *all && *group == groupNotices:
		return s.resendNotices(ctx, stdout, "")
	case args[0] == "redrive" && f.NArg() == 1 && !*all:
		return s.redrive(ctx, stdout, f.Arg(0))
	case args[0] == "redrive" && f.NArg() == 0 && *all && *group != "":
		letters, err := kafkabus.ReadDLQ(ctx, s.Kafka, *group, *limit)
		if err != nil {
			return err
		}
		ids := make([]string, len(letters))
		for i, l := range letters {
			ids[i] = l.ID
		}
		return s.redrive(ctx, stdout, ids...)
	}
	f.Usage()
	return errUsage
}

func (s *system) dlqList(ctx context.Context, only string, limit int, asJSON bool, w io.Writer) error {
	var names []string
	for name := range contract.Groups() {
		if only == "" || only == name {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	letters := []ops.Letter{}
	for _, name := range names {
		found, err := kafkabus.ReadDLQ(ctx, s.Kafka, name, limit)
		if err != nil {
			return err
		}
		for _, l := range found {
			letters = append(letters, ops.LetterOf(l))
		}
	}
	if only == "" || only == groupNotices {
		notices, err := s.deadNotices(ctx, limit)
		if err != nil {
			return err
		}
		letters = append(letters, notices...)
	}
	if asJSON {
		return json.NewEncoder(w).Encode(map[string]any{"items": letters})
	}
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "ID\tAT\tTYPE\tMESSAGE\tREASON")
	for _, l := range letters {
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%.120q\n", l.ID, l.At.Format(time.DateTime), l.Type, l.Message, l.Reason)
	}
	return t.Flush()
}

func dlqShow(ctx context.Context, cfg kafkabus.Config, id string, w io.Writer) error {
	group, partition, offset, err := kafkabus.ParseDeadLetterID(id)
	if err != nil {
		return err
	}
	l, err := kafkabus.FetchDLQ(ctx, cfg, group, partition, offset)
	if err != nil {
		return err
	}
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	payload := any(json.RawMessage(l.Message.Payload))
	if !json.Valid(l.Message.Payload) {
		payload = l.Message.Payload // base64
	}
	return out.Encode(map[string]any{"letter": ops.LetterOf(l), "headers": l.Message.Metadata, "payload": payload})
}

// redrive builds the handlers without running them.
func (s *system) redrive(ctx context.Context, w io.Writer, ids ...string) error {
	failed := 0
	for _, letter := range ids {
		group, _, _, err := kafkabus.ParseDeadLetterID(letter)
		if err != nil {
			return err
		}
		handle, err := s.redriver(ctx, group)
		if err == nil {
			err = ops.Resend(ctx, s.Kafka, letter, handle)
		}
		if err != nil {
			failed++
			_, _ = fmt.Fprintf(w, "%s  not redriven: %v\n", letter, err)
			continue
		}
		_, _ = fmt.Fprintf(w, "%s  redriven\n", letter)
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d not redriven", failed, len(ids))
	}
	return nil
}

// redriver gives the handler of a group, of the one role that has it.
func (s *system) redriver(ctx context.Context, group string) (ops.Redrive, error) {
	if handle, there := s.redrivers[group]; there {
		return handle, nil
	}
	if s.redrivers == nil {
		s.redrivers = map[string]ops.Redrive{}
	}
	if group == contract.GroupNotifier {
		n, err := s.notifierAlone(ctx)
		if err == nil {
			s.redrivers[group] = n.Redrive
		}
		return s.redrivers[group], err
	}
	p, err := s.projectorAlone(ctx)
	if err == nil && !slices.Contains(p.Groups(), group) {
		err = fmt.Errorf("there is no consumer group %q", group)
	}
	if err != nil {
		return nil, err
	}
	for _, name := range p.Groups() {
		s.redrivers[name] = p.Redrive
	}
	return s.redrivers[group], nil
}

// projectorAlone is a projector that does not consume.
func (s *system) projectorAlone(ctx context.Context) (*projector.Projector, error) {
	deps, err := s.projectorDeps(ctx)
	if err != nil {
		return nil, err
	}
	return projector.New(ctx, s.Projector, deps)
}

func (s *system) projectorDeps(ctx context.Context) (projector.Deps, error) {
	es, err := s.elastic(ctx, 30*time.Second)
	if err != nil {
		return projector.Deps{}, err
	}
	rd, err := s.redis(ctx, "projector", 5*time.Second)
	if err != nil {
		return projector.Deps{}, err
	}
	keys, err := s.keys()
	return projector.Deps{Log: s.log, Registry: registry(), Kafka: s.Kafka, Elastic: es, Redis: rd, Keys: keys}, err
}

// close is for subcommands that run no parts.
func (s *system) close() {
	for i := len(s.opened) - 1; i >= 0; i-- {
		s.opened[i]()
	}
}
