package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/turnout-events/turnout/loadtest/wire"
)

// profile tells where the command role's CPU goes, while one event is hot and while a full one refuses;
// docs/performance.md explains the entries.
func profile(ctx context.Context, o options) (rows []row, err error) {
	a, err := newArms(ctx, o)
	if err != nil {
		return nil, err
	}
	defer func() { err = closeAfter(ctx, a.world, err) }()
	capacity := 100
	open, err := a.events(ctx, 1, nil, "")
	if err != nil {
		return nil, err
	}
	full, err := a.events(ctx, 1, &capacity, "none")
	if err != nil {
		return nil, err
	}
	t := a.rsvp(full[0])
	fill := wire.Load{Conns: 16, Requests: 2 * int64(capacity), For: time.Minute, Template: func(int64) *wire.Template { return t }}
	if _, err := a.loadTurnout(ctx, a.turnout, fill); err != nil {
		return nil, err
	}
	for _, p := range []struct {
		name   string
		event  string
		status int
	}{{"hot", open[0], http.StatusCreated}, {"refuse", full[0], http.StatusConflict}} {
		b, err := a.profileOne(ctx, o, p.name, p.event)
		if err != nil {
			return nil, err
		}
		for name, v := range map[string]float64{
			"command role": us(b.server, b.Sent), "Postgres": us(b.postgres, b.Sent), "generator": us(b.self, b.Sent),
		} {
			rows = append(rows, series{v}.row(fmt.Sprintf("%s: CPU of the %s per request", p.name, name), "µs"))
		}
		rows = append(rows, series{b.PerSecond(p.status)}.row(p.name+": while profiled", "answers/s"))
	}
	more, err := a.verify(ctx, options{stores: "none"})
	return append(rows, more...), err
}

func (a *arms) profileOne(ctx context.Context, o options, name, event string) (block, error) {
	file := filepath.Join(o.profiles, name+".pprof")
	failed := make(chan error, 1)
	go func() {
		cpu := fmt.Sprintf("seconds=%d", max(1, int(o.duration.Seconds())))
		failed <- errors.Join(a.fetchProfile(ctx, file, cpu), a.fetchProfile(ctx, filepath.Join(o.profiles, name+".allocs.pprof"), "kind=allocs"))
	}()
	l := closed(o, o.middle(), a.rsvp(event))
	l.For += 2 * time.Second // the load begins a second after the profile
	b, err := a.loadTurnout(ctx, a.turnout, l)
	if err != nil {
		return b, err
	}
	if err := <-failed; err != nil {
		return b, err
	}
	out, err := exec.CommandContext(ctx, "go", "tool", "pprof", "-top", "-cum", "-nodecount=60", a.binary, file).CombinedOutput()
	fmt.Printf("%s: %s\ngo tool pprof -http=: %s\n\n", name, out, file)
	return b, err
}

func (a *arms) fetchProfile(ctx context.Context, file, query string) error {
	url := a.env["TURNOUT_COMMAND_OPS_URL"] + "/v1/ops/profile?" + query
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+a.env["TURNOUT_OPS_TOKEN"])
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	b, err := readAll(res)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("profile: %s: %s", res.Status, b)
	}
	if err != nil {
		return err
	}
	return os.WriteFile(file, b, 0o600)
}
