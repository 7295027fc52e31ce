// Package process starts the parts of a program in order and stops them in reverse.
//
// A part that serves must be up before the part that calls it, and must outlive it on the way down. Run is that rule
// and nothing else: it knows neither signals (main's business) nor what the parts do.
package process

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// DrainBound is how long each part may take to drain once it was told to stop. A part that takes longer is left
// behind, and Run says so in its error.
const DrainBound = 10 * time.Second

// ErrEnded is the cause when a part's Run returned nil although nobody had asked it to stop.
var ErrEnded = errors.New("ended without being asked to")

// ErrNotDrained is the cause when a part was still running DrainBound after it was told to stop.
var ErrNotDrained = errors.New("not drained in time")

// Part is one long-running thing of a program.
type Part interface {
	// Name is for logs and errors.
	Name() string
	// Run blocks until ctx ends, then drains (stop intake, finish what is in flight, flush, close) and returns nil.
	// It returns an error when the part cannot go on.
	Run(ctx context.Context) error
	// Ready is closed once the part does its work; the next part starts then.
	Ready() <-chan struct{}
}

// Run starts the parts in order, each when the one before is ready, and blocks. When ctx ends, or any part ends by
// itself, it stops them in reverse, each drained before the next is told. It returns the first error, or nil after
// an orderly stop.
func Run(ctx context.Context, log *slog.Logger, parts ...Part) error {
	return run(ctx, log, DrainBound, parts...)
}

type running struct {
	part Part
	stop context.CancelFunc
	done chan struct{} // closed after err is set
	err  error
}

func run(ctx context.Context, log *slog.Logger, bound time.Duration, parts ...Part) error {
	ended := make(chan *running, len(parts)) // room for all: a part that ends never waits for us
	var up []*running
	var first error

	for _, part := range parts {
		r := start(ctx, part, ended)
		up = append(up, r)
		if first = awaitReady(ctx, log, r, ended); first != nil || ctx.Err() != nil {
			break
		}
		log.InfoContext(ctx, "part ready", "part", part.Name())
	}
	if first == nil && ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case r := <-ended:
			first = r.outcome(false)
		}
	}
	if first != nil {
		log.ErrorContext(ctx, "stopping because a part failed", "error", first)
	}
	for i := len(up) - 1; i >= 0; i-- {
		if err := stop(ctx, log, up[i], bound); err != nil && first == nil {
			first = err
		}
	}
	return first
}

// start runs the part under a context of its own: the caller's end must reach the parts one by one, in reverse.
func start(ctx context.Context, part Part, ended chan<- *running) *running {
	own, cancel := context.WithCancel(context.WithoutCancel(ctx))
	r := &running{part: part, stop: cancel, done: make(chan struct{})}
	go func() {
		r.err = part.Run(own)
		close(r.done)
		ended <- r
	}()
	return r
}

func awaitReady(ctx context.Context, log *slog.Logger, r *running, ended <-chan *running) error {
	slow := time.NewTicker(10 * time.Second)
	defer slow.Stop()
	for {
		select {
		case <-r.part.Ready():
			return nil
		case gone := <-ended: // this part, or one before it
			return gone.outcome(false)
		case <-ctx.Done():
			return nil
		case <-slow.C:
			log.WarnContext(ctx, "still waiting for a part to be ready", "part", r.part.Name())
		}
	}
}

func stop(ctx context.Context, log *slog.Logger, r *running, bound time.Duration) error {
	select {
	case <-r.done: // had ended already
		r.stop()
		return r.outcome(true)
	default:
	}
	began := time.Now()
	r.stop()
	timer := time.NewTimer(bound)
	defer timer.Stop()
	select {
	case <-r.done:
		log.InfoContext(ctx, "part stopped", "part", r.part.Name(), "took", time.Since(began))
		return r.outcome(true)
	case <-timer.C:
		log.ErrorContext(ctx, "part left behind", "part", r.part.Name(), "bound", bound)
		return fmt.Errorf("%s: %w (%s)", r.part.Name(), ErrNotDrained, bound)
	}
}

// outcome is what the part's end means: a nil return is right only when it was asked, and so is context.Canceled.
func (r *running) outcome(asked bool) error {
	switch {
	case asked && (r.err == nil || errors.Is(r.err, context.Canceled)):
		return nil
	case r.err == nil:
		return fmt.Errorf("%s: %w", r.part.Name(), ErrEnded)
	default:
		return fmt.Errorf("%s: %w", r.part.Name(), r.err)
	}
}
