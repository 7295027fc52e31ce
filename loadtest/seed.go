package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
)

// seed loads the demo events with their guests through the public API, as
// `turnout seed` does for anybody, and keeps its summary.
func seed(ctx context.Context, o options) ([]row, error) {
	if o.turnout == "" {
		return nil, errors.New("-turnout names the binary that loads")
	}
	cmd := exec.CommandContext(ctx, o.turnout, "seed", "--demo", "--answers", "counts", "--state", "none",
		"--email", "measure@example.org", "--url", o.url, "--json") // an organizer of its own, beside the demo's
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("turnout seed: %w", err)
	}
	var s struct {
		Answers struct {
			Done    int64          `json:"done"`
			Refused map[string]int `json:"refused"`
		} `json:"answers"`
		PerSecond float64 `json:"answers_per_second"`
		Latency   struct {
			P50 float64 `json:"p50"`
			P99 float64 `json:"p99"`
			Max float64 `json:"max"`
		} `json:"answer_latency_ms"`
	}
	if err := json.Unmarshal(out, &s); err != nil {
		return nil, fmt.Errorf("summary of turnout seed: %w", err)
	}
	refused := 0
	for _, n := range s.Answers.Refused {
		refused += n
	}
	n := s.Answers.Done
	return []row{
		{Name: "answers through the API", Unit: "1/s", Median: s.PerSecond, Low: s.PerSecond, High: s.PerSecond, N: n},
		{Name: "refused", Unit: "answers", Median: float64(refused), Low: float64(refused), High: float64(refused), N: n},
		{Name: "one answer, p50", Unit: "ms", Median: s.Latency.P50, High: s.Latency.Max, N: n},
		{Name: "one answer, p99", Unit: "ms", Median: s.Latency.P99, High: s.Latency.Max, N: n},
	}, nil
}
