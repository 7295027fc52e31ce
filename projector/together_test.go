package projector

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/turnout-events/turnout/internal/kafkabus"
	"github.com/turnout-events/turnout/internal/testkit"
)

func batch(name string, n int) []*message.Message {
	out := make([]*message.Message, n)
	for i := range out {
		out[i] = message.NewMessage(fmt.Sprintf("%s/%d", name, i), nil)
	}
	return out
}

// Batches that meet become one request; each hears of its own messages only.
func TestBatchesThatMeetGoTogether(t *testing.T) {
	t.Parallel()
	busy, release := make(chan struct{}, 100), make(chan struct{})
	var mu sync.Mutex
	var sizes []int
	g := newTogether(t.Context(), func(_ context.Context, messages []*message.Message) error {
		mu.Lock()
		sizes = append(sizes, len(messages))
		mu.Unlock()
		busy <- struct{}{}
		<-release
		reasons := map[int]error{}
		for i, m := range messages {
			if m.UUID == "c/2" || m.UUID == "e/0" {
				reasons[i] = errors.New(m.UUID)
			}
		}
		if len(reasons) == 0 {
			return nil
		}
		return &kafkabus.Rejected{Reasons: reasons}
	}, 8, 0)
	var wait sync.WaitGroup
	var errs sync.Map
	hand := func(name string, n int) {
		wait.Go(func() { errs.Store(name, g.Handle(t.Context(), batch(name, n))) })
	}
	hand("a", 1)
	<-busy // one is under way: the rest waits
	hand("b", 1)
	testkit.Eventually(t, 10*time.Second, time.Millisecond, func() error { return g.waits(1, 1) })
	hand("c", 3)
	hand("d", 3)
	testkit.Eventually(t, 10*time.Second, time.Millisecond, func() error { return g.waits(3, 1) })
	hand("e", 3)
	<-busy // a full request waits no longer
	close(release)
	wait.Wait()
	g.wait()
	if !slices.Equal(sizes, []int{1, 7, 3}) { // at most 8 at once
		t.Errorf("requests of %v messages", sizes)
	}
	for name, want := range map[string]map[int]string{"a": nil, "b": nil, "c": {2: "c/2"}, "d": nil, "e": {0: "e/0"}} {
		got, _ := errs.Load(name)
		var r *kafkabus.Rejected
		if err, _ := got.(error); err != nil && !errors.As(err, &r) {
			t.Fatalf("%s: %v", name, err)
		}
		if r == nil {
			r = &kafkabus.Rejected{}
		}
		if len(r.Reasons) != len(want) {
			t.Errorf("%s: %v, want %v", name, r.Reasons, want)
		}
		for i, reason := range want {
			if r.Reasons[i] == nil || r.Reasons[i].Error() != reason {
				t.Errorf("%s: %v, want %v", name, r.Reasons, want)
			}
		}
	}
}

// A failure, also a panic, is everybody's: all of them try again.
func TestAFailureIsEverybodys(t *testing.T) {
	t.Parallel()
	g := newTogether(t.Context(), func(_ context.Context, messages []*message.Message) error {
		messages[0].Metadata = nil
		messages[0].Metadata["written"] = "to nothing"
		return nil
	}, 8, 0)
	if err := g.Handle(t.Context(), batch("a", 1)); err == nil {
		t.Error("a panic is no success")
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	stuck := newTogether(t.Context(), func(context.Context, []*message.Message) error { return nil }, 8, 0)
	stuck.busy = keepingUp // nobody comes
	if err := stuck.Handle(gone, batch("b", 1)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// What comes in the rest after a request goes together, and rests no longer
// when it fills a request.
func TestARequestRests(t *testing.T) {
	t.Parallel()
	sizes := make(chan int, 100)
	g := newTogether(t.Context(), func(_ context.Context, messages []*message.Message) error {
		sizes <- len(messages)
		return nil
	}, 8, time.Hour)
	var wait sync.WaitGroup
	hand := func(name string, n int) {
		wait.Go(func() {
			if err := g.Handle(t.Context(), batch(name, n)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	hand("a", 1)
	if got := <-sizes; got != 1 { // an idle store gets a message at once
		t.Errorf("the first request has %d messages", got)
	}
	hand("b", 3)
	hand("c", 3)
	testkit.Eventually(t, 10*time.Second, time.Millisecond, func() error { return g.waits(2, 1) })
	hand("d", 2)
	if got := <-sizes; got != 8 {
		t.Errorf("the second request has %d messages", got)
	}
	wait.Wait()
}

// waits tells whether so many batches wait and requests are under way.
func (g *together) waits(waiting, busy int) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.waiting) != waiting || g.busy != busy {
		return fmt.Errorf("%d wait, %d requests are under way", len(g.waiting), g.busy)
	}
	return nil
}
