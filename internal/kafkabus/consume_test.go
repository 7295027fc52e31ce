package kafkabus_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/turnout-events/turnout/internal/kafkabus"
)

func TestConsumerGetsOrderedBatches(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	name := topic(t, cfg, 3)
	publish(t, cfg, name, numbered(5000, 10)...)
	got := newLedger()
	var stats atomic.Int64
	stop := consumer(t, cfg, "g", name, got.handle, kafkabus.ConsumeOptions{MaxBatch: 100,
		OnBatch: func(s kafkabus.BatchStats) { stats.Add(int64(s.Size)) }})
	eventually(t, func() error { return got.complete(10, 500) })
	stop()
	got.ordered(t)
	if len(got.places) != 5000 || stats.Load() != 5000 {
		t.Errorf("%d distinct messages, %d in the statistics", len(got.places), stats.Load())
	}
	largest := 0
	for _, n := range got.batches {
		largest = max(largest, n)
	}
	if largest > 100 || len(got.batches) > 2500 {
		t.Errorf("%d batches, the largest of %d: want them full, and at most 100", len(got.batches), largest)
	}
}

func TestClosingMidBatchLosesNothing(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	name := topic(t, cfg, 1)
	publish(t, cfg, name, numbered(50, 1)...)

	reached := make(chan struct{})
	var once sync.Once
	stop := consumer(t, cfg, "g", name, func(ctx context.Context, _ []*message.Message) error {
		once.Do(func() { close(reached) })
		<-ctx.Done() // in the middle of the work, the process is told to go
		return ctx.Err()
	}, kafkabus.ConsumeOptions{})
	<-reached
	stop()

	got := newLedger()
	consumer(t, cfg, "g", name, got.handle, kafkabus.ConsumeOptions{})
	eventually(t, func() error { return got.complete(1, 50) })
	got.ordered(t)
}

func TestOrderlyRestartRepeatsNothing(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	name := topic(t, cfg, 2)
	publish(t, cfg, name, numbered(60, 3)...)
	got := newLedger()
	stop := consumer(t, cfg, "g", name, got.handle, kafkabus.ConsumeOptions{})
	eventually(t, func() error { return got.complete(3, 20) })
	stop() // at once: the offset is not yet committed by the clock

	publish(t, cfg, name, message.NewMessage("last", []byte("last 0")))
	again := newLedger()
	consumer(t, cfg, "g", name, again.handle, kafkabus.ConsumeOptions{})
	eventually(t, func() error {
		again.mu.Lock()
		defer again.mu.Unlock()
		if len(again.got["last"]) == 0 {
			return errors.New("the new message has not come")
		}
		return nil
	})
	if len(again.places) != 1 {
		t.Errorf("%d messages came again: %v", len(again.places)-1, again.got)
	}
}

func TestConsumerWaitsForItsTopic(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	got := newLedger()
	tried := make(chan struct{}, 1000)
	consumer(t, cfg, "g", "log", got.handle, kafkabus.ConsumeOptions{
		Log: slog.New(tellingHandler{Handler: slog.DiscardHandler, told: tried})})
	<-tried // it has found no topic, and said so
	publish(t, cfg, topic(t, cfg, 1), numbered(5, 1)...)
	eventually(t, func() error { return got.complete(1, 5) })
}

// tellingHandler tells of every warning.
type tellingHandler struct {
	slog.Handler
	told chan<- struct{}
}

func (h tellingHandler) Enabled(context.Context, slog.Level) bool { return true }
func (h tellingHandler) WithAttrs([]slog.Attr) slog.Handler       { return h }
func (h tellingHandler) Handle(_ context.Context, r slog.Record) error {
	if r.Level >= slog.LevelWarn {
		select {
		case h.told <- struct{}{}:
		default:
		}
	}
	return nil
}

func TestNothingIsPoisonedWhileClosing(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	name := topic(t, cfg, 1)
	publish(t, cfg, name, numbered(3, 1)...)
	reached := make(chan struct{})
	var once sync.Once
	stop := consumer(t, cfg, "g", name, func(ctx context.Context, _ []*message.Message) error {
		once.Do(func() { close(reached) })
		<-ctx.Done()
		return &kafkabus.Rejected{Reasons: map[int]error{0: ctx.Err()}} // a store's answer to a cancelled request
	}, kafkabus.ConsumeOptions{})
	<-reached
	stop()
	letters, err := kafkabus.ReadDLQ(t.Context(), cfg, "g", 10)
	if err != nil || len(letters) != 0 {
		t.Errorf("dead letters %v, error %v", letters, err)
	}
	got := newLedger()
	consumer(t, cfg, "g", name, got.handle, kafkabus.ConsumeOptions{})
	eventually(t, func() error { return got.complete(1, 3) })
}

func TestFailingHandlerGetsTheSameMessagesUntilItSucceeds(t *testing.T) {
	t.Parallel()
	for name, failure := range map[string]func() error{
		"an error": func() error { return errors.New("store is away") },
		"a panic":  func() error { panic("bug") },
		"a rejection of a message that is not there": func() error {
			return &kafkabus.Rejected{Reasons: map[int]error{1000: errors.New("?")}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := config(t)
			name := topic(t, cfg, 1)
			publish(t, cfg, name, numbered(20, 1)...)
			got := newLedger()
			var calls, retries atomic.Int64
			var firstBatch atomic.Int64
			stop := consumer(t, cfg, "g", name, func(ctx context.Context, messages []*message.Message) error {
				if n := calls.Add(1); n <= 5 {
					if want := firstBatch.Swap(int64(len(messages))); n > 1 && want != int64(len(messages)) {
						t.Errorf("attempt %d has %d messages, the one before %d", n, len(messages), want)
					}
					messages[0].Payload = []byte("spoilt") // must not reach the next attempt
					return failure()
				}
				return got.handle(ctx, messages)
			}, kafkabus.ConsumeOptions{OnRetry: func(string, int32, error) { retries.Add(1) }})
			eventually(t, func() error { return got.complete(1, 20) })
			stop()
			got.ordered(t)
			if retries.Load() != 5 {
				t.Errorf("%d retries", retries.Load())
			}
			if letters, err := kafkabus.ReadDLQ(t.Context(), cfg, "g", 10); err != nil || len(letters) != 0 {
				t.Errorf("dead letters %v, error %v", letters, err)
			}
		})
	}
}

