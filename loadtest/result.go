package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// row is one line of a result: a figure with its spread.
type row struct {
	Name   string  `json:"name"`
	Unit   string  `json:"unit"`
	Median float64 `json:"median"`
	Low    float64 `json:"low"`
	High   float64 `json:"high"`
	N      int64   `json:"n"` // samples behind it
	// Goal is what the median is to reach, if there is one, and Met whether it does.
	Goal string `json:"goal,omitempty"`
	Met  *bool  `json:"met,omitempty"`

	guarantee bool // not a matter of speed: a run that breaks it fails
}

func (r row) atLeast(v float64) row { return r.want(fmt.Sprintf("≥ %g", v), r.Median >= v) }
func (r row) atMost(v float64) row  { return r.want(fmt.Sprintf("≤ %g", v), r.Median <= v) }
func (r row) below(v float64) row   { return r.want(fmt.Sprintf("< %g", v), r.Median < v) }

func (r row) exactly(v float64) row {
	r.guarantee = true
	return r.want(fmt.Sprintf("= %g", v), r.Low == v && r.High == v)
}

// broken is the error of a run in which a guarantee did not hold.
func broken(rows []row) error {
	var names []string
	for _, r := range rows {
		if r.guarantee && !*r.Met {
			names = append(names, fmt.Sprintf("%s: %g, want %s", r.Name, r.Median, r.Goal))
		}
	}
	if len(names) == 0 {
		return nil
	}
	return errors.New(strings.Join(names, "; "))
}

// want without a sample is not met: what was not measured proves nothing.
func (r row) want(goal string, met bool) row {
	met = met && r.N > 0
	r.Goal, r.Met = goal, &met
	return r
}

func (r row) verdict() string {
	switch {
	case r.Met == nil:
		return ""
	case *r.Met:
		return r.Goal + " met"
	default:
		return r.Goal + " NOT met"
	}
}

// result is what a run leaves behind.
type result struct {
	Scenario string    `json:"scenario"`
	Args     []string  `json:"args"`
	At       time.Time `json:"at"`
	Commit   string    `json:"commit"`
	Machine  machine   `json:"machine"`
	Rows     []row     `json:"rows"`
}

type machine struct {
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"`
	Memory string `json:"memory"`
	Kernel string `json:"kernel"`
	Go     string `json:"go"`
	// Load is the load average before and after: on a busy machine only ratios tell.
	Load [2]string `json:"load"`
}

func newResult(name string, args []string, loadBefore string, rows []row) result {
	return result{
		Scenario: name, Args: args, At: time.Now().UTC().Truncate(time.Second), Commit: commit(), Rows: rows,
		Machine: machine{
			CPU: field("/proc/cpuinfo", "model name"), Cores: runtime.NumCPU(), Memory: field("/proc/meminfo", "MemTotal"),
			Kernel: output("uname", "-r"), Go: runtime.Version(), Load: [2]string{loadBefore, loadAverage()},
		},
	}
}

// commit names the tree that was measured; a dirty one says so. Results written before are no change of what is measured.
func commit() string {
	c := output("git", "rev-parse", "--short=12", "HEAD")
	if output("git", "status", "--porcelain", "--untracked-files=no", "--", ":/", ":!/loadtest/results", ":!/docs") != "" {
		c += " with changes"
	}
	return c
}

// loadAverage is of the last 1, 5 and 15 minutes.
func loadAverage() string {
	b, err := os.ReadFile("/proc/loadavg")
	if f := strings.Fields(string(b)); err == nil && len(f) >= 3 {
		return strings.Join(f[:3], " ")
	}
	return "unknown"
}

func output(name string, args ...string) string {
	b, err := exec.Command(name, args...).Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(b))
}

// field is the first value of a key in a file of "key : value" lines.
func field(file, key string) string {
	f, err := os.Open(file)
	if err != nil {
		return "unknown"
	}
	defer func() { _ = f.Close() }()
	for s := bufio.NewScanner(f); s.Scan(); {
		if k, v, ok := strings.Cut(s.Text(), ":"); ok && strings.TrimSpace(k) == key {
			return strings.TrimSpace(v)
		}
	}
	return "unknown"
}

func (r result) print(w io.Writer) {
	_, _ = fmt.Fprintf(w, "%s · %s · %s, %d cores · load %s → %s · commit %s\n",
		r.Scenario, r.At.Format(time.RFC3339), r.Machine.CPU, r.Machine.Cores, r.Machine.Load[0], r.Machine.Load[1], r.Commit)
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(t, "figure\tmedian\tlow\thigh\tsamples\tgoal\t")
	for _, row := range r.Rows {
		_, _ = fmt.Fprintf(t, "%s (%s)\t%.2f\t%.2f\t%.2f\t%d\t%s\t\n", row.Name, row.Unit, row.Median, row.Low, row.High, row.N, row.verdict())
	}
	_ = t.Flush()
}

func (r result) save(file string) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(b, '\n'), 0o644)
}

// latency collects durations up to a minute at a resolution of 0.1 %.
func latency() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, int64(time.Minute/time.Microsecond), 3)
}

func record(h *hdrhistogram.Histogram, d time.Duration) {
	_ = h.RecordValue(max(1, min(d.Microseconds(), int64(time.Minute/time.Microsecond))))
}

// quantiles are the rows of one histogram, in milliseconds: low and high are
// the least and the greatest sample.
func quantiles(name string, h *hdrhistogram.Histogram, qs ...float64) []row {
	ms := func(us int64) float64 { return float64(us) / 1000 }
	rows := make([]row, 0, len(qs))
	for _, q := range qs {
		rows = append(rows, row{
			Name: fmt.Sprintf("%s p%g", name, q), Unit: "ms", Median: ms(h.ValueAtQuantile(q)),
			Low: ms(h.Min()), High: ms(h.Max()), N: h.TotalCount(),
		})
	}
	return rows
}
