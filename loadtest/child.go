package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// child is a process of the load: a role of Turnout or a baseline.
type child struct {
	name string
	addr string // where it takes requests
	cmd  *exec.Cmd
	log  string
	done chan error
}

// start runs a program until stop. ready is a URL that answers 200, or host:port that accepts, once it is up.
func start(ctx context.Context, dir, name, addr, ready string, env []string, program string, args ...string) (*child, error) {
	c := &child{name: name, addr: addr, log: filepath.Join(dir, name+".log"), done: make(chan error, 1)}
	log, err := os.OpenFile(c.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	// Not CommandContext: an interrupted load stops its children in order, by stop.
	c.cmd = exec.Command(program, args...) //nolint:noctx // see above
	c.cmd.Env, c.cmd.Stdout, c.cmd.Stderr = append(os.Environ(), env...), log, log
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a terminal's Ctrl-C is for the load, which then stops it
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { c.done <- c.cmd.Wait() }()
	if err := c.await(ctx, ready); err != nil {
		return nil, errors.Join(fmt.Errorf("%s does not come up: %w; its log ends with: %s", name, err, tail(c.log)), c.stop())
	}
	return c, nil
}

func (c *child) await(ctx context.Context, ready string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for {
		err := answers(ctx, ready)
		if err == nil {
			return nil
		}
		select {
		case ended := <-c.done:
			c.done <- ended
			return fmt.Errorf("it ended: %w", ended)
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func answers(ctx context.Context, ready string) error {
	if !strings.HasPrefix(ready, "http") {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", ready)
		if err == nil {
			_ = conn.Close()
		}
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, ready, nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	b, err := readAll(res)
	if res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", res.Status, b)
	}
	return err
}

// stop asks the process to drain, and ends it after 30 s. It may be called twice.
func (c *child) stop() error {
	if c == nil {
		return nil
	}
	_ = c.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-c.done:
		c.done <- err
		return err
	case <-time.After(30 * time.Second):
		_ = c.cmd.Process.Kill()
		err := <-c.done
		c.done <- err
		return fmt.Errorf("%s had to be killed: %w", c.name, err)
	}
}

func (c *child) cpu() time.Duration { return cpuOf(strconv.Itoa(c.cmd.Process.Pid)) }

// tick is the kernel's USER_HZ, 100 on every Linux that Go runs on.
const tick = time.Second / 100

// cpuOf is what a process has used, user and system; 0 where there is no /proc.
func cpuOf(pid string) time.Duration {
	b, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(b), ") ") // the name may hold spaces
	f := strings.Fields(rest)
	if len(f) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	return time.Duration(user+system) * tick
}

// backendCPU is what Postgres has used for a database: its connections are processes that carry its name in their title.
func backendCPU(database string) time.Duration {
	var sum time.Duration
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		title, err := os.ReadFile(filepath.Join(dir, "cmdline"))
		if err == nil && strings.HasPrefix(string(title), "postgres:") && strings.Contains(string(title), " "+database+" ") {
			sum += cpuOf(filepath.Base(dir))
		}
	}
	return sum
}

func tail(path string) string {
	b, _ := os.ReadFile(path)
	return string(b[max(0, len(b)-2000):])
}

// freePorts asks the kernel for addresses that nobody has. Another process could be quicker than ours to take one; the
// role then says so by name.
func freePorts(ctx context.Context, n int) ([]string, error) {
	addrs := make([]string, n)
	for i := range addrs {
		var lc net.ListenConfig
		l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer func() { _ = l.Close() }()
		addrs[i] = l.Addr().String()
	}
	return addrs, nil
}
