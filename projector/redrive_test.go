package projector_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/document"
	"github.com/turnout-events/turnout/internal/elastic"
	"github.com/turnout-events/turnout/internal/kafkabus"
	"github.com/turnout-events/turnout/internal/testkit"
	"github.com/turnout-events/turnout/projector"
	"github.com/turnout-events/turnout/projector/feed"
	"github.com/turnout-events/turnout/projector/listing"
)

// busy is an event of which the listing has the details of version 1.
type busy struct {
	*stores
	world *world
	event contract.Event
}

func newBusy(t *testing.T) *busy {
	t.Helper()
	w := newWorld(t, rand.New(rand.NewPCG(3, 4)))
	b := &busy{stores: open(t, w), world: w}
	body, err := w.log[0].Event()
	must(t, err)
	b.event = body.Event
	must(t, b.handlers[listing.Group](t.Context(), []*message.Message{b.edited(1, "first")}))
	return b
}

func (b *busy) message(version int64, wireName string, payload any) *message.Message {
	return messagesOf([]*contract.Envelope{b.world.envelope(b.event.ID, version, wireName, b.event.OrganizationID, payload)})[0]
}

func (b *busy) edited(version int64, title string, change ...func(*contract.Event)) *message.Message {
	e := b.event
	e.Title = title
	for _, c := range change {
		c(&e)
	}
	return b.message(version, contract.EventEditedV1, contract.EventMessage{Event: e, Counters: contract.Counters{Going: int(version)}})
}

func (b *busy) answered(version int64) *message.Message {
	return b.message(version, contract.RSVPChangedV1, contract.RSVPMessage{
		RSVP: contract.RSVP{ID: newID(b.t), EventID: b.event.ID, Status: contract.StatusConfirmed}, Counters: contract.Counters{Going: int(version)}})
}

func (b *busy) stored() (doc document.Listing, title string) {
	b.t.Helper()
	got, err := b.elastic.Get(b.t.Context(), document.Listings, b.event.ID)
	must(b.t, err)
	must(b.t, json.Unmarshal(got.Source, &doc))
	var e contract.Event
	must(b.t, json.Unmarshal(doc.Event, &e))
	return doc, e.Title
}

// A projector that read the document before a letter is redriven and writes it
// after takes nothing back for good.
func TestARedrivenEditStays(t *testing.T) {
	t.Parallel()
	b := newBusy(t)
	ctx := t.Context()
	p, err := projector.New(ctx, projector.Config{Refresh: time.Minute, MaxBatch: 50}, projector.Deps{
		Log: testkit.Logger(t), Registry: prometheus.NewRegistry(), Elastic: b.elastic, Redis: b.redis, Keys: b.world})
	must(t, err)
	const rounds = 6
	for round := range int64(rounds) {
		edit := 6 + 3*round // between two answers
		must(t, b.handlers[listing.Group](ctx, []*message.Message{b.answered(edit + 1)}))
		readBefore, _ := b.stored()
		redriven, began := make(chan error, 1), time.Now()
		go func() {
			redriven <- p.Redrive(ctx, kafkabus.DeadLetter{Group: listing.Group, Message: b.edited(edit, "edited")})
		}()
		testkit.Eventually(t, time.Minute, 5*time.Millisecond, func() error {
			if doc, _ := b.stored(); doc.DetailsVersion != edit {
				return fmt.Errorf("details of version %d", doc.DetailsVersion)
			}
			return nil
		})
		readBefore.SetSeats(edit+2, contract.Counters{Going: 8})
		results, err := b.elastic.Bulk(ctx, []elastic.Op{{Index: document.Listings, ID: b.event.ID, Version: edit + 2, Doc: readBefore}})
		took := time.Since(began)
		must(t, err)
		_, err = elastic.Sum(results)
		must(t, errors.Join(err, <-redriven))
		doc, title := b.stored()
		if title == "edited" && doc.DetailsVersion == edit && doc.SeatsVersion == edit+2 {
			return
		}
		if took <= 450*time.Millisecond || round == rounds-1 { // else the look that is waited for may have been before the write
			t.Fatalf("%q of version %d, seats of %d, written within %s", title, doc.DetailsVersion, doc.SeatsVersion, took)
		}
	}
}

