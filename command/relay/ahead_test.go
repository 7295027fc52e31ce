package relay_test

import (
	"errors"
	"sync/atomic"
	"testing"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/turnout-events/turnout/command/relay"
	"github.com/turnout-events/turnout/internal/kafkabus"
)

// halfway publishes only the first half of some calls, as a broker that goes away in between.
type halfway struct {
	message.Publisher
	calls *atomic.Int64
}

func (p halfway) Publish(topic string, messages ...*message.Message) error {
	if p.calls.Add(1)%5 != 0 {
		return p.Publisher.Publish(topic, messages...)
	}
	if err := p.Publisher.Publish(topic, messages[:len(messages)/2]...); err != nil {
		return err
	}
	return errors.New("the broker went away")
}

// Behind a backlog the relay reads while it publishes. What fails then must come before what was read meanwhile.
func TestFailuresBehindABacklogKeepTheOrder(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	last := load(t, f, 7, 7, 60)
	cfg := relay.DefaultConfig()
	cfg.Batch = 5 // of each shard: an event alone in its own takes twelve calls
	var calls atomic.Int64
	f.startWith(t, cfg, func() (message.Publisher, error) {
		out, err := kafkabus.NewPublisher(f.kafka, nil)
		return halfway{out, &calls}, err
	})
	f.drained(t)
	if repeats := check(t, f.read(t), last); repeats == 0 {
		t.Error("no repeats: nothing failed halfway")
	}
	if calls.Load() < 10 {
		t.Errorf("%d calls: there was no backlog", calls.Load())
	}
}
