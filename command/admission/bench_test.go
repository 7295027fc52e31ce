package admission_test

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/turnout-events/turnout/command/admission"
	"github.com/turnout-events/turnout/command/rsvp"
	"github.com/turnout-events/turnout/internal/contract"
)

// BenchmarkHotEvent is RSVPs on one event by 256 clients in this process, with everything on but HTTP.
func BenchmarkHotEvent(b *testing.B) {
	f := newFixture(b)
	desk := f.desk(b)
	event := f.event(b)
	requests := make([]admission.Request, b.N)
	for i := range requests {
		requests[i] = f.submit(b, event, guest(i), 1)
	}
	b.ResetTimer()
	run(b, desk, requests, 256)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rsvps/s")
}

// BenchmarkIdleEvent is one client after the other: what a transaction costs when it has one request.
func BenchmarkIdleEvent(b *testing.B) {
	f := newFixture(b)
	desk := f.desk(b)
	event := f.event(b)
	requests := make([]admission.Request, b.N)
	for i := range requests {
		requests[i] = f.submit(b, event, guest(i), 1)
	}
	b.ResetTimer()
	run(b, desk, requests, 1)
}

// BenchmarkFullEvent is refusals at an event that has no seat and no waitlist.
func BenchmarkFullEvent(b *testing.B) {
	f := newFixture(b)
	desk := f.desk(b)
	event := f.event(b, capacity(1), policy(contract.WaitlistNone))
	_, err := desk.Do(b.Context(), f.submit(b, event, "first", 1))
	must(b, err)
	requests := make([]admission.Request, b.N)
	for i := range requests {
		requests[i] = f.submit(b, event, guest(i), 1)
	}
	b.ResetTimer()
	run(b, desk, requests, 256)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "refusals/s")
}

// BenchmarkSpread is the same over 1,000 events.
func BenchmarkSpread(b *testing.B) {
	f := newFixture(b)
	desk := f.desk(b)
	events := make([]string, 1000)
	for i := range events {
		events[i] = f.event(b)
	}
	requests := make([]admission.Request, b.N)
	for i := range requests {
		requests[i] = f.submit(b, events[i%len(events)], guest(i), 1)
	}
	b.ResetTimer()
	run(b, desk, requests, 256)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rsvps/s")
}

func run(b *testing.B, desk *admission.Desk, requests []admission.Request, clients int) {
	var next atomic.Int64
	done := make(chan error, clients)
	for range clients {
		go func() {
			for {
				i := next.Add(1) - 1
				if i >= int64(len(requests)) {
					done <- nil
					return
				}
				if _, err := desk.Do(b.Context(), requests[i]); err != nil && !errors.Is(err, rsvp.ErrEventFull) {
					done <- err
					return
				}
			}
		}()
	}
	deadline := time.After(2 * time.Minute)
	for range clients {
		select {
		case err := <-done:
			if err != nil {
				b.Fatal(err)
			}
		case <-deadline:
			b.Fatal("stuck")
		}
	}
}
