package kafkabus_test

import (
	"context"
	"testing"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/turnout-events/turnout/internal/kafkabus"
)

func TestLagCountsMessagesAndSeconds(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	name := topic(t, cfg, 2)
	publish(t, cfg, name, numbered(30, 1)...)
	reader, err := kafkabus.NewLagReader(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := reader.Close(); err != nil {
			t.Error(err)
		}
	}()
	ask := func() kafkabus.PartitionLag {
		t.Helper()
		lags, err := reader.Lag(t.Context(), map[string][]string{"g": {name, "not-there"}})
		if err != nil {
			t.Fatal(err)
		}
		if len(lags) != 2 {
			t.Fatalf("%d rows, want one per partition of the topic that exists", len(lags))
		}
		if lags[0].Messages == 0 { // one key: everything is on one of the two
			return lags[1]
		}
		return lags[0]
	}

	l := ask()
	if l.Committed != -1 || l.Messages != 30 || l.End != 30 || l.Seconds <= 0 || l.Seconds > 60 {
		t.Errorf("never committed: %+v", l)
	}
	since := l.Since
	if later := ask(); !later.Since.Equal(since) || later.Seconds <= l.Seconds {
		t.Errorf("asked again: %+v after %+v", later, l)
	}

	got := newLedger()
	stop := consumer(t, cfg, "g", name, got.handle, kafkabus.ConsumeOptions{})
	eventually(t, func() error { return got.complete(1, 30) })
	committed(t, cfg, "g", name)
	stop()
	if l := ask(); l.Messages != 0 || l.Seconds != 0 || !l.Since.IsZero() {
		t.Errorf("all read: %+v", l)
	}

	publish(t, cfg, name, numbered(5, 1)...)
	if l := ask(); l.Committed != 30 || l.Messages != 5 || !l.Since.After(since) {
		t.Errorf("behind again: %+v", l)
	}
}

func TestReplayEndsAtTheEndAndGoesOnFromThere(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	name := topic(t, cfg, 3)
	all := numbered(1500, 7)
	publish(t, cfg, name, all[:700]...)
	first := newLedger()
	done, err := kafkabus.Replay(t.Context(), cfg, name, nil, first.handle)
	if err != nil || done.Messages != 700 {
		t.Fatalf("%d messages, %v", done.Messages, err)
	}
	first.ordered(t)

	publish(t, cfg, name, all[700:]...)
	refused := 0
	rest, err := kafkabus.Replay(t.Context(), cfg, name, done.Next, func(ctx context.Context, messages []*message.Message) error {
		if err := first.handle(ctx, messages); err != nil {
			return err
		}
		first.mu.Lock()
		refused++
		first.mu.Unlock()
		return &kafkabus.Rejected{Reasons: map[int]error{0: nil}}
	})
	if err != nil || rest.Messages != 800 || rest.Rejected != int64(refused) {
		t.Fatalf("%+v, %v", rest, err)
	}
	first.ordered(t)
	if len(first.places) != 1500 {
		t.Errorf("%d distinct messages", len(first.places))
	}
}

func TestReplayOfNothingReturns(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	name := topic(t, cfg, 3)
	done, err := kafkabus.Replay(t.Context(), cfg, name, nil, newLedger().handle)
	if err != nil || done.Messages != 0 || len(done.Next) != 3 {
		t.Errorf("%+v, %v", done, err)
	}
}
