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
	}, 8)
	var wait sync.WaitGroup
	var errs sync.Map
	hand := func(name string, n int) {
		wait.Go(func() { errs.Store(name, g.Handle(t.Context(), batch(name, n))) })
	}
	hand("a", 1)
	<-busy
	hand("b", 1)
	<-busy // two are under way: the rest waits
	hand("c", 3)
	hand("d", 3)
	testkit.Eventually(t, 10*time.Second, time.Millisecond, func() error {
		g.mu.Lock()
		defer g.mu.Unlock()
		if len(g.waiting) != 2 || g.busy != 2 {
			return fmt.Errorf("%d wait, %d requests are under way", len(g.waiting), g.busy)
		}
		return nil
	})
	hand("e", 3)
	<-busy // a full request waits no longer
	close(release)
	wait.Wait()
	g.wait()
	if !slices.Equal(sizes, []int{1, 1, 6, 3}) { // at most 8 at once
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
	}, 8)
	if err := g.Handle(t.Context(), batch("a", 1)); err == nil {
		t.Error("a panic is no success")
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	stuck := newTogether(t.Context(), func(context.Context, []*message.Message) error { return nil }, 8)
	stuck.busy = stuck.under // nobody comes
	if err := stuck.Handle(gone, batch("b", 1)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
