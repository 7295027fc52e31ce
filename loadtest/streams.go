package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	streamViewers = 5000
	streamAnswers = 200
	dialers       = 64
)

// streams opens 5,000 streams of one event's seats on one query process, lets guests answer, and ends the process: what
// it grows by, what it asks of Redis, whether every viewer comes to the last state without a step back, and whether
// every stream is closed.
func streams(ctx context.Context, o options) (rows []row, err error) {
	if err := enoughFiles(streamViewers + 1000); err != nil {
		return nil, err
	}
	w, err := newWorld(ctx, o)
	if err != nil {
		return nil, err
	}
	defer func() { err = closeAfter(ctx, w, err) }()
	r := &readers{world: w, count: 1}
	if err := r.start(ctx); err != nil {
		return nil, err
	}
	before, err := residentKB(r.query)
	if err != nil {
		return nil, err
	}
	v := &audience{all: make([]*spectator, streamViewers)}
	defer v.close()
	if err := v.open(ctx, r.query.addr, r.event); err != nil {
		return nil, err
	}
	idle, err := residentKB(r.query)
	if err != nil {
		return nil, err
	}
	subscribed, err := r.subscriptions(ctx)
	if err != nil {
		return nil, err
	}
	last, err := r.answers(ctx)
	if err != nil {
		return nil, err
	}
	shown, err := v.await(ctx, last)
	if err != nil {
		return nil, err
	}
	busy, err := residentKB(r.query)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	if err := r.query.stop(); err != nil {
		return nil, fmt.Errorf("the query role did not end well with its viewers: %w", err)
	}
	ended := time.Since(began)
	clean := v.ended()
	mb := func(kb int64) float64 { return float64(kb-before) / 1024 }
	one := func(f float64) series { return series{f} }
	return []row{
		one(streamViewers).row("open streams", "1"),
		one(mb(idle)).row("the server grew by, all open", "MB").below(300),
		one(mb(busy)).row("the server grew by, after "+strconv.Itoa(streamAnswers)+" answers shown to all", "MB").below(300),
		one(float64(subscribed)).row("Redis subscriptions of all viewers together", "1").exactly(1),
		one(ms(shown)).row("last answer acknowledged to shown to the last viewer", "ms"),
		one(float64(v.steps())).row("steps back in what viewers saw", "1").exactly(0),
		one(float64(v.received())/streamViewers).row("states that a viewer got of "+strconv.Itoa(streamAnswers)+" (the slow skip forward)", "1"),
		one(float64(clean)).row("streams closed in order when the process was told to end", "1").exactly(streamViewers),
		one(ms(ended)).row("told to end until ended", "ms"),
	}, nil
}

// enoughFiles raises this process's own limit as far as it may; its children inherit it.
func enoughFiles(want uint64) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	limit.Cur = limit.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	if limit.Max < want {
		return fmt.Errorf("%d open files are allowed, %d are needed: ulimit -n %d", limit.Max, want, want)
	}
	return nil
}

// residentKB is what a process holds in memory, after a moment in which it may give some back.
func residentKB(c *child) (int64, error) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(c.cmd.Process.Pid) + "/status")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			return strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
		}
	}
	return 0, errors.New("no VmRSS in /proc")
}

// subscriptions asks Redis how many connections listen for seats.
func (r *readers) subscriptions(ctx context.Context) (int64, error) {
	o, err := redis.ParseURL(r.redis)
	if err != nil {
		return 0, err
	}
	client := redis.NewClient(o)
	defer func() { _ = client.Close() }()
	channel := r.namespace + ":avail"
	n, err := client.PubSubNumSub(ctx, channel).Result()
	return n[channel], err
}

// answers is a burst of guests; the last version comes back.
func (r *readers) answers(ctx context.Context) (int64, error) {
	var mu sync.Mutex
	var last int64
	err := each(ctx, streamAnswers, 4, func(ctx context.Context, i int) error {
		told, err := r.client.answer(ctx, r.event, i)
		if err != nil {
			return err
		}
		_, version, _ := strings.Cut(told, "@")
		v, err := strconv.ParseInt(version, 10, 64)
		mu.Lock()
		defer mu.Unlock()
		last = max(last, v)
		return err
	})
	return last, err
}

// spectator is one open stream, as it was read so far.
type spectator struct {
	conn net.Conn
	done chan struct{}

	mu       sync.Mutex
	version  int64
	states   int64
	back     int64
	complete bool // the server ended the answer, and did not only drop the line
}

type audience struct{ all []*spectator }

func (a *audience) open(ctx context.Context, addr, event string) error {
	return each(ctx, len(a.all), dialers, func(ctx context.Context, i int) error {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
		if err != nil {
			return fmt.Errorf("viewer %d: %w", i, err)
		}
		s := &spectator{conn: conn, done: make(chan struct{})}
		a.all[i] = s
		if _, err := fmt.Fprintf(conn, "GET /v1/events/%s/availability/stream HTTP/1.1\r\nHost: localhost\r\n\r\n", event); err != nil {
			return fmt.Errorf("viewer %d: %w", i, err)
		}
		in := bufio.NewReaderSize(conn, 512)
		res, err := http.ReadResponse(in, nil) // watch reads and closes it
		if err != nil {
			return fmt.Errorf("viewer %d: %w", i, err)
		}
		if res.StatusCode != http.StatusOK {
			return fmt.Errorf("viewer %d: %s", i, res.Status)
		}
		first := make(chan struct{})
		go s.watch(res, first)
		select {
		case <-first:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
}

// watch reads until the end; first is closed at the first state.
func (s *spectator) watch(res *http.Response, first chan struct{}) {
	defer close(s.done)
	defer func() { _ = res.Body.Close() }()
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(make([]byte, 0, 512), 4096)
	for lines.Scan() {
		id, ok := strings.CutPrefix(lines.Text(), "id: ")
		if !ok {
			continue
		}
		v, _ := strconv.ParseInt(id, 10, 64)
		s.mu.Lock()
		if v <= s.version {
			s.back++
		}
		s.version = v
		if s.states++; s.states == 1 {
			close(first)
		}
		s.mu.Unlock()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.complete = lines.Err() == nil
}

// await waits until everybody has seen a version.
func (a *audience) await(ctx context.Context, version int64) (time.Duration, error) {
	began := time.Now()
	for {
		behind := 0
		for _, s := range a.all {
			s.mu.Lock()
			if s.version < version {
				behind++
			}
			s.mu.Unlock()
		}
		if behind == 0 {
			return time.Since(began), nil
		}
		if time.Since(began) > time.Minute {
			return 0, fmt.Errorf("%d of %d viewers have not seen version %d", behind, len(a.all), version)
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// ended counts the streams that the server has closed as HTTP does it.
func (a *audience) ended() (n int) {
	patience := time.After(10 * time.Second)
	for _, s := range a.all {
		select {
		case <-s.done:
		case <-patience:
			return n
		}
		if s.complete {
			n++
		}
	}
	return n
}

func (a *audience) steps() (n int64) {
	for _, s := range a.all {
		n += s.back
	}
	return n
}

// received leaves out the state that was there at first.
func (a *audience) received() (n int64) {
	for _, s := range a.all {
		n += s.states - 1
	}
	return n
}

func (a *audience) close() {
	for _, s := range a.all {
		if s != nil {
			_ = s.conn.Close()
		}
	}
}
