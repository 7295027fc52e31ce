package kafkabus_test

import (
	"slices"
	"testing"
	"time"

	"github.com/turnout-events/turnout/internal/kafkabus"
)

// The end of a topic is the last message of each partition that has one.
func TestEndsAreTheLastMessages(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	if last, err := kafkabus.Ends(t.Context(), cfg, "nowhere"); err != nil || len(last) > 0 {
		t.Fatalf("a topic that is not there ends with %v, %v", last, err)
	}
	log := topic(t, cfg, 12)
	if last, err := kafkabus.Ends(t.Context(), cfg, log); err != nil || len(last) > 0 {
		t.Fatalf("an empty topic ends with %v, %v", last, err)
	}
	const keys, perKey = 5, 40
	publish(t, cfg, log, numbered(keys*perKey, keys)...)
	began := time.Now()
	last, err := kafkabus.Ends(t.Context(), cfg, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("read in %s", time.Since(began))
	partitions := map[int32]bool{}
	for _, m := range last {
		p := kafkabus.PositionOf(m)
		if partitions[p.Partition] {
			t.Errorf("partition %d ends twice", p.Partition)
		}
		partitions[p.Partition] = true
		if want := []string{"k0 39", "k1 39", "k2 39", "k3 39", "k4 39"}; !slices.Contains(want, string(m.Payload)) {
			t.Errorf("partition %d ends with %s", p.Partition, m.Payload)
		}
	}
	if len(last) == 0 || len(last) > keys {
		t.Errorf("%d partitions have an end", len(last))
	}
}
