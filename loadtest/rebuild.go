package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/turnout-events/turnout/internal/document"
	"github.com/turnout-events/turnout/projector"
)

// rebuilt measures `turnout rebuild facts`, the store with a document for every message, beside a live index that holds
// the same: replay, comparison document by document, and swap, against reading the topic and writing the documents by
// hand.
func rebuilt(ctx context.Context, o options) (rows []row, err error) {
	w, err := newWorld(ctx, o)
	if err != nil {
		return nil, err
	}
	defer func() { err = closeAfter(ctx, w, err) }()
	p, err := newProjections(ctx, w, false)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	size, err := p.generator.publish(w, o.messages)
	if err != nil {
		return nil, err
	}
	fmt.Printf("%d messages, %d MB, made in %s\n", o.messages, size>>20, time.Since(began).Round(time.Second))
	c, err := p.captureReplay(ctx)
	if err != nil {
		return nil, err
	}
	n, consumed, err := w.consumeRaw(ctx, "registrations")
	if err != nil {
		return nil, err
	}
	written, err := c.write(ctx, w.elastic, 2) // into the live index: there is something to compare with
	if err != nil {
		return nil, err
	}
	if err := p.redis.Del(ctx, p.redis.Key(document.KeyRebuild, document.Facts)).Err(); err != nil { // the capture's progress
		return nil, err
	}
	filled, took, memory, err := p.rebuild(ctx, n)
	if err != nil {
		return nil, err
	}
	one := func(name, unit string, v float64) row {
		return row{Name: name, Unit: unit, Median: v, Low: v, High: v, N: n}
	}
	raw := consumed + written
	rows = []row{
		one("messages in the log", "messages", float64(n)),
		one("read by hand", "s", consumed.Seconds()), one("documents written by hand", "s", written.Seconds()),
		one("rebuild until the new index has everything", "s", filled.Seconds()),
		one("rebuild, comparison document by document and swap included", "s", took.Seconds()),
		one("until the new index has everything / (read + write by hand)", "×", filled.Seconds()/raw.Seconds()),
		one("rebuild / (read + write by hand)", "×", took.Seconds()/raw.Seconds()).atMost(2),
	}
	for i, mb := range memory[:4] {
		rows = append(rows, one(fmt.Sprintf("resident memory of the rebuild at %d %%", 25*(i+1)), "MB", mb))
	}
	rows = append(rows, one("resident memory of the rebuild at its most, comparison included", "MB", memory[4]))
	if memory[0] > 0 {
		rows = append(rows, one("memory at its most / at 25 %", "×", memory[4]/memory[0]).atMost(1.25))
	}
	return rows, nil
}

// captureReplay keeps the documents that the rebuild will write.
func (p *projections) captureReplay(ctx context.Context) (*captured, error) {
	c, err := capture(ctx, p.dir)
	if err != nil {
		return nil, err
	}
	client, err := p.client8(ctx, c.url)
	if err != nil {
		return nil, err
	}
	r := projector.Rebuilder{Config: projector.Config{MaxBatch: 500}, Deps: projector.Deps{
		Log: p.log, Kafka: p.kafkaConfig(), Elastic: client, Redis: p.redis, Keys: p.generator}}
	return c, errors.Join(r.Replay(ctx, document.Facts, document.Facts), client.Close(ctx), c.stop(ctx))
}

// rebuild runs the tool as an operator does, and looks at its memory when a quarter, a half, three quarters and all of
// the messages are done, and at its most.
func (p *projections) rebuild(ctx context.Context, total int64) (filled, took time.Duration, memory [5]float64, err error) {
	cmd := exec.CommandContext(ctx, p.binary, "rebuild", document.Facts, "--json")
	cmd.Env = append(os.Environ(), p.environ()...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		return 0, 0, memory, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	deps := projector.Deps{Redis: p.redis}
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for running := true; running; {
		select {
		case err = <-ended:
			running = false
		case <-tick.C:
			done := p.progress(ctx, deps)
			now := residentMB(cmd.Process.Pid)
			for i := range 4 {
				if memory[i] == 0 && 4*done >= int64(i+1)*total {
					memory[i] = now
				}
			}
			memory[4] = max(memory[4], now)
		}
	}
	if err != nil {
		return 0, 0, memory, fmt.Errorf("turnout rebuild: %w: %s", err, tailOf(stderr.Bytes()))
	}
	var report struct {
		Store    string               `json:"store"`
		Filled   time.Duration        `json:"filled"`
		Took     time.Duration        `json:"took"`
		Messages int64                `json:"messages"`
		Compared projector.Comparison `json:"compared"`
	}
	if err := json.NewDecoder(&stdout).Decode(&report); err != nil { // the first; that of the outcomes follows
		return 0, 0, memory, err
	}
	if report.Messages != total || report.Compared.Same != total {
		return 0, 0, memory, fmt.Errorf("of %d messages: %+v", total, report)
	}
	return report.Filled, report.Took, memory, nil
}

func (p *projections) progress(ctx context.Context, deps projector.Deps) int64 {
	all, err := deps.Rebuilds(ctx)
	if err != nil {
		return 0
	}
	for _, r := range all {
		if r.Store == document.Facts {
			return r.Done
		}
	}
	return 0
}

// residentMB is what a process holds in memory; 0 when it is gone.
func residentMB(pid int) float64 {
	f := strings.Fields(field("/proc/"+strconv.Itoa(pid)+"/status", "VmRSS"))
	if len(f) == 0 {
		return 0
	}
	kb, _ := strconv.ParseFloat(f[0], 64)
	return kb / 1024
}
