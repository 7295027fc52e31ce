package main

import (
	"bytes"
	"context"
	"fmt"
	"sync"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/kafkabus"
)

// kafka reads the whole topic: every message of the log must be there with its hash, each first sight in the order of
// its versions. Repeats are normal; what is newer than the audit is not judged.
func (v *comparison) kafka() error {
	return v.settle(checkKafka, func(only []string) ([]finding, error) {
		var mu sync.Mutex
		var found []finding
		seen := map[string]*sight{}
		err := kafkabus.Replay(v.ctx, v.settings.Kafka, contract.TopicRegistrations, func(_ context.Context, messages []*message.Message) error {
			mu.Lock()
			defer mu.Unlock()
			for _, m := range messages {
				if f := v.record(m, seen); f != nil {
					found = append(found, *f)
				}
			}
			return nil
		}, kafkabus.ReplayOptions{})
		if err != nil {
			return nil, err
		}
		for _, s := range seen {
			if s.early != nil {
				found = append(found, *s.early)
			}
		}
		for _, id := range only {
			e := v.events[id]
			last := int64(0)
			if seen[id] != nil {
				last = seen[id].last
			}
			if last < e.Version {
				found = append(found, finding{id, e.Version, fmt.Sprintf("the topic has it up to version %d", last)})
			}
		}
		return found, nil
	})
}

// sight is how far an event's messages were read.
type sight struct {
	last  int64    // the greatest version
	early *finding // the first that came before what it follows
	again int64    // since then a refill has repeated all from version 1 up to here
}

// add takes a version in. A refill repeats an event from version 1 on; what a relay published before it, while it
// ran or while the topic was empty, is then in its order after all.
func (s *sight) add(event string, version int64) {
	switch {
	case version > s.last+1 && s.early == nil:
		s.early = &finding{event, version, fmt.Sprintf("follows version %d", s.last)}
		s.again = 0
	case s.early != nil && (version == 1 || s.again > 0 && version == s.again+1):
		if s.again = version; s.again >= s.early.version {
			s.early = nil
		}
	}
	s.last = max(s.last, version)
}

func (v *comparison) record(m *message.Message, seen map[string]*sight) *finding {
	e, err := contract.Decode(m.Metadata, m.Payload)
	if err != nil {
		return &finding{m.Metadata[kafkabus.MetaKey], 0, err.Error()}
	}
	known, ok := v.events[e.Subject]
	if !ok {
		return nil // made after the audit
	}
	if e.Version <= known.Version && !bytes.Equal(known.Chain[e.Version-1], e.Chain) {
		return &finding{e.Subject, e.Version, "the record's hash is not that of the log"}
	}
	if seen[e.Subject] == nil {
		seen[e.Subject] = &sight{}
	}
	seen[e.Subject].add(e.Subject, e.Version)
	return nil
}
