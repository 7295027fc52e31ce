package reader

import (
	"context"
	"errors"

	"github.com/turnout-events/turnout/internal/document"
	"github.com/turnout-events/turnout/internal/elastic"
)

// Mails is what became of an event's mail of one kind, or an organization's;
// docs/analytics.md defines it. What waits has no outcome and is not counted.
type Mails struct {
	Kind      string `json:"kind"`
	Sent      int64  `json:"sent"` // taken by the mail server, and nothing heard since
	Delivered int64  `json:"delivered"`
	Bounced   int64  `json:"bounced"`
	Dead      int64  `json:"dead"` // given up
	Void      int64  `json:"void"` // of no use any more, never sent
}

// maxKinds is beyond the number of kinds.
const maxKinds = 100

// Mails counts notices by mail by their last outcome; the range is of the time
// at which they were sent, given up or void. By kind, in the order of names.
func (s *Stores) Mails(ctx context.Context, q FactsQuery) ([]Mails, error) {
	filter := append(q.Range.of("finished_at"), object{"exists": object{"field": "finished_at"}})
	owner := term("organization_id", q.Organization)
	if q.Event != "" {
		owner = term("event_id", q.Event)
	}
	var out struct {
		Kinds struct {
			Buckets []struct {
				Kind   string `json:"key"`
				States struct {
					Buckets []struct {
						State string `json:"key"`
						count
					} `json:"buckets"`
				} `json:"states"`
			} `json:"buckets"`
		} `json:"kinds"`
	}
	err := s.aggregate(ctx, document.Outcomes, object{"bool": object{"filter": append(filter, owner, term("channel", "mail"))}}, object{
		"kinds": object{
			"terms": object{"field": "kind", "size": maxKinds, "order": object{"_key": "asc"}},
			"aggs":  object{"states": object{"terms": object{"field": "state", "size": 10}}},
		}}, &out)
	mails := make([]Mails, 0, len(out.Kinds.Buckets))
	if errors.Is(err, elastic.ErrNotFound) {
		return mails, nil // no projector of this release has run yet: nothing was heard of
	}
	for _, b := range out.Kinds.Buckets {
		m := Mails{Kind: b.Kind}
		for _, state := range b.States.Buckets {
			m.Add(state.State, state.N)
		}
		mails = append(mails, m)
	}
	return mails, err
}

// Add counts n notices of a state.
func (m *Mails) Add(state string, n int64) {
	switch state {
	case "sent":
		m.Sent += n
	case "delivered":
		m.Delivered += n
	case "bounced":
		m.Bounced += n
	case "dead":
		m.Dead += n
	case "void":
		m.Void += n
	}
}
