package main

import (
	"context"
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
	conns := o.conns[len(o.conns)/2]
	file := filepath.Join(o.profiles, "command.pprof")
	failed := make(chan error, 1)
	go func() { failed <- a.fetchProfile(ctx, file, o.duration) }()
	l := closed(o, conns, a.rsvp(events[0]))
	l.For += warm // the profile's request comes a moment after the load's
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

func (a *arms) fetchProfile(ctx context.Context, file string, d time.Duration) error {
	select { // the load's counters take a second before it starts
	case <-time.After(1100*time.Millisecond + warm):
	case <-ctx.Done():
		return ctx.Err()
	}
	url := fmt.Sprintf("%s/v1/ops/profile?seconds=%d", a.env["TURNOUT_COMMAND_OPS_URL"], max(1, int(d.Seconds())))
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
