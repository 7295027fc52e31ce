package projector_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/document"
	"github.com/turnout-events/turnout/internal/elastic"
	"github.com/turnout-events/turnout/internal/kafkabus"
	"github.com/turnout-events/turnout/internal/testkit"
	"github.com/turnout-events/turnout/projector"
	"github.com/turnout-events/turnout/projector/feed"
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
	const rounds = 5
	for round := range rounds {
		index := fmt.Sprintf("%s-%06d", l.elastic.Alias(document.Listings), 2+round)
		late := make(chan error, 1)
		var took time.Duration                  // from the replay's end to the end of the late write
		writeLate := func(replayed time.Time) { // newer seats beside the details of long ago
			old := document.Listing{EventID: event}
			old.SetSeats(61, contract.Counters{Going: 1})
			results, err := l.elastic.Bulk(ctx, []elastic.Op{{Index: index, ID: event, Version: 61, Doc: old}})
			took = time.Since(replayed)
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
					once.Do(func() {
						replayed := time.Now()
						time.AfterFunc(20*time.Millisecond, func() { writeLate(replayed) })
					})
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
		if doc.DetailsVersion == details && doc.SeatsVersion == 61 && doc.Event != nil {
			return
		}
		if took <= 450*time.Millisecond || round == rounds-1 { // else it may have been looked for before it was there
			t.Fatalf("details of version %d, want %d; seats of %d, written within %s", doc.DetailsVersion, details, doc.SeatsVersion, took)
		}
	}
}

// An edit that no document can have, and that lies in the dead letters, keeps
// no listing from being rebuilt.
func TestARebuildPassesOverWhatIsRejected(t *testing.T) {
	t.Parallel()
	l := newLive(t)
	out, err := kafkabus.NewPublisher(l.kafka, nil)
	must(t, err)
	last := l.world.log[len(l.world.log)-1]
	m := messagesOf([]*contract.Envelope{l.world.envelope(last.Subject, last.Version+1, contract.EventEditedV1, last.Org,
		map[string]any{"event": "not an object", "counters": contract.Counters{}})})[0]
	m.Metadata.Set(kafkabus.MetaKey, last.Subject)
	must(t, errors.Join(out.Publish(contract.TopicRegistrations, m), out.Close()))
	builder := &projector.Rebuilder{
		Config: projector.Config{Refresh: time.Minute, MaxBatch: 50},
		Deps:   projector.Deps{Log: testkit.Logger(t), Kafka: l.kafka, Elastic: l.elastic, Redis: l.redis, Keys: l.world},
	}
	if report, err := builder.Rebuild(t.Context(), document.Listings); err != nil || report.Rejected != 1 {
		t.Errorf("%+v, %v", report, err)
	}
}

// A rebuild that fails leaves nothing of one that was killed before it: in an
// index that no alias leads to nobody would erase anything.
func TestAKilledRebuildLeavesNoGuestsBehind(t *testing.T) {
	t.Parallel()
	l := newLive(t)
	builder := &projector.Rebuilder{
		Config: projector.Config{Refresh: time.Minute, MaxBatch: 50},
		Deps:   projector.Deps{Log: testkit.Logger(t), Kafka: l.kafka, Elastic: l.elastic, Redis: l.redis, Keys: l.world},
	}
	_, err := builder.Rebuild(t.Context(), document.GuestList)
	must(t, err)
	killed, err := l.elastic.NewIndex(t.Context(), document.GuestList, elastic.IndexSpec{})
	must(t, err)
	_, err = l.elastic.SwapAlias(t.Context(), feed.Next(document.GuestList), killed)
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	builder.Progress = func(int64, int64) { cancel() }
	if _, err := builder.Rebuild(ctx, document.GuestList); err == nil {
		t.Error("it did not fail")
	}
	left, err := l.elastic.Physical(t.Context(), document.GuestList)
	alias := l.elastic.Alias(document.GuestList)
	if want := []string{alias + "-000001", alias + "-000002"}; err != nil || !slices.Equal(left, want) {
		t.Errorf("left are %v (%v), want the kept one and the live one: %v", left, err, want)
	}
}

// A message that comes while one event is rebuilt is marked as applied only
// where it is.
func TestARebuildOfAnEventMarksWhatItHasApplied(t *testing.T) {
	t.Parallel()
	l := newLive(t)
	ctx := t.Context()
	builder := &projector.Rebuilder{
		Config: projector.Config{Refresh: time.Minute, MaxBatch: 50},
		Deps:   projector.Deps{Log: testkit.Logger(t), Kafka: l.kafka, Elastic: l.elastic, Redis: l.redis, Keys: l.world},
	}
	last := l.world.log[len(l.world.log)-1]
	rebuilt := make(chan error, 1)
	go func() {
		_, err := builder.RebuildEvent(ctx, last.Subject)
		rebuilt <- err
	}()
	testkit.Eventually(t, 30*time.Second, 5*time.Millisecond, func() error { // the listing is the last to be written
		_, err := l.elastic.Get(ctx, document.Listings, last.Subject)
		return err
	})
	out, err := kafkabus.NewPublisher(l.kafka, nil)
	must(t, err)
	m := messagesOf([]*contract.Envelope{l.world.envelope(last.Subject, last.Version+1, contract.RSVPChangedV1, last.Org,
		contract.RSVPMessage{RSVP: contract.RSVP{ID: newID(t), EventID: last.Subject}})})[0]
	m.Metadata.Set(kafkabus.MetaKey, last.Subject)
	must(t, errors.Join(out.Publish(contract.TopicRegistrations, m), out.Close(), <-rebuilt))
	for _, store := range []string{document.GuestList, document.Facts, document.Listings} {
		marks, err := feed.NewMarks(l.redis, store).Of(ctx, []string{last.Subject})
		if err != nil || marks[last.Subject] != last.Version {
			t.Errorf("%s is marked up to %d, want %d: %v", store, marks[last.Subject], last.Version, err)
		}
	}
}
