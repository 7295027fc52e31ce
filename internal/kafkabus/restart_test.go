package kafkabus_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/turnout-events/turnout/internal/kafkabus"
	"github.com/turnout-events/turnout/internal/testkit"
)

// broker is a Kafka of this test's own, started by the script that starts everybody's.
type broker struct {
	t    *testing.T
	dir  string
	env  []string
	addr string
}

func ownBroker(t *testing.T) *broker {
	t.Helper()
	if os.Getenv("TURNOUT_TEST_KAFKA_BROKERS") != "" {
		t.Skip("needs to kill a broker, and the one in TURNOUT_TEST_KAFKA_BROKERS is somebody else's")
	}
	testkit.Engines(t)                              // skips a short run
	dir, err := os.MkdirTemp("", "turnout-broker-") //nolint:usetesting // t.TempDir is closed to the user that runs the engines
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil { // the engine may run as a user of its own
		t.Fatal(err)
	}
	b := &broker{t: t, dir: dir, addr: freeAddr(t)}
	_, port, _ := strings.Cut(b.addr, ":")
	_, controller, _ := strings.Cut(freeAddr(t), ":")
	b.env = append(os.Environ(), "TURNOUT_LOCAL_DIR="+dir, "TURNOUT_LOCAL_KAFKA_PORT="+port, "TURNOUT_LOCAL_KAFKA_CONTROLLER_PORT="+controller,
		"TURNOUT_KAFKA_BROKERS=", // ours; the three others are not wanted
		"TURNOUT_POSTGRES_URL=none", "TURNOUT_REDIS_URL=none", "TURNOUT_ELASTIC_URL=none")
	t.Cleanup(func() {
		b.script("reset")
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	b.script("up")
	return b
}

// freeAddr takes a port below those that the kernel gives to outgoing connections: a client that dials a dead broker's
// port again and again may otherwise be given that very port to dial from, and the broker cannot come back.
func freeAddr(t *testing.T) string {
	t.Helper()
	for range 100 {
		addr := fmt.Sprintf("127.0.0.1:%d", 15000+rand.IntN(10000))
		l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", addr)
		if err != nil {
			continue
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		return addr
	}
	t.Fatal("no free port")
	return ""
}

func (b *broker) script(word string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(b.t.Context()), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "../../deploy/local/engines.sh", word) // our own script
	cmd.Env = b.env
	if out, err := cmd.CombinedOutput(); err != nil {
		b.t.Fatalf("engines.sh %s: %v\n%s", word, err, out)
	}
}

// kill ends the broker as a power cut of its machine's processes would: no farewell to anybody.
func (b *broker) kill() {
	b.t.Helper()
	text, err := os.ReadFile(filepath.Join(b.dir, "engines", "run", "kafka.pid"))
	if err != nil {
		b.t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(text), " ")
	pid, err := strconv.Atoi(first)
	if err != nil {
		b.t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		b.t.Fatal(err)
	}
}

// The relay's loop in small: send a batch, keep what is not acknowledged in front, go on. Meanwhile the broker dies.
func TestKilledBrokerLosesNothingAndKeepsOrder(t *testing.T) {
	t.Parallel()
	b := ownBroker(t)
	cfg := kafkabus.Config{Brokers: []string{b.addr}, Namespace: "restart"}
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
	b.kill()
	b.script("up")
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, 2*time.Minute, 50*time.Millisecond, func() error { return got.complete(keys, perKey) })
	got.ordered(t)
	if letters, err := kafkabus.ReadDLQ(t.Context(), cfg, "g", 10); err != nil || len(letters) != 0 {
		t.Errorf("dead letters %v, error %v", letters, err)
	}
}
