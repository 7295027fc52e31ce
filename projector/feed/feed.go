// Package feed is what every projector does with a batch before and after its
// own work: decode, count gaps, write with versions, set marks.
package feed

import (
	"errors"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/kafkabus"
)

// Item is a decoded message and its index in the batch.
type Item struct {
	At       int
	Envelope *contract.Envelope
	Position kafkabus.Position
}

// Rejects collects the messages of a batch that can never be applied.
type Rejects map[int]error

// Add marks the message at an index; the first reason stays.
func (r Rejects) Add(at int, reason error) {
	if _, there := r[at]; !there {
		r[at] = reason
	}
}

// Others gives the items that are not rejected. A rejected one leaves a gap in
// its event's versions until it is redriven.
func (r Rejects) Others(items []Item) []Item {
	if len(r) == 0 {
		return items
	}
	out := make([]Item, 0, len(items))
	for _, it := range items {
		if r[it.At] == nil {
			out = append(out, it)
		}
	}
	return out
}

// Err is what a handler returns once everything else is applied.
func (r Rejects) Err() error {
	if len(r) == 0 {
		return nil
	}
	return &kafkabus.Rejected{Reasons: r}
}

// Decode reads a batch; what cannot be read is rejected.
func Decode(messages []*message.Message) ([]Item, Rejects) {
	items := make([]Item, 0, len(messages))
	rejects := Rejects{}
	for i, m := range messages {
		env, err := contract.Decode(m.Metadata, m.Payload)
		if err == nil && env.Version > maxVersion {
			err = errVersion
		}
		if err != nil {
			rejects.Add(i, err)
			continue
		}
		items = append(items, Item{At: i, Envelope: env, Position: kafkabus.PositionOf(m)})
	}
	return items, rejects
}

// Versions travel through Lua and JSON, whose numbers are exact to 2^53.
const maxVersion = 1 << 53

var errVersion = errors.New("version beyond 2^53")
