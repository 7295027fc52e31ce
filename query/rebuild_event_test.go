package query_test

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/document"
	"github.com/turnout-events/turnout/internal/testkit"
	"github.com/turnout-events/turnout/projector"
)

// The event that is repaired may be busy: nothing that is stored of it is
// missing for a moment or goes back, and what was wrong does not come again.
func TestRebuildOfABusyEvent(t *testing.T) {
	t.Parallel()
	r := start(t)
	ctx := t.Context()
	org := newID(t)
	e := r.event(org, "Busy", func(e *contract.Event) { e.Capacity = n(10_000) })
	r.publish(e, contract.Counters{Capacity: n(10_000)})
	ok[map[string]any](t, r.get("/v1/events/"+e.ID, atLeast(e.ID, 1)...))
	ok[map[string]any](t, r.get("/v1/events/"+e.ID+"/availability", atLeast(e.ID, 1)...))
	stored := func() (doc document.Listing) {
		t.Helper()
		got, err := r.elastic.Get(ctx, document.Listings, e.ID)
		must(t, err)
		must(t, json.Unmarshal(got.Source, &doc))
		return doc
	}
	stop := make(chan struct{})
	var traffic sync.WaitGroup
	traffic.Go(func() {
		for i := 1; ; i++ {
			select {
			case <-stop:
				return
			case <-time.After(2 * time.Millisecond):
			}
			r.answer(contract.RSVPConfirmedV1, contract.RSVP{ID: newID(t), Response: contract.Going, EventID: e.ID, OrganizationID: org,
				Status: contract.StatusConfirmed, PartySize: 1}, contract.Personal{Name: "G"}, contract.Counters{Capacity: n(10_000), Going: i})
		}
	})
	traffic.Go(func() {
		var seen, listed int64
		for {
			select {
			case <-stop:
				return
			default:
			}
			v, err := r.redis.HGet(ctx, r.redis.Key(document.KeyAvailability, e.ID), document.FieldVersion).Int64()
			if err != nil || v < seen {
				t.Errorf("seats are of version %d after %d: %v", v, seen, err)
			}
			got, err := r.elastic.Get(ctx, document.Listings, e.ID)
			var doc document.Listing
			if err == nil {
				err = json.Unmarshal(got.Source, &doc)
			}
			if err != nil || doc.Version < listed {
				t.Errorf("the document is of version %d after %d: %v", doc.Version, listed, err)
			}
			seen, listed = v, doc.Version
		}
	})
	builder := &projector.Rebuilder{Config: projectorConfig, Deps: r.deps}
	for range 3 {
		for { // details that nobody wrote, of a version that no message will better
			doc := stored()
			doc.Event = json.RawMessage(strings.Replace(string(doc.Event), "Busy", "Wrong", 1))
			results, err := r.elastic.Bulk(ctx, opOf(document.Listings, e.ID, doc.Version, doc))
			must(t, err)
			if results[0].HTTP < 300 {
				break
			}
		}
		if _, err := builder.RebuildEvent(ctx, e.ID); err != nil {
			t.Error(err)
		}
		if doc := stored(); !strings.Contains(string(doc.Event), "Busy") {
			t.Errorf("still wrong: %s", doc.Event)
		}
	}
	close(stop)
	traffic.Wait()
	testkit.Eventually(t, 10*time.Second, 50*time.Millisecond, func() error {
		if doc := stored(); doc.Version != r.versions[e.ID] || !strings.Contains(string(doc.Event), "Busy") {
			return errorf("at last: %+v, want version %d", doc, r.versions[e.ID])
		}
		return nil
	})
}
