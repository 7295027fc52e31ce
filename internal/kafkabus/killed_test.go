package kafkabus_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/turnout-events/turnout/internal/kafkabus"
)

// childNamespace, when set, makes this test binary a consumer to be killed.
const childNamespace = "TURNOUT_TEST_CHILD_NAMESPACE"

// TestKilledConsumerChild is the other side of the test below and does nothing by itself.
func TestKilledConsumerChild(t *testing.T) {
	ns := os.Getenv(childNamespace)
	if ns == "" {
		return
	}
	cfg := kafkabus.Config{Brokers: strings.Split(os.Getenv("TURNOUT_TEST_CHILD_BROKERS"), ","), Namespace: ns}
	batches := 0
	_ = kafkabus.Consume(t.Context(), cfg, "g", []string{"log"}, func(ctx context.Context, messages []*message.Message) error {
		batches++
		fmt.Printf("\nbatch %d of %d\n", batches, len(messages)) // on a line of its own, whatever go test prints
		if batches == 3 {
			<-ctx.Done() // the third one is never finished
		}
		return nil
	}, kafkabus.ConsumeOptions{MaxBatch: 10})
}

func TestKilledConsumerLosesNothing(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	name := topic(t, cfg, 1)
	publish(t, cfg, name, numbered(100, 1)...)

	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilledConsumerChild$", "-test.v") // ourselves
	child.Env = append(os.Environ(), childNamespace+"="+cfg.Namespace, "TURNOUT_TEST_CHILD_BROKERS="+strings.Join(cfg.Brokers, ","))
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	reached := false
	for !reached && lines.Scan() {
		reached = strings.HasPrefix(lines.Text(), "batch 3")
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // says "killed"
	if !reached {
		t.Fatal("the child never came to its third batch")
	}

	// Its partition is free once the broker misses its heartbeats.
	got := newLedger()
	consumer(t, cfg, "g", name, got.handle, kafkabus.ConsumeOptions{})
	eventually(t, func() error {
		got.mu.Lock()
		defer got.mu.Unlock()
		seen := map[int]bool{}
		for _, n := range got.got["k0"] {
			seen[n] = true
		}
		for n := 20; n < 100; n++ { // the first two batches were the child's; whether it committed them is chance
			if !seen[n] {
				return fmt.Errorf("message %d is missing", n)
			}
		}
		return nil
	})
}
