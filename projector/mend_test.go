package projector_test

import (
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/document"
	"github.com/turnout-events/turnout/internal/elastic"
	"github.com/turnout-events/turnout/internal/testkit"
	"github.com/turnout-events/turnout/projector"
)

// A projector that read a document before a replay's last write and writes it
// after takes nothing back for good.
func TestARebuildWaitsForWhoReadBefore(t *testing.T) {
	t.Parallel()
	l := newLive(t)
	ctx := t.Context()
	event, details := l.world.log[0].Subject, int64(0)
	for _, e := range l.world.log {
		if e.Subject == event && contract.AboutOf(e.Type) == contract.AboutEvent {
			details = e.Version
		}
	}
	index := l.elastic.Alias(document.Listings) + "-000002"
	late := make(chan error, 1)
	writeLate := func() { // newer seats beside the details of long ago
		old := document.Listing{EventID: event}
		old.SetSeats(61, contract.Counters{Going: 1})
		results, err := l.elastic.Bulk(ctx, []elastic.Op{{Index: index, ID: event, Version: 61, Doc: old}})
		if err == nil {
			_, err = elastic.Sum(results)
		}
		late <- err
	}
	var once sync.Once
	builder := &projector.Rebuilder{
		Config: projector.Config{Refresh: time.Minute, MaxBatch: 50},
		Deps:   projector.Deps{Log: testkit.Logger(t), Kafka: l.kafka, Elastic: l.elastic, Redis: l.redis, Keys: l.world},
		Progress: func(done, total int64) {
			if done == total {
				once.Do(func() { time.AfterFunc(200*time.Millisecond, writeLate) })
			}
		},
	}
	report, err := builder.Rebuild(ctx, document.Listings)
	if err := errors.Join(err, <-late); err != nil || report.Index != index {
		t.Fatal(report.Index, err)
	}
	got, err := l.elastic.Get(ctx, document.Listings, event)
	must(t, err)
	var doc document.Listing
	must(t, json.Unmarshal(got.Source, &doc))
	if doc.DetailsVersion != details || doc.SeatsVersion != 61 || doc.Event == nil {
		t.Errorf("details of version %d, want %d; seats of %d", doc.DetailsVersion, details, doc.SeatsVersion)
	}
}
