package wire

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Load is what a server gets.
type Load struct {
	Addr  string
	Conns int
	// Template of request n. Numbers start at First and never repeat within a load.
	Template func(n int64) *Template
	First    int64
	// Rate is requests a second, whatever the server does (an open loop: each is timed from when it was due). 0 is a
	// closed loop: every connection sends as soon as it has its answer.
	Rate int
	// Warm is left out of the figures; For is what is measured after it.
	Warm, For time.Duration
	// Ordinary sends with net/http instead of this package's own connections.
	Ordinary bool
	// Requests ends the load early after that many; 0 is no bound.
	Requests int64
	// Answer is told every answer, also those outside of For, by one goroutine per worker; the body is valid until it
	// returns.
	Answer func(worker int, n int64, status int, body []byte)
}

// Figures of a load.
type Figures struct {
	Statuses map[int]int64 // answers within For
	Took     []time.Duration
	For      time.Duration // that was measured
	Sent     int64         // requests, warm-up included
	Failed   int64         // without an answer
	Failure  error         // the first
}

// PerSecond is answers of a status per second.
func (f *Figures) PerSecond(status int) float64 {
	return float64(f.Statuses[status]) / f.For.Seconds()
}

// Quantile of the time of all answers; 0 when there is none. Took is sorted.
func (f *Figures) Quantile(q float64) time.Duration {
	if len(f.Took) == 0 {
		return 0
	}
	return f.Took[min(int(q*float64(len(f.Took))), len(f.Took)-1)]
}

// sender has one connection and one request under way at a time.
type sender interface {
	do(request []byte) (status int, body []byte, err error)
	close()
}

// worker is one connection's share.
type worker struct {
	id       int
	conn     sender
	statuses map[int]int64
	took     []time.Duration
	sent     int64
	failure  error
	buf      []byte
}

// Run loads the server and waits for every answer.
func Run(ctx context.Context, l Load) (*Figures, error) {
	whole := l.Warm + l.For
	workers := make([]*worker, l.Conns)
	defer func() {
		for _, w := range workers {
			if w != nil {
				w.conn.close()
			}
		}
	}()
	for i := range workers {
		c, err := connect(ctx, l, whole+time.Minute)
		if err != nil {
			return nil, fmt.Errorf("connection %d to %s: %w", i, l.Addr, err)
		}
		workers[i] = &worker{id: i, conn: c, statuses: map[int]int64{}}
	}
	var next atomic.Int64
	next.Store(l.First)
	began := time.Now()
	end := began.Add(whole)
	var wg sync.WaitGroup
	for _, w := range workers {
		wg.Go(func() {
			for ctx.Err() == nil && w.failure == nil {
				n := next.Add(1) - 1
				due := time.Now()
				if l.Rate > 0 {
					due = began.Add(time.Duration(n-l.First) * time.Second / time.Duration(l.Rate))
				}
				if !due.Before(end) || l.Requests > 0 && n-l.First >= l.Requests {
					return
				}
				if l.Rate > 0 {
					wait(ctx, due)
				}
				w.one(l, n, due, began.Add(l.Warm), end)
			}
		})
	}
	wg.Wait()
	return gather(l, workers, time.Since(began)), ctx.Err()
}

func connect(ctx context.Context, l Load, within time.Duration) (sender, error) {
	if l.Ordinary {
		return newOrdinary(l.Addr, within), nil
	}
	return dial(ctx, l.Addr, time.Now().Add(within))
}

func wait(ctx context.Context, due time.Time) {
	if d := time.Until(due); d > 0 {
		select {
		case <-time.After(d):
		case <-ctx.Done():
		}
	}
}

func (w *worker) one(l Load, n int64, due, from, end time.Time) {
	w.buf = l.Template(n).fill(w.buf, n)
	w.sent++
	status, body, err := w.conn.do(w.buf)
	if err != nil {
		w.failure = err
		return
	}
	now := time.Now()
	// A closed loop counts answers that came within For; an open loop all whose due time was.
	if l.Rate == 0 && now.After(from) && now.Before(end) || l.Rate > 0 && !due.Before(from) {
		w.statuses[status]++
		w.took = append(w.took, now.Sub(due))
	}
	if l.Answer != nil {
		l.Answer(w.id, n, status, body)
	}
}

func gather(l Load, workers []*worker, took time.Duration) *Figures {
	f := &Figures{Statuses: map[int]int64{}, For: l.For}
	if l.Requests > 0 && took < l.Warm+l.For {
		f.For = took
	}
	for _, w := range workers {
		for status, n := range w.statuses {
			f.Statuses[status] += n
		}
		f.Took = append(f.Took, w.took...)
		f.Sent += w.sent
		if w.failure != nil {
			f.Failed++
			if f.Failure == nil {
				f.Failure = w.failure
			}
		}
	}
	slices.Sort(f.Took)
	return f
}
