package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/turnout-events/turnout/command/audit"
	"github.com/turnout-events/turnout/internal/postgres"
)

// Checks of the stores, beside those of the audit.
const (
	checkKafka        = "kafka"        // every message of the logs, in order, as it was hashed, and no other
	checkAvailability = "availability" // Redis has the counters
	checkListing      = "listing"      // Elasticsearch has the event and the counters
	checkGuestList    = "guestlist"    // Elasticsearch has every RSVP
)

var stores = []string{checkKafka, checkAvailability, checkListing, checkGuestList}

// errDiffers means that the report has findings; it has been printed.
var errDiffers = errors.New("something is not as it must be: see the report")

// verify replays the log and compares it with the rules, the rows and the stores that were made of it.
func verify(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	for _, a := range args {
		if name, _, _ := strings.Cut(strings.TrimLeft(a, "-"), "="); name == "oracle" || name == "events" {
			return verifySearch(ctx, args, stdout, stderr)
		} else if name == "analytics" {
			return verifyAnalytics(ctx, args, stdout, stderr)
		}
	}
	f := flags("verify", stderr)
	asJSON := f.Bool("json", false, "print the report as JSON")
	ledger := f.String("ledger", "", "JSON lines `file` of what clients were told: event_id, rsvp_id, version, status")
	which := f.String("stores", strings.Join(stores, ","), "what to compare with Postgres, or none")
	wait := f.Duration("wait", 30*time.Second, "how long a store may take to catch up")
	if err := parse(f, args); err != nil {
		return err
	}
	compare := strings.Split(*which, ",")
	if *which == "none" || *which == "" {
		compare = nil
	}
	for _, name := range compare {
		if !slices.Contains(stores, name) {
			_, _ = fmt.Fprintf(stderr, "there is no store %q; known: %s\n", name, strings.Join(stores, ", "))
			return errUsage
		}
	}
	told, err := readLedger(*ledger)
	if err != nil {
		return err
	}
	s, err := load[settings]()
	if err != nil {
		return err
	}
	began := time.Now()
	report, err := auditAll(ctx, s, told, compare, *wait, s.logger(stderr))
	var away unreached
	if err != nil && !errors.As(err, &away) {
		return err
	}
	return errors.Join(showReport(stdout, report, compare, away, time.Since(began), *asJSON), err)
}

// auditAll gives a report with the error unreached when some stores did not answer.
func auditAll(ctx context.Context, s settings, told []audit.Acknowledged, compare []string, wait time.Duration, log *slog.Logger) (*audit.Report, error) {
	report := audit.NewReport()
	logs, err := auditPostgres(ctx, s, report, told, log)
	if err != nil {
		return nil, err
	}
	return report, compareStores(ctx, s, logs, compare, wait, report, log)
}

func readLedger(path string) ([]audit.Acknowledged, error) {
	if path == "" {
		return nil, nil
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open the ledger: %w", err)
	}
	defer func() { _ = file.Close() }()
	told, err := decodeLedger(file)
	if err != nil {
		return nil, fmt.Errorf("ledger %s: %w", path, err)
	}
	return told, nil
}

func decodeLedger(r io.Reader) ([]audit.Acknowledged, error) {
	var told []audit.Acknowledged
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		if strings.TrimSpace(lines.Text()) == "" {
			continue
		}
		var a audit.Acknowledged
		if err := json.Unmarshal(lines.Bytes(), &a); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		told = append(told, a)
	}
	return told, lines.Err()
}

// audited is what the logs say, to compare the stores with.
type audited struct {
	events        map[string]audit.Event
	organizations map[string][][]byte // the chain of each, see audit.Event
}

func auditPostgres(ctx context.Context, s settings, report *audit.Report, told []audit.Acknowledged, log *slog.Logger) (audited, error) {
	// An audit may take minutes, and its snapshot waits while a large event is replayed.
	s.Postgres.StatementTimeout, s.Postgres.IdleInTransactionTimeout = -1, -1
	s.Postgres.Name, s.Postgres.MaxConns = "turnout-verify", 4
	pool, err := postgres.Open(ctx, s.Postgres, log)
	if err != nil {
		return audited{}, err
	}
	defer pool.Close()
	var mu sync.Mutex
	logs := audited{map[string]audit.Event{}, map[string][][]byte{}}
	err = audit.Run(ctx, pool, report, audit.Options{
		Ledger: told,
		Each: func(e audit.Event) {
			mu.Lock()
			defer mu.Unlock()
			logs.events[e.ID] = e
		},
		Organization: func(id string, chain [][]byte) { logs.organizations[id] = chain },
	})
	return logs, err
}

func showReport(w io.Writer, r *audit.Report, compared []string, away unreached, took time.Duration, asJSON bool) error {
	compared = slices.DeleteFunc(slices.Clone(compared), func(name string) bool { return away[name] != nil })
	if asJSON {
		err := json.NewEncoder(w).Encode(struct {
			OK        bool     `json:"ok"`
			Compared  []string `json:"compared"`
			Unreached []string `json:"unreached,omitempty"`
			Seconds   float64  `json:"seconds"`
			*audit.Report
		}{!r.Failed() && len(away) == 0, compared, slices.Sorted(maps.Keys(away)), took.Seconds(), r})
		return errors.Join(err, verdict(r))
	}
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	_, _ = fmt.Fprintf(t, "events\t%d\norganizations\t%d\nmessages\t%d\nRSVPs\t%d\nacknowledged\t%d\ntook\t%s\n\n",
		r.Events, r.Organizations, r.Messages, r.RSVPs, r.Acknowledged, took.Round(time.Millisecond))
	for _, check := range slices.Concat(audit.Checks(), compared) {
		mark := "ok"
		if n := r.Wrong[check]; n > 0 {
			mark = fmt.Sprintf("WRONG (%d)", n)
		}
		_, _ = fmt.Fprintf(t, "%s\t%s\n", check, mark)
	}
	for _, name := range slices.Sorted(maps.Keys(away)) {
		_, _ = fmt.Fprintf(t, "%s\tNOT COMPARED\n", name)
	}
	if r.Failed() {
		_, _ = fmt.Fprintln(t)
	}
	for i, f := range r.Findings {
		if i == 50 {
			_, _ = fmt.Fprintf(t, "… %d more; --json shows them\n", len(r.Findings)-i)
			break
		}
		_, _ = fmt.Fprintf(t, "%s\t%s@%d\t%s\n", f.Check, f.Subject, f.Version, f.Detail)
	}
	return errors.Join(t.Flush(), verdict(r))
}

func verdict(r *audit.Report) error {
	if r.Failed() {
		return errDiffers
	}
	return nil
}