func TestPoisonGoesAloneToTheDeadLetterTopic(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	name := topic(t, cfg, 1)
	messages := numbered(40, 1)
	messages[7].Payload, messages[23].Payload = []byte("poison a"), []byte("poison b")
	publish(t, cfg, name, messages...)

	got := newLedger()
	handler := func(ctx context.Context, batch []*message.Message) error {
		var good []*message.Message
		bad := map[int]error{}
		for i, m := range batch {
			if strings.HasPrefix(string(m.Payload), "poison") {
				bad[i] = fmt.Errorf("cannot decode %s", m.Payload)
				continue
			}
			good = append(good, m)
		}
		if err := got.handle(ctx, good); err != nil {
			return err
		}
		if len(bad) > 0 {
			return &kafkabus.Rejected{Reasons: bad}
		}
		return nil
	}
	stop := consumer(t, cfg, "g", name, handler, kafkabus.ConsumeOptions{})
	eventually(t, func() error {
		got.mu.Lock()
		defer got.mu.Unlock()
		if n := len(got.places); n != 38 {
			return fmt.Errorf("%d of 38 applied", n)
		}
		return nil
	})
	committed(t, cfg, "g", name) // the offset moved past the poison
	stop()

	letters, err := kafkabus.ReadDLQ(t.Context(), cfg, "g", 100)
	if err != nil {
		t.Fatal(err)
	}
	if len(letters) != 2 {
		t.Fatalf("%d dead letters, want 2", len(letters))
	}
	l := letters[0]
	if l.Reason != "cannot decode poison a" || l.Original.Offset != 7 || l.Original.Topic != cfg.Topic(name) || l.At.IsZero() || l.Original.Time.IsZero() {
		t.Errorf("letter %+v", l)
	}

	// Redriving needs no more than the id.
	group, partition, offset, err := kafkabus.ParseDeadLetterID(letters[1].ID)
	if err != nil {
		t.Fatal(err)
	}
	again, err := kafkabus.FetchDLQ(t.Context(), cfg, group, partition, offset)
	if err != nil {
		t.Fatal(err)
	}
	if string(again.Message.Payload) != "poison b" || again.Message.UUID != "id-23" || again.Message.Metadata[kafkabus.MetaKey] != "k0" ||
		kafkabus.PositionOf(again.Message) != again.Original || again.Message.Metadata[kafkabus.HeaderDLQReason] != "" {
		t.Errorf("message %q %v", again.Message.Payload, again.Message.Metadata)
	}
	if err := kafkabus.ResolveDLQ(t.Context(), cfg, again.ID, "redriven by a test"); err != nil {
		t.Fatal(err)
	}
	if left, err := kafkabus.ReadDLQ(t.Context(), cfg, "g", 100); err != nil || len(left) != 1 || left[0].Original.Offset != 7 {
		t.Errorf("left after one is resolved: %+v, %v", left, err)
	}
	if _, err := kafkabus.FetchDLQ(t.Context(), cfg, group, partition, offset); err != nil {
		t.Errorf("a resolved letter is gone: %v", err)
	}
	if _, err := kafkabus.FetchDLQ(t.Context(), cfg, "g", 0, 2); !errors.Is(err, kafkabus.ErrNoDeadLetter) {
		t.Errorf("the note itself is taken for a letter: %v", err)
	}
	if _, err := kafkabus.FetchDLQ(t.Context(), cfg, "g", 0, 99); !errors.Is(err, kafkabus.ErrNoDeadLetter) {
		t.Errorf("got %v", err)
	}
}

func TestRebalanceLosesNothingAndKeepsOrder(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	name := topic(t, cfg, 4)
	got := newLedger()
	assigned := make(chan int, 100)
	opts := kafkabus.ConsumeOptions{MaxBatch: 20, OnAssigned: func(p map[string][]int32) { assigned <- len(p[cfg.Topic(name)]) }}
	await := func(want int) {
		t.Helper()
		eventually(t, func() error {
			select {
			case n := <-assigned:
				if n == want {
					return nil
				}
				return fmt.Errorf("assigned %d partitions, want %d", n, want)
			default:
				return errors.New("nothing assigned")
			}
		})
	}
	p := publisher(t, cfg)
	all := numbered(4000, 20)
	send := func(from, to int) {
		t.Helper()
		if err := p.Publish(name, all[from:to]...); err != nil {
			t.Fatal(err)
		}
	}
	send(0, 1000)
	stopFirst := consumer(t, cfg, "g", name, got.handle, opts)
	await(4)
	send(1000, 2000)
	consumer(t, cfg, "g", name, got.handle, opts) // joins: the first gives two partitions up
	await(2)
	send(2000, 3000)
	stopFirst() // leaves: the second takes over
	await(4)
	send(3000, 4000)
	eventually(t, func() error { return got.complete(20, 200) })
	got.ordered(t)
}
