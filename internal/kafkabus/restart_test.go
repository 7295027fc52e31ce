package kafkabus_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/turnout-events/turnout/internal/kafkabus"
	"github.com/turnout-events/turnout/internal/testkit"
)

// The relay's loop in small: send a batch, keep what is not acknowledged in front, go on. Meanwhile the broker dies.
func TestKilledBrokerLosesNothingAndKeepsOrder(t *testing.T) {
	t.Parallel()
	b := testkit.OwnBroker(t)
	cfg := kafkabus.Config{Brokers: []string{b.Addr}, Namespace: "restart"}
	name := topic(t, cfg, 3)
	got := newLedger()
	consumer(t, cfg, "g", name, got.handle, kafkabus.ConsumeOptions{})

	const keys, perKey = 10, 2000
	pending := numbered(keys*perKey, keys)
	p := publisher(t, cfg)
	halfway := make(chan struct{})
	var once sync.Once
	sent := make(chan error, 1)
	go func() {
		failures := 0
		for len(pending) > 0 {
			n := min(200, len(pending))
			batch := pending[:n]
			err := p.Publish(name, batch...)
			var partial *kafkabus.PublishError
			switch {
			case err == nil:
				pending = pending[n:]
			case errors.As(err, &partial):
				failures++
				done := map[int]bool{}
				for _, i := range partial.AckedPrefix() {
					done[i] = true
				}
				var left []*message.Message
				for i, m := range batch {
					if !done[i] {
						left = append(left, m)
					}
				}
				pending = append(left, pending[n:]...)
			default:
				failures++
			}
			if failures > 50 {
				sent <- fmt.Errorf("given up: %w", err)
				return
			}
			if len(pending) < keys*perKey*3/4 {
				once.Do(func() { close(halfway) })
			}
		}
		sent <- nil
	}()
	<-halfway
	eventually(t, func() error { // the consumer is in the middle of it too
		got.mu.Lock()
		defer got.mu.Unlock()
		if len(got.places) == 0 {
			return errors.New("nothing consumed yet")
		}
		return nil
	})
	b.Kill()
	b.Start()
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, 2*time.Minute, 50*time.Millisecond, func() error { return got.complete(keys, perKey) })
	got.ordered(t)
	if letters, err := kafkabus.ReadDLQ(t.Context(), cfg, "g", 10); err != nil || len(letters) != 0 {
		t.Errorf("dead letters %v, error %v", letters, err)
	}
}
