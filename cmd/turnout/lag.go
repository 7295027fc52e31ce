package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/ops"
)

// lag asks the broker itself, so that it also works while every role is down.
func lag(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := flags("lag", stderr)
	watch := f.Bool("watch", false, "again every --every, until interrupted")
	every := f.Duration("every", 2*time.Second, "with --watch: how often")
	asJSON := f.Bool("json", false, "one JSON document per look")
	group := f.String("group", "", "only this consumer group")
	partitions := f.Bool("partitions", false, "a line per partition also where nothing is behind")
	if err := parse(f, args); err != nil {
		return err
	}
	s, err := load[settings]()
	if err != nil {
		return err
	}
	groups := contract.Groups()
	if *group != "" {
		topics, known := groups[*group]
		if !known {
			_, _ = fmt.Fprintf(stderr, "there is no consumer group %q\n", *group)
			return errUsage
		}
		groups = map[string][]string{*group: topics}
	}
	for {
		lags, err := ops.Read(ctx, s.Kafka, groups)
		switch {
		case err != nil && !*watch:
			return err
		case err != nil:
			_, _ = fmt.Fprintln(stderr, err) // the broker may come back
		case *asJSON:
			err = json.NewEncoder(stdout).Encode(map[string]any{"at": time.Now().UTC(), "items": lags})
		default:
			if *watch {
				_, _ = fmt.Fprint(stdout, "\033[H\033[2J")
			}
			err = lagTable(stdout, lags, *partitions)
		}
		if !*watch {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(*every):
		}
	}
}

// lagTable sums what is not behind and shows each partition that is.
func lagTable(w io.Writer, lags []ops.Lag, all bool) error {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "GROUP\tTOPIC\tPARTITION\tMESSAGES BEHIND\tSECONDS BEHIND")
	line := func(l ops.Lag, partition string) {
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%.1f\n", l.Group, l.Topic, partition, l.Messages, l.Seconds)
	}
	for i := 0; i < len(lags); {
		sum, j := lags[i], i+1
		for ; j < len(lags) && lags[j].Group == sum.Group && lags[j].Topic == sum.Topic; j++ {
			sum.Messages += lags[j].Messages
			sum.Seconds = max(sum.Seconds, lags[j].Seconds)
		}
		line(sum, "all "+strconv.Itoa(j-i))
		for _, l := range lags[i:j] {
			if all || l.Messages > 0 {
				line(l, strconv.Itoa(int(l.Partition)))
			}
		}
		i = j
	}
	return t.Flush()
}
