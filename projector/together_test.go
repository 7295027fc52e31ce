package projector

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/turnout-events/turnout/internal/kafkabus"
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
	for _, name := range []string{"c", "d", "e"} {
		hand(name, 3)
	}
	for n := 0; n < 3; {
		g.mu.Lock()
		n = len(g.waiting)
		g.mu.Unlock()
	}
	close(release)
	wait.Wait()
	g.wait()
	if len(sizes) != 4 || sizes[2]+sizes[3] != 9 { // at most 8 at once: 6 and 3
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
