package notifier

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/jonboulle/clockwork"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/inbox"
	"github.com/turnout-events/turnout/internal/kafkabus"
	"github.com/turnout-events/turnout/internal/testkit"
)

// The whole way: Kafka, Postgres, SMTP, the development inbox. A replay of the
// topic, as after a refill, sends nothing again.
func TestAMessageOnKafkaBecomesOneMailInTheInbox(t *testing.T) {
	t.Parallel()
	ns := testkit.Namespace(t)
	kafka := kafkabus.Config{Brokers: testkit.Engines(t).Kafka, Namespace: ns}
	w := newWorld(t)
	box, err := inbox.New(inbox.Config{SMTPAddr: "127.0.0.1:0", Dir: t.TempDir(), MaxMessages: 100, MaxBytes: 1 << 30}, testkit.Logger(t))
	if err != nil {
		t.Fatal(err)
	}
	run(t, box.Run)
	<-box.Ready()
	w.cfg.Mail.SMTPAddr = box.Addr()
	w.event.StartsAt, w.event.EndsAt = time.Now().Add(72*time.Hour), time.Now().Add(74*time.Hour)

	if err := kafkabus.EnsureTopics(t.Context(), kafka, []kafkabus.TopicSpec{
		{Name: kafka.Topic(contract.TopicRegistrations), Partitions: contract.RegistrationPartitions},
		{Name: kafka.Topic(contract.TopicOrganizations), Partitions: 3},
	}); err != nil {
		t.Fatal(err)
	}
	publisher, err := kafkabus.NewPublisher(kafka, testkit.Logger(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = publisher.Close() })
	messages := []*message.Message{
		w.about(contract.EventDraftedV1, nil),
		w.about(contract.EventPublishedV1, func(e *contract.Event) { e.Status = contract.EventPublished }),
		w.going("ana"),
	}
	for _, m := range messages {
		m.Metadata.Set(kafkabus.MetaKey, w.event.ID)
	}
	n, err := New(w.t.Context(), w.cfg, Deps{Log: testkit.Logger(t), Pool: w.pool, Kafka: kafka, Keys: w.keys, Ring: w.ring, Clock: clockwork.NewRealClock()})
	if err != nil {
		t.Fatal(err)
	}
	run(t, n.Run)
	<-n.Ready()
	if err := publisher.Publish(contract.TopicRegistrations, messages...); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, 20*time.Second, 20*time.Millisecond, func() error {
		if got := box.Messages("ana@example.org"); len(got) != 1 {
			return fmt.Errorf("%d mails in the inbox", len(got))
		}
		return nil
	})
	// The same again, and one that marks the end of the replay.
	last := w.going("bo")
	last.Metadata.Set(kafkabus.MetaKey, w.event.ID)
	if err := publisher.Publish(contract.TopicRegistrations, append(messages, last)...); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, 20*time.Second, 20*time.Millisecond, func() error {
		if got := box.Messages("bo@example.org"); len(got) != 1 {
			return fmt.Errorf("%d mails in the inbox", len(got))
		}
		return nil
	})
	if got := box.Messages("ana@example.org"); len(got) != 1 {
		t.Errorf("after a replay ana has %d mails", len(got))
	}
}

// run starts f and stops it with the test.
func run(t *testing.T, f func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
