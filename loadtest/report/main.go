// Command report writes docs/measurements.md from the results that are kept in
// loadtest/results, so that no number there was typed by hand, and draws beside
// it those that were taken at several sizes.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"
)

// result is what loadtest and deploy/local/measure.sh keep.
type result struct {
	Scenario string    `json:"scenario"`
	Args     []string  `json:"args"`
	At       time.Time `json:"at"`
	Commit   string    `json:"commit"`
	Machine  struct {
		CPU    string `json:"cpu"`
		Cores  int    `json:"cores"`
		Memory string `json:"memory"`
		Kernel string `json:"kernel"`
		Go     string `json:"go"`
	} `json:"machine"`
	Rows []struct {
		Name   string  `json:"name"`
		Unit   string  `json:"unit"`
		Median float64 `json:"median"`
		Low    float64 `json:"low"`
		High   float64 `json:"high"`
		N      int64   `json:"n"`
		Goal   string  `json:"goal"`
		Met    *bool   `json:"met"`
	} `json:"rows"`
	Load string `json:"load"` // of the machine meanwhile, one minute's average; results of the shell have it
}

// about says what each scenario does and which command repeats it.
var about = map[string]struct{ order, title, command, text string }{
	"start":      {"1", "Starting, and memory", "make measure", "A copy of the committed tree, with data and ports of its own: `make up`, `make down`, `make up`."},
	"seed":       {"2", "Loading through the API", "make measure", "`turnout seed --demo --answers counts`: events and answers by the public API, 64 workers."},
	"flow":       {"3", "One answer at a steady rate", "make measure", "An open loop over 20 events; every tenth answer is followed, with `Turnout-Min-Version`, until the seats and the event's page show it."},
	"hot":        {"41", "A hot event", "make bench SCENARIO=hot", "What each row is, and why the goals against the textbook and the no-op are what they are here: [performance](performance.md)."},
	"disk":       {"42", "A hot event on a slower disk", "make bench SCENARIO=disk", "The same with Postgres waiting longer for each flush of its log, by `commit_delay`, for both arms."},
	"spread":     {"43", "A thousand events", "make bench SCENARIO=spread", "The load of the hot event, on one event and over 1,000."},
	"latency":    {"44", "Answers at the peak's rate", "make bench SCENARIO=latency", "An open loop of 500/s on one event; and one request at a time."},
	"refuse":     {"45", "Refusals", "make bench SCENARIO=refuse", "A full event without a waitlist, and one that takes everybody."},
	"read":       {"46", "Reads", "make bench SCENARIO=read", "Seats, searches and suggestions, each against what it stands on."},
	"streams":    {"47", "Live seats", "make bench SCENARIO=streams", "5,000 viewers of one event on one query process."},
	"relay":      {"5", "The relay", "make bench SCENARIO=relay", "Committed rows to Kafka with every replica's acknowledgement, in process: the relay, Watermill's stock forwarder, and reading and sending by hand."},
	"visible":    {"6", "How soon others see it", "make bench SCENARIO=visible", "From the 201 of an RSVP to a stream of seats and to a search, at 200/s over 20 events; and Kafka alone at the same rate."},
	"projection": {"7", "Projectors", "make bench SCENARIO=projection", "240,000 messages from Kafka into an empty index, against the same `_bulk` bodies sent by hand."},
	"rebuild":    {"8", "Rebuilding a store", "make bench SCENARIO=rebuild", "`turnout rebuild facts`, which has a document for every message, beside a live index with the same content."},
	"reminders":  {"85", "Reminders", "make bench SCENARIO=reminders", "50,000 due at one moment, against a bare go-mail loop with as many connections to the same server."},
	"lateness":   {"86", "Lateness", "make bench SCENARIO=lateness", "Reminders that come due evenly, at half of what the notifier manages."},
	"tick":       {"87", "A tick", "make bench SCENARIO=tick", "Looking for due mail beside a million planned, and beside ten thousand."},
	"growth":     {"90", "As work grows", "make bench SCENARIO=growth", "The same with ever more RSVPs in every store; 1,000 to each event. A level line does not depend on their number."},
}

func main() {
	in := flag.String("in", "loadtest/results", "folder with the results")
	out := flag.String("out", "docs/measurements.md", "the page to write")
	flag.Parse()
	if err := write(*in, *out); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
}

func write(in, out string) error {
	files, err := filepath.Glob(filepath.Join(in, "*.json"))
	if err != nil {
		return err
	}
	var results []result
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		var r result
		if err := json.Unmarshal(b, &r); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		results = append(results, r)
	}
	sort.Slice(results, func(i, j int) bool { return key(results[i]) < key(results[j]) })
	var page strings.Builder
	page.WriteString(head)
	for _, r := range results {
		section(&page, r)
		files, err := draw(r, filepath.Dir(out))
		if err != nil {
			return err
		}
		for _, file := range files {
			fmt.Fprintf(&page, "\n![%s](%s)\n", r.Scenario, file)
		}
	}
	return os.WriteFile(out, []byte(page.String()), 0o644)
}

func key(r result) string {
	if a, known := about[r.Scenario]; known {
		return a.order
	}
	return "9" + r.Scenario
}

const head = `# Measurements

Written by ` + "`go run ./loadtest/report`" + ` from ` + "`loadtest/results`" + `; each section names the command that repeats it. The machines are
shared: a figure says what one run saw, a ratio to a baseline in the same run says more.
`

func section(w *strings.Builder, r result) {
	a, known := about[r.Scenario]
	if !known {
		a.title, a.command = "Scenario "+r.Scenario, "make bench SCENARIO="+r.Scenario
	}
	fmt.Fprintf(w, "\n## %s\n\n", a.title)
	if a.text != "" {
		fmt.Fprintf(w, "%s\n\n", a.text)
	}
	fmt.Fprintf(w, "`%s` · commit %s · %s, %d cores, %s · Linux %s", a.command, r.Commit, r.Machine.CPU, r.Machine.Cores, r.Machine.Memory, r.Machine.Kernel)
	if r.Load != "" {
		fmt.Fprintf(w, " · load average %s", r.Load)
	}
	fmt.Fprintf(w, " · %s\n\n| figure | median | low | high | samples | goal |\n|---|---:|---:|---:|---:|---|\n", r.At.Format(time.DateOnly))
	for _, row := range r.Rows {
		goal := row.Goal
		if row.Met != nil {
			goal += map[bool]string{true: " met", false: " **not met**"}[*row.Met]
		}
		fmt.Fprintf(w, "| %s (%s) | %s | %s | %s | %d | %s |\n", row.Name, row.Unit, number(row.Median), number(row.Low), number(row.High), row.N, goal)
	}
}

// number has three figures that matter.
func number(v float64) string {
	switch {
	case v >= 100 || v == float64(int64(v)):
		return fmt.Sprintf("%.0f", v)
	case v >= 1:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.3f", v)
	}
}