// What the store refuses is the letter of the message that said it, not of a
// newer one in the same batch; the rest of the batch is stored.
func TestARefusalIsChargedToItsMessage(t *testing.T) {
	t.Parallel()
	b := newBusy(t)
	nowhere := func(e *contract.Event) {
		lat, lon := 91.0, 0.0
		e.Venue = &contract.Venue{City: "Nowhere", Lat: &lat, Lon: &lon}
	}
	err := b.handlers[listing.Group](t.Context(), []*message.Message{b.edited(5, "good"), b.edited(6, "refused", nowhere), b.answered(7)})
	var rejected *kafkabus.Rejected
	if !as(err, &rejected) || len(rejected.Reasons) != 1 || rejected.Reasons[1] == nil {
		t.Errorf("rejected: %v", err)
	}
	if doc, title := b.stored(); title != "good" || doc.DetailsVersion != 5 || doc.SeatsVersion != 7 || doc.Seats.Going != 7 {
		t.Errorf("%q of version %d, seats of %d: %+v", title, doc.DetailsVersion, doc.SeatsVersion, doc.Seats)
	}
}

// Who always comes too late is told to try again: what it had to write is not
// forgotten.
func TestAWriteThatAlwaysConflictsIsAnError(t *testing.T) {
	t.Parallel()
	// No engine answers nothing but conflicts.
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		body := `{"docs":[{"_id":"e","found":false}]}`
		if strings.HasSuffix(r.URL.Path, "_bulk") {
			body = `{"items":[{"index":{"status":409,"error":{"type":"version_conflict_engine_exception","reason":"newer"}}}]}`
		}
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(server.Close)
	log := testkit.Logger(t)
	es, err := elastic.Open(t.Context(), elastic.Config{URL: server.URL, Namespace: "t"}, log)
	must(t, err)
	t.Cleanup(func() { _ = es.Close(context.WithoutCancel(t.Context())) })
	applied := func(context.Context, []feed.Item) { t.Error("counted as applied") }
	w := newWorld(t, rand.New(rand.NewPCG(5, 6)))
	handle := listing.New(es, feed.To(document.Listings), applied, log).Handle
	var rejected *kafkabus.Rejected
	if err := handle(t.Context(), messagesOf(w.log[:1])); err == nil || as(err, &rejected) {
		t.Errorf("%v", err)
	}
}

// However long an event's history is, its document is written soon after it was
// read: a hot event is written by others often.
func TestAHotEventIsRewrittenSoonAfterItIsRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t, rand.New(rand.NewPCG(7, 8)))
	var items []feed.Item
	first, err := w.log[0].Event()
	must(t, err)
	const long = 5000
	for v := range int64(long) {
		env := w.envelope(first.Event.ID, v+1, contract.EventEditedV1, first.Event.OrganizationID, contract.EventMessage{Event: first.Event})
		items = append(items, feed.Item{Envelope: env})
	}
	var began, read time.Time
	var before, quickest time.Duration // until it is read first, and from a reading to its writing
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch {
		case strings.HasSuffix(r.URL.Path, "_mget"):
			if read = time.Now(); before == 0 {
				before = read.Sub(began)
			}
			_, _ = w.Write([]byte(`{"docs":[{"_id":"e","found":false}]}`))
		case strings.HasSuffix(r.URL.Path, "_bulk"):
			if took := time.Since(read); quickest == 0 || took < quickest {
				quickest = took
			}
			_, _ = w.Write([]byte(`{"items":[{"index":{"status":409,"error":{"type":"version_conflict_engine_exception","reason":"newer"}}}]}`))
		default: // who is there
			_, _ = w.Write([]byte(`{}`))
		}
	}))
	t.Cleanup(server.Close)
	es, err := elastic.Open(t.Context(), elastic.Config{URL: server.URL, Namespace: "t"}, testkit.Logger(t))
	must(t, err)
	t.Cleanup(func() { _ = es.Close(context.WithoutCancel(t.Context())) })
	began = time.Now()
	_, err = listing.Rewrite(t.Context(), es, document.Listings, elastic.Doc{ID: first.Event.ID, Version: long}, items)
	must(t, err)
	if quickest == 0 || quickest > before/8 {
		t.Errorf("reading the history took %s, and every writing came %s after its reading or later", before, quickest)
	}
}

// A document of a version that its event has not reached stops nothing.
func TestADocumentThatIsAheadIsWritten(t *testing.T) {
	t.Parallel()
	b := newBusy(t)
	doc, _ := b.stored()
	results, err := b.elastic.Bulk(t.Context(), []elastic.Op{{Index: document.Listings, ID: b.event.ID, Version: 9999, Doc: doc}})
	must(t, err)
	_, err = elastic.Sum(results)
	must(t, err)
	must(t, b.handlers[listing.Group](t.Context(), []*message.Message{b.edited(2, "second")}))
	if doc, title := b.stored(); title != "second" || doc.SeatsVersion != 2 {
		t.Errorf("%q of version %d, seats of %d", title, doc.DetailsVersion, doc.SeatsVersion)
	}
}
