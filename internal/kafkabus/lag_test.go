package kafkabus_test

import (
	"context"
	"errors"
	"sync"
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
	got := newLedger()
	var mu sync.Mutex
	next := map[int32]int64{}
	var done, total int64
	refused := 0
	opts := kafkabus.ReplayOptions{
		OnEnd: func(p int32, offset int64) { mu.Lock(); defer mu.Unlock(); next[p] = offset },
		OnProgress: func(d, of int64, rejected map[int]error) {
			mu.Lock()
			defer mu.Unlock()
			done, total, refused = max(done, d), of, refused+len(rejected)
		},
	}
	if err := kafkabus.Replay(t.Context(), cfg, name, got.handle, opts); err != nil || done != 700 || total != 700 || len(next) != 3 {
		t.Fatalf("%d of %d messages, next %v, %v", done, total, next, err)
	}
	got.ordered(t)

	publish(t, cfg, name, all[700:]...)
	opts.From, next, done = next, map[int32]int64{}, 0
	err := kafkabus.Replay(t.Context(), cfg, name, func(ctx context.Context, messages []*message.Message) error {
		if err := got.handle(ctx, messages); err != nil {
			return err
		}
		return &kafkabus.Rejected{Reasons: map[int]error{0: nil}}
	}, opts)
	if err != nil || done != 800 || total != 800 || refused == 0 {
		t.Fatalf("%d of %d messages, %d refused, %v", done, total, refused, err)
	}
	got.ordered(t)
	if len(got.places) != 1500 {
		t.Errorf("%d distinct messages", len(got.places))
	}

	broken := errors.New("broken")
	err = kafkabus.Replay(t.Context(), cfg, name, func(context.Context, []*message.Message) error { return broken }, kafkabus.ReplayOptions{})
	if !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

func TestReplayOfNothingReturns(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	name := topic(t, cfg, 3)
	if err := kafkabus.Replay(t.Context(), cfg, name, newLedger().handle, kafkabus.ReplayOptions{}); err != nil {
		t.Error(err)
	}
}
