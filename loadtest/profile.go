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
)

// profile tells where the command role's CPU goes while one event is hot; docs/performance.md explains the entries.
func profile(ctx context.Context, o options) (rows []row, err error) {
	a, err := newArms(ctx, o)
	if err != nil {
		return nil, err
	}
	defer func() { err = closeAfter(ctx, a.world, err) }()
	events, err := a.events(ctx, 1, nil, "")
	if err != nil {
		return nil, err
	}
	conns := o.middle()
	file := filepath.Join(o.profiles, "command.pprof")
	failed := make(chan error, 1)
	go func() {
		cpu := fmt.Sprintf("seconds=%d", max(1, int(o.duration.Seconds())))
		failed <- errors.Join(a.fetchProfile(ctx, file, cpu), a.fetchProfile(ctx, filepath.Join(o.profiles, "command.allocs.pprof"), "kind=allocs"))
	}()

	l := closed(o, conns, a.rsvp(events[0]))
	l.For += 2 * time.Second // the load begins a second after the profile
	t := &tally{odd: map[int]int64{}}
	b, err := a.loadTurnout(ctx, a.turnout, l)
	if err != nil {
		return nil, err
	}
	t.add(b)
	if err := <-failed; err != nil {
		return nil, err
	}
	out, err := exec.CommandContext(ctx, "go", "tool", "pprof", "-top", "-nodecount=40", a.binary, file).CombinedOutput()
	fmt.Printf("%s\nprofile: go tool pprof -http=: %s\n\n", out, file)
	if err != nil {
		return nil, err
	}
	for _, r := range t.rows(a, conns) {
		if r.N > 0 {
			rows = append(rows, r)
		}
	}
	more, err := a.verify(ctx, options{stores: "none"})
	return append(rows, more...), err
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
