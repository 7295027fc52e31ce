package process

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"
)

// diary notes what happens, in order.
type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) note(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, fmt.Sprintf(format, args...))
}

// part is a scripted Part.
type part struct {
	name  string
	diary *diary
	ready chan struct{}
	late  <-chan struct{} // ready only after this, if set
	fail  <-chan error    // ends Run, if set
	drain <-chan struct{} // Run returns only after this, if set
}

func (p *part) Name() string           { return p.name }
func (p *part) Ready() <-chan struct{} { return p.ready }

func (p *part) Run(ctx context.Context) error {
	p.diary.note("start %s", p.name)
	if p.late != nil {
		select {
		case <-p.late:
		case <-ctx.Done():
			p.diary.note("stop %s", p.name)
			return ctx.Err()
		}
	}
	close(p.ready)
	select {
	case err := <-p.fail:
		p.diary.note("fail %s", p.name)
		return err
	case <-ctx.Done():
	}
	if p.drain != nil {
		<-p.drain
	}
	p.diary.note("stop %s", p.name)
	return nil
}

func newPart(d *diary, name string) *part {
	return &part{name: name, diary: d, ready: make(chan struct{})}
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func (d *diary) want(t *testing.T, lines ...string) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	if !slices.Equal(d.lines, lines) {
		t.Errorf("got  %q\nwant %q", d.lines, lines)
	}
}

func TestPartsStartInOrderAndStopInReverse(t *testing.T) {
	t.Parallel()
	d := &diary{}
	a, b, c := newPart(d, "a"), newPart(d, "b"), newPart(d, "c")
	late := make(chan struct{})
	a.late = late // b must not start before
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- Run(ctx, quiet(), a, b, c) }()
	d.note("a may be ready")
	close(late)
	<-c.ready
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	d.mu.Lock()
	d.lines = slices.DeleteFunc(d.lines, func(s string) bool { return s == "a may be ready" }) // races with "start a"
	d.mu.Unlock()
	d.want(t, "start a", "start b", "start c", "stop c", "stop b", "stop a")
}

func TestOneFailureStopsTheRestInReverse(t *testing.T) {
	t.Parallel()
	d := &diary{}
	a, b, c := newPart(d, "a"), newPart(d, "b"), newPart(d, "c")
	fail := make(chan error, 1)
	b.fail = fail
	broken := errors.New("broken")
	go func() { <-c.ready; fail <- broken }()
	if err := Run(t.Context(), quiet(), a, b, c); !errors.Is(err, broken) || err.Error() != "b: broken" {
		t.Errorf("got %v", err)
	}
	d.want(t, "start a", "start b", "start c", "fail b", "stop c", "stop a")
}

func TestFailureBeforeReadyStartsNoMore(t *testing.T) {
	t.Parallel()
	d := &diary{}
	a, b, c := newPart(d, "a"), newPart(d, "b"), newPart(d, "c")
	fail := make(chan error, 1)
	a.fail = fail // fails while b is awaited
	b.late = make(chan struct{})
	go func() { <-a.ready; fail <- errors.New("broken") }()
	if err := Run(t.Context(), quiet(), a, b, c); err == nil || err.Error() != "a: broken" {
		t.Errorf("got %v", err)
	}
	for _, line := range d.lines {
		if line == "start c" {
			t.Error("c was started")
		}
	}
}

func TestPartThatEndsUnaskedIsAnError(t *testing.T) {
	t.Parallel()
	d := &diary{}
	a, b := newPart(d, "a"), newPart(d, "b")
	fail := make(chan error, 1)
	fail <- nil
	b.fail = fail
	if err := Run(t.Context(), quiet(), a, b); !errors.Is(err, ErrEnded) {
		t.Errorf("got %v", err)
	}
	d.want(t, "start a", "start b", "fail b", "stop a")
}

func TestEndDuringStartStopsWhatIsUp(t *testing.T) {
	t.Parallel()
	d := &diary{}
	a, b, c := newPart(d, "a"), newPart(d, "b"), newPart(d, "c")
	b.late = make(chan struct{}) // never ready: an engine that is away
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-a.ready; cancel() }()
	if err := Run(ctx, quiet(), a, b, c); err != nil {
		t.Errorf("got %v", err)
	}
	if last := d.lines[len(d.lines)-1]; last != "stop a" {
		t.Errorf("last: %s of %q", last, d.lines)
	}
}

func TestPartThatDoesNotDrainIsLeftBehind(t *testing.T) {
	t.Parallel()
	d := &diary{}
	a, b := newPart(d, "a"), newPart(d, "b")
	never := make(chan struct{})
	b.drain = never
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-b.ready; cancel() }()
	if err := run(ctx, quiet(), time.Second, a, b); !errors.Is(err, ErrNotDrained) {
		t.Errorf("got %v", err)
	}
	d.want(t, "start a", "start b", "stop a") // the others drain all the same
	close(never)
}
