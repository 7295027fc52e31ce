package kafkabus_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/turnout-events/turnout/internal/kafkabus"
)

func TestPublishKeepsOrderPerKeyAndCarriesMetadata(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	name := topic(t, cfg, 3)
	publish(t, cfg, name, numbered(3000, 10)...)

	got := newLedger()
	var first *message.Message
	var mu sync.Mutex
	err := kafkabus.Replay(t.Context(), cfg, name, func(ctx context.Context, messages []*message.Message) error {
		mu.Lock()
		for _, m := range messages {
			if string(m.Payload) == "k0 0" {
				first = m
			}
		}
		mu.Unlock()
		return got.handle(ctx, messages)
	}, kafkabus.ReplayOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := got.complete(10, 300); err != nil {
		t.Error(err)
	}
	got.ordered(t)
	if first.UUID != "id-0" || first.Metadata["traceparent"] != "00-x" || first.Metadata[kafkabus.MetaKey] != "k0" {
		t.Errorf("uuid %q, metadata %v", first.UUID, first.Metadata)
	}
	if at := kafkabus.PositionOf(first); at.Topic != cfg.Topic(name) || at.Offset != 0 && at.Time.IsZero() {
		t.Errorf("position %+v", at)
	}
}

func TestPublishSaysWhichMessagesAreAcknowledged(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	name := topic(t, cfg, 3)
	messages := numbered(9, 3)                // k0 k1 k2 k0 k1 k2 k0 k1 k2
	messages[4].Payload = make([]byte, 2<<20) // larger than a record may be: refused alone

	err := publisher(t, cfg).Publish(name, messages...)
	var failed *kafkabus.PublishError
	if !errors.As(err, &failed) {
		t.Fatalf("got %v", err)
	}
	if len(failed.Failed) != 2 || !errors.Is(failed.Failed[4], kafkabus.ErrTooLarge) || !errors.Is(failed.Failed[7], kafkabus.ErrBehind) {
		t.Errorf("failed: %v", failed.Failed)
	}
	if got, want := fmt.Sprint(failed.AckedPrefix()), "[0 1 2 3 5 6 8]"; got != want {
		t.Errorf("acknowledged prefix %s, want %s: what follows a failed message of its key does not count", got, want)
	}
	got := newLedger()
	if err := kafkabus.Replay(t.Context(), cfg, name, got.handle, kafkabus.ReplayOptions{}); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(got.got) != "map[k0:[0 1 2] k1:[0] k2:[0 1 2]]" {
		t.Errorf("in Kafka: %v", got.got)
	}
}

func TestPublishCutsWhatIsTooMuchForOneRecordBatch(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	name := topic(t, cfg, 2)
	messages := numbered(200, 4)
	for i, m := range messages { // 8 MB that do not compress
		noise := make([]byte, 40<<10)
		for n := range noise {
			noise[n] = byte(rand.Uint32()) // noise
		}
		m.Metadata["noise"] = string(noise)
		m.Payload = fmt.Appendf(nil, "k%d %d", i%4, i/4)
	}
	publish(t, cfg, name, messages...)
	got := newLedger()
	if err := kafkabus.Replay(t.Context(), cfg, name, got.handle, kafkabus.ReplayOptions{}); err != nil {
		t.Fatal(err)
	}
	got.ordered(t)
	if len(got.places) != 200 {
		t.Errorf("%d messages", len(got.places))
	}
}

func TestPublishEndsWithTheMessagesContext(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	p := publisher(t, cfg)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	messages := numbered(1, 1)
	messages[0].SetContext(ctx)
	began := time.Now()
	if err := p.Publish("not-there", messages...); err == nil || time.Since(began) > 5*time.Second {
		t.Errorf("%v after %s", err, time.Since(began))
	}
}
