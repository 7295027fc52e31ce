package kafkabus_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/turnout-events/turnout/internal/kafkabus"
	"github.com/turnout-events/turnout/internal/testkit"
)

// long bounds what Kafka may take on a busy machine; nothing waits for it when all is well.
const long = 60 * time.Second

func config(t *testing.T) kafkabus.Config {
	t.Helper()
	return kafkabus.Config{Brokers: testkit.Engines(t).Kafka, Namespace: testkit.Namespace(t)}
}

func topic(t *testing.T, cfg kafkabus.Config, partitions int32) string {
	t.Helper()
	if err := kafkabus.EnsureTopics(t.Context(), cfg, []kafkabus.TopicSpec{{Name: "log", Partitions: partitions}}); err != nil {
		t.Fatal(err)
	}
	return "log"
}

func publisher(t *testing.T, cfg kafkabus.Config) *kafkabus.Publisher {
	t.Helper()
	p, err := kafkabus.NewPublisher(cfg, testkit.Logger(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Errorf("close publisher: %v", err)
		}
	})
	return p
}

// numbered makes n messages, spread over keys, whose payload is their number per key: "k3 17".
func numbered(n, keys int) []*message.Message {
	out := make([]*message.Message, n)
	for i := range out {
		key := "k" + strconv.Itoa(i%keys)
		out[i] = message.NewMessage(strconv.Itoa(i), fmt.Appendf(nil, "%s %d", key, i/keys))
		out[i].Metadata = message.Metadata{kafkabus.MetaKey: key, "ce_id": "id-" + strconv.Itoa(i), "traceparent": "00-x"}
	}
	return out
}

func publish(t *testing.T, cfg kafkabus.Config, topic string, messages ...*message.Message) {
	t.Helper()
	if err := publisher(t, cfg).Publish(topic, messages...); err != nil {
		t.Fatal(err)
	}
}

// ledger is a consumer's store: it keeps, per key, the numbers in the order they came.
type ledger struct {
	mu      sync.Mutex
	got     map[string][]int
	batches []int
	places  map[string]bool // partition/offset
}

func newLedger() *ledger { return &ledger{got: map[string][]int{}, places: map[string]bool{}} }

func (l *ledger) handle(_ context.Context, messages []*message.Message) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.batches = append(l.batches, len(messages))
	for _, m := range messages {
		key, number, _ := strings.Cut(string(m.Payload), " ")
		n, err := strconv.Atoi(number)
		if err != nil {
			return fmt.Errorf("payload %q: %w", m.Payload, err)
		}
		l.got[key] = append(l.got[key], n)
		l.places[m.Metadata[kafkabus.MetaPartition]+"/"+m.Metadata[kafkabus.MetaOffset]] = true
	}
	return nil
}

// complete says whether every number below n of every key came.
func (l *ledger) complete(keys, perKey int) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for k := range keys {
		key := "k" + strconv.Itoa(k)
		seen := map[int]bool{}
		for _, n := range l.got[key] {
			seen[n] = true
		}
		if len(seen) != perKey {
			return fmt.Errorf("key %s: %d of %d messages", key, len(seen), perKey)
		}
	}
	return nil
}

// ordered fails if a key went ahead of itself: what is new must be exactly the next number. Repeats may go back.
func (l *ledger) ordered(t *testing.T) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for key, numbers := range l.got {
		next := 0
		for _, n := range numbers {
			if n > next {
				t.Fatalf("key %s: %d came when %d was due", key, n, next)
			}
			if n == next {
				next++
			}
		}
	}
}

// consumer runs a member until stop is called, which waits for it.
func consumer(t *testing.T, cfg kafkabus.Config, group, topic string, handle kafkabus.Handler, opts kafkabus.ConsumeOptions) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	if opts.Log == nil {
		opts.Log = testkit.Logger(t)
	}
	if opts.MinBackoff == 0 {
		opts.MinBackoff, opts.MaxBackoff = 5*time.Millisecond, 50*time.Millisecond
	}
	go func() { done <- kafkabus.Consume(ctx, cfg, group, []string{topic}, handle, opts) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Consume: %v", err)
			}
		case <-time.After(long):
			t.Error("Consume did not return after its context ended")
		}
	})
	t.Cleanup(stop)
	return stop
}

func eventually(t *testing.T, check func() error) {
	t.Helper()
	testkit.Eventually(t, long, 10*time.Millisecond, check)
}

// committed waits until the group has nothing left to read.
func committed(t *testing.T, cfg kafkabus.Config, group, topic string) {
	t.Helper()
	testkit.Eventually(t, long, 100*time.Millisecond, func() error {
		lags, err := kafkabus.Lag(t.Context(), cfg, map[string][]string{group: {topic}})
		if err != nil {
			return err
		}
		for _, l := range lags {
			if l.Messages != 0 {
				return fmt.Errorf("%+v", l)
			}
		}
		return nil
	})
}

func TestNamesAreTakenShortOrFull(t *testing.T) {
	t.Parallel()
	cfg := kafkabus.Config{Brokers: []string{"x:1"}, Namespace: "turnout"}
	for got, want := range map[string]string{
		cfg.Topic("registrations"):         "turnout.registrations",
		cfg.Topic("turnout.registrations"): "turnout.registrations",
		cfg.Group("listing"):               "turnout.listing",
		cfg.DLQ("listing"):                 "turnout.listing.dlq",
		cfg.DLQ("turnout.listing"):         "turnout.listing.dlq",
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestSettingsThatLoseDataAreRefused(t *testing.T) {
	t.Parallel()
	safe := func() *sarama.Config {
		sc := sarama.NewConfig()
		sc.Producer.RequiredAcks, sc.Producer.Idempotent, sc.Net.MaxOpenRequests = sarama.WaitForAll, true, 1
		sc.Consumer.Offsets.Initial = sarama.OffsetOldest
		return sc
	}
	if err := kafkabus.AssertSafe(safe()); err != nil {
		t.Fatal(err)
	}
	if err := kafkabus.AssertSafe(sarama.NewConfig()); err == nil {
		t.Error("sarama's defaults pass")
	}
	for name, spoil := range map[string]func(*sarama.Config){
		"acks of the leader":   func(sc *sarama.Config) { sc.Producer.RequiredAcks = sarama.WaitForLocal },
		"not idempotent":       func(sc *sarama.Config) { sc.Producer.Idempotent = false },
		"several in flight":    func(sc *sarama.Config) { sc.Net.MaxOpenRequests = 5 },
		"starts at the newest": func(sc *sarama.Config) { sc.Consumer.Offsets.Initial = sarama.OffsetNewest },
	} {
		sc := safe()
		spoil(sc)
		if err := kafkabus.AssertSafe(sc); err == nil {
			t.Errorf("%s passes", name)
		}
	}
}

func TestTopicIsNeverRepartitioned(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	for range 2 { // a second time changes nothing
		topic(t, cfg, 2)
	}
	err := kafkabus.EnsureTopics(t.Context(), cfg, []kafkabus.TopicSpec{{Name: "log", Partitions: 4}})
	if err == nil || !strings.Contains(err.Error(), "has 2, wants 4") {
		t.Errorf("got %v", err)
	}
}

func TestUnreachableBrokerIsOneLine(t *testing.T) {
	t.Parallel()
	_, err := kafkabus.NewPublisher(kafkabus.Config{Brokers: []string{"127.0.0.1:1"}, Namespace: "x"}, testkit.Logger(t))
	if err == nil || !strings.Contains(err.Error(), "TURNOUT_KAFKA_BROKERS") || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %q", err)
	}
}
