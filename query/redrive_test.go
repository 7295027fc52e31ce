package query_test

import (
	"strings"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/document"
	"github.com/turnout-events/turnout/internal/kafkabus"
	"github.com/turnout-events/turnout/internal/ops"
	"github.com/turnout-events/turnout/internal/testkit"
	"github.com/turnout-events/turnout/projector"
)

// A bad message stops nobody and lies in the dead letters of each group that
// could not apply it; redriving one goes to its own group's handler only.
func TestDeadLetters(t *testing.T) {
	t.Parallel()
	r := start(t)
	ctx := t.Context()
	e := r.event(newID(t), "After the poison")
	poison := r.next(e.ID, contract.EventPublishedV1, e.OrganizationID, map[string]any{"event": "not an object"})
	r.send(contract.TopicRegistrations, poison)
	v := r.publish(e, contract.Counters{})
	ok[map[string]any](t, r.get("/v1/events/"+e.ID, atLeast(e.ID, v)...))

	var letter kafkabus.DeadLetter
	for _, group := range []string{"listing", "availability", "facts"} {
		testkit.Eventually(t, 10*time.Second, 100*time.Millisecond, func() error {
			letters, err := kafkabus.ReadDLQ(ctx, r.kafka, group, 10)
			if err != nil || len(letters) != 1 {
				return errorf("%s: %d letters, %w", group, len(letters), err)
			}
			letter = letters[0]
			if letter.Message.UUID != poison.ID() || letter.Reason == "" {
				t.Errorf("%s: letter %s because of %q", group, letter.Message.UUID, letter.Reason)
			}
			return nil
		})
	}
	deps := r.deps
	deps.Registry = prometheus.NewRegistry()
	p, err := projector.New(ctx, projectorConfig, deps)
	must(t, err)
	if err := ops.Resend(ctx, r.kafka, letter.ID, p.Redrive); err == nil || !strings.Contains(err.Error(), "rejected again") {
		t.Errorf("still poison: %v", err)
	}
	// One that is good by now, a build later.
	other := r.event(newID(t), "Mended")
	good := messageOf(r.next(other.ID, contract.EventPublishedV1, other.OrganizationID, contract.EventMessage{Event: other}))
	if err := p.Redrive(ctx, kafkabus.DeadLetter{Group: "listing", Message: good}); err != nil {
		t.Fatal(err)
	}
	ok[map[string]any](t, r.get("/v1/events/"+other.ID))
	if n, err := r.redis.Exists(ctx, r.redis.Key(document.KeyAvailability, other.ID)).Result(); err != nil || n != 0 {
		t.Errorf("another group applied it too: %d, %v", n, err)
	}
	if err := p.Redrive(ctx, kafkabus.DeadLetter{Group: "notifier", Message: message.NewMessage("x", nil)}); err == nil {
		t.Error("another role's letter was taken")
	}
}
