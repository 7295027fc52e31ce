package query_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/document"
	"github.com/turnout-events/turnout/internal/testkit"
	"github.com/turnout-events/turnout/projector"
)

// witness reads what must be there and must not go back.
type witness struct {
	r    *readSide
	seen map[string]float64
	slow time.Time // the end of the last read that took longer than Redis may
}

// read wants 200, at once: nothing is asked again. Only where the machine itself
// is slow is a refusal, or an answer from the store beside it, no fault of the
// rebuild: such reads open the breaker too, so for a while others are refused at
// once.
func (w *witness) read(path string, headers ...string) map[string]any {
	began := time.Now()
	got := w.r.getOnce(path, headers...)
	var body map[string]any
	if now := time.Now(); now.Sub(began) > 300*time.Millisecond {
		w.slow = now
	}
	degraded := got.header.Get("Turnout-Degraded")
	if (got.status == http.StatusServiceUnavailable || degraded != "") && time.Since(w.slow) < 2*time.Second {
		w.r.t.Logf("%s: %d %s after %s on this machine", path, got.status, degraded, time.Since(began))
		return nil
	}
	if got.status != http.StatusOK || json.Unmarshal(got.body, &body) != nil {
		w.r.t.Errorf("a read failed: %s: %d %s", path, got.status, got.body)
	}
	return body
}

func (w *witness) grows(what string, value any) {
	v, there := value.(float64)
	if there && v < w.seen[what] {
		w.r.t.Errorf("%s went back from %v to %v", what, w.seen[what], v)
	}
	w.seen[what] = max(w.seen[what], v)
}

// While every store is rebuilt under traffic, no read fails and no version goes
// back; afterwards the new stores hold what the log says.
func TestRebuildUnderTraffic(t *testing.T) {
	t.Parallel()
	r := start(t)
	org, owner := newID(t), newID(t)
	r.organization(org, contract.Member{AccountID: owner, Role: contract.RoleOwner})
	var events []contract.Event
	for range 5 {
		e := r.event(org, "Rebuilt", func(e *contract.Event) { e.Capacity = n(1000) })
		r.publish(e, contract.Counters{Capacity: n(1000)})
		events = append(events, e)
	}
	for _, e := range events {
		ok[map[string]any](t, r.get("/v1/events/"+e.ID, atLeast(e.ID, 1)...))
	}
	for _, e := range events {
		ok[found](t, r.get("/v1/events?q=rebuilt", atLeast(e.ID, 1)...))
	}
	ok[map[string]any](t, r.get("/v1/organizations/"+org+"/analytics/overview", "Authorization", "Bearer account:"+owner)) // the role has come

	stop := make(chan struct{})
	var watched []string // the reader's own: the writer changes events
	for _, e := range events[:3] {
		watched = append(watched, e.ID)
	}
	var traffic sync.WaitGroup
	traffic.Go(func() { // half of it edits the event, half answers
		for i := 1; ; i++ {
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
			}
			e := &events[i%len(events)]
			c := contract.Counters{Capacity: n(1000), Going: i}
			if i%2 == 0 {
				e.Revision++
				r.send(contract.TopicRegistrations, r.next(e.ID, contract.EventEditedV1, org, contract.EventMessage{Event: *e, Counters: c}))
				continue
			}
			r.answer(contract.RSVPConfirmedV1, contract.RSVP{ID: newID(t), Response: contract.Going, EventID: e.ID, OrganizationID: org, Status: contract.StatusConfirmed, PartySize: 1},
				contract.Personal{Name: "G"}, c)
		}
	})
	traffic.Go(func() {
		w := &witness{r: r, seen: map[string]float64{}}
		for i := 0; ; i++ {
			select {
			case <-stop:
				if i < 2 {
					t.Errorf("only %d rounds of reads", i)
				}
				return
			default:
			}
			for _, watch := range watched {
				page := w.read("/v1/events/" + watch)
				w.grows("event "+watch, page["version"])
				w.grows("edits of "+watch, page["revision"])
				w.grows("seats "+watch, w.read("/v1/events/" + watch + "/availability")["version"])
				w.grows("guests of "+watch, w.read("/v1/events/"+watch+"/guests?limit=1", "Authorization", "Bearer account:"+owner)["total"])
			}
			if hits := w.read("/v1/events?q=rebuilt&limit=5&sort=date"); hits != nil && hits["total"] != float64(len(watched)+2) {
				t.Errorf("a search finds %v of all", hits["total"])
			}
			w.grows("answers", w.read("/v1/organizations/"+org+"/analytics/overview", "Authorization", "Bearer account:"+owner)["answers"])
		}
	})
	builder := &projector.Rebuilder{Config: projectorConfig, Deps: r.deps}
	for _, store := range projector.Rebuildable {
		report, err := builder.Rebuild(t.Context(), store)
		must(t, err)
		t.Logf("%+v", report)
		if report.Compared.Missing > 0 || report.Compared.Older > 0 || report.Compared.Differ > 0 {
			t.Errorf("%s lost something: %+v", store, report.Compared)
		}
	}
	for _, store := range projector.Rebuildable {
		if _, err := builder.Rollback(t.Context(), store); err != nil {
			t.Errorf("rollback of %s: %v", store, err)
		}
	}
	close(stop)
	traffic.Wait()
	for _, e := range events {
		v := r.versions[e.ID]
		got := ok[map[string]any](t, r.get("/v1/events/"+e.ID, atLeast(e.ID, v)...))
		if got["revision"] != float64(e.Revision) || got["version"] != float64(v) {
			t.Errorf("after it all: %v/%v, want %d/%d", got["version"], got["revision"], v, e.Revision)
		}
	}
}

// Redis that lost everything is filled again by itself; until then seats come
// from the listing and say so.
func TestRedisFillsAgain(t *testing.T) {
	t.Parallel()
	r := start(t)
	org, owner := newID(t), newID(t)
	r.organization(org, contract.Member{AccountID: owner, Role: contract.RoleOwner})
	e := r.event(org, "Flushed", func(e *contract.Event) { e.Capacity = n(5) })
	v := r.publish(e, contract.Counters{Capacity: n(5), Going: 3})
	path := "/v1/events/" + e.ID + "/availability"
	before := ok[document.Availability](t, r.get(path, atLeast(e.ID, v)...))
	testkit.Eventually(t, 10*time.Second, 50*time.Millisecond, func() error {
		return r.redis.Get(t.Context(), r.redis.Key(document.KeySentinel)).Err()
	})
	keys, err := r.redis.Keys(t.Context(), r.redis.Key("*")).Result()
	must(t, err)
	must(t, r.redis.Del(t.Context(), keys...).Err())
	degraded := r.get(path, atLeast(e.ID, v)...)
	if got := ok[document.Availability](t, degraded); got.Going != 3 {
		t.Errorf("while Redis is empty: %+v", got)
	}
	// Not for long: the sentinel is gone too.
	testkit.Eventually(t, 15*time.Second, 100*time.Millisecond, func() error {
		return r.redis.HGet(t.Context(), r.redis.Key(document.KeyAvailability, e.ID), document.FieldVersion).Err()
	})
	after := ok[document.Availability](t, r.get(path))
	if after.Version != before.Version || after.Going != before.Going || *after.Remaining != 2 {
		t.Errorf("after: %+v", after)
	}
	if got := r.get("/v1/events/"+e.ID+"/guests", "Authorization", "Bearer account:"+owner); got.status != http.StatusOK {
		t.Errorf("roles after: %d", got.status)
	}
}

// Whatever an operator broke in an event's documents, one command mends it.
func TestRebuildOneEvent(t *testing.T) {
	t.Parallel()
	r := start(t)
	s := r.story()
	asMember := s.member()
	want := r.get("/v1/events/"+s.event.ID, asMember...)
	seats := r.get("/v1/events/"+s.event.ID+"/availability", asMember...)
	ctx := t.Context()
	must(t, r.redis.HSet(ctx, r.redis.Key(document.KeyAvailability, s.event.ID), "v", 9999, "b", `{"going":77}`).Err())
	must(t, r.redis.Del(ctx, r.redis.Key(document.KeyEvent, s.event.ID)).Err())
	doc := map[string]any{"event_id": s.event.ID, "version": s.version, "details_version": 9, "seats_version": 9, "seats": map[string]any{"going": 77}}
	_, err := r.elastic.Bulk(ctx, opOf(document.Listings, s.event.ID, s.version, doc))
	must(t, err)
	builder := &projector.Rebuilder{Config: projectorConfig, Deps: r.deps}
	if _, err := builder.RebuildEvent(ctx, s.event.ID); err != nil {
		t.Fatal(err)
	}
	if got := r.get("/v1/events/"+s.event.ID, asMember...); string(got.body) != string(want.body) {
		t.Errorf("event is %s, want %s", got.body, want.body)
	}
	testkit.Eventually(t, 5*time.Second, 100*time.Millisecond, func() error {
		if got := r.get("/v1/events/"+s.event.ID+"/availability", asMember...); string(got.body) != string(seats.body) {
			return errorf("seats are %s, want %s", got.body, seats.body)
		}
		return nil
	})

	// A version that no message will reach can't be lowered here: the content is right again, and who asked is told.
	doc["version"] = 9999
	_, err = r.elastic.Bulk(ctx, opOf(document.Listings, s.event.ID, 9999, doc))
	must(t, err)
	if _, err := builder.RebuildEvent(ctx, s.event.ID); err == nil || !strings.Contains(err.Error(), "turnout rebuild listing") {
		t.Errorf("a version beyond the log: %v", err)
	}
	if got := r.get("/v1/events/"+s.event.ID, asMember...); string(got.body) != string(want.body) {
		t.Errorf("event is %s, want %s", got.body, want.body)
	}
}

// Whoever deletes an index by hand gets it back, while everything runs.
func TestRebuildOfADeletedIndex(t *testing.T) {
	t.Parallel()
	r := start(t)
	e := r.event(newID(t), "Deleted by hand")
	r.publish(e, contract.Counters{})
	ok[map[string]any](t, r.get("/v1/events/"+e.ID, atLeast(e.ID, 1)...))
	behind, err := r.deps.Elastic.Behind(t.Context(), document.Listings)
	if err != nil || len(behind) != 1 {
		t.Fatal(behind, err)
	}
	if err := r.deps.Elastic.DeleteIndex(t.Context(), behind[0]); err != nil {
		t.Fatal(err)
	}
	if got := r.get("/v1/events/" + e.ID); got.status != http.StatusOK {
		t.Errorf("without the index the event is %d: Redis has it", got.status)
	}
	builder := &projector.Rebuilder{Config: projectorConfig, Deps: r.deps}
	testkit.Eventually(t, time.Minute, 100*time.Millisecond, func() error {
		_, err := builder.Rebuild(t.Context(), document.Listings)
		if !errors.Is(err, projector.ErrFilling) { // by the projector itself, which has missed it too
			must(t, err)
		}
		return err
	})
	if got := r.get("/v1/events/" + e.ID); got.status != http.StatusOK {
		t.Errorf("%d %s", got.status, got.body)
	}
}

// Of a store there is one rebuild at a time: a second would delete the index
// that the first is filling.
func TestOneRebuildAtATime(t *testing.T) {
	t.Parallel()
	r := start(t)
	e := r.event(newID(t), "Once")
	r.publish(e, contract.Counters{})
	ok[map[string]any](t, r.get("/v1/events/"+e.ID, atLeast(e.ID, 1)...))
	builder := &projector.Rebuilder{Config: projectorConfig, Deps: r.deps}
	first := make(chan error)
	go func() {
		_, err := builder.Rebuild(t.Context(), document.Listings)
		first <- err
	}()
	testkit.Eventually(t, 5*time.Second, 10*time.Millisecond, func() error {
		return r.redis.Get(t.Context(), r.redis.Key(document.KeyFilling, document.Listings)).Err()
	})
	for what, run := range map[string]func(context.Context, string) (projector.Report, error){"rebuild": builder.Rebuild, "rollback": builder.Rollback} {
		if _, err := run(t.Context(), document.Listings); !errors.Is(err, projector.ErrFilling) {
			t.Errorf("a %s beside it: %v", what, err)
		}
	}
	must(t, <-first)
	got := ok[found](t, r.get("/v1/events?q=once"))
	if behind, err := r.deps.Elastic.Behind(t.Context(), document.Listings); err != nil || len(behind) != 1 || got.Total != 1 {
		t.Errorf("behind the alias are %v (%v), found %d", behind, err, got.Total)
	}
	if _, err := builder.Rollback(t.Context(), document.Listings); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// Who is erased after a rebuild is erased in the index that is kept to go back
// to as well, and stays erased after going back.
func TestARebuildKeepsNobodyWhoIsErased(t *testing.T) {
	t.Parallel()
	r := start(t)
	ctx := t.Context()
	org, owner := newID(t), newID(t)
	r.organization(org, contract.Member{AccountID: owner, Role: contract.RoleOwner})
	e := r.event(org, "Private")
	r.publish(e, contract.Counters{})
	var guests []contract.RSVP
	for _, name := range []string{"Ada", "Grace"} {
		g := contract.RSVP{ID: newID(t), Response: contract.Going, EventID: e.ID, OrganizationID: org, Status: contract.StatusConfirmed, PartySize: 1}
		r.answer(contract.RSVPConfirmedV1, g, contract.Personal{Name: name, Email: name + "@example.org"}, contract.Counters{Going: 1})
		guests = append(guests, g)
	}
	list := func(v int64) string {
		t.Helper()
		return string(r.get("/v1/events/"+e.ID+"/guests", append(atLeast(e.ID, v), "Authorization", "Bearer account:"+owner)...).body)
	}
	if got := list(3); !strings.Contains(got, "Ada") {
		t.Fatal(got)
	}
	builder := &projector.Rebuilder{Config: projectorConfig, Deps: r.deps}
	report, err := builder.Rebuild(ctx, document.GuestList)
	must(t, err)
	if len(report.Previous) != 1 {
		t.Fatalf("%+v", report)
	}
	erased := guests[0]
	r.keys.mu.Lock()
	r.keys.gone[erased.ID] = true
	r.keys.mu.Unlock()
	erased.Erased = true
	v := r.answer(contract.RSVPErasedV1, erased, contract.Personal{}, contract.Counters{Going: 2})
	check := func(where, got string) {
		t.Helper()
		if strings.Contains(strings.ToLower(got), "ada") || !strings.Contains(got, document.ErasedName) || !strings.Contains(got, "Grace") {
			t.Errorf("%s: %s", where, got)
		}
	}
	check("the live index", list(v))
	testkit.Eventually(t, time.Minute, 20*time.Millisecond, func() error { // the kept one is no concern of readers
		mark, err := r.redis.HGet(ctx, r.redis.Key(document.KeyApplied, e.ID), document.GuestList).Int64()
		if err == nil && mark < v {
			err = errorf("the guest list is at %d", mark)
		}
		return err
	})
	docs, err := r.elastic.MGet(ctx, report.Previous[0], []string{guests[0].ID, guests[1].ID})
	must(t, err)
	check("the kept index", string(docs[0].Source)+string(docs[1].Source))
	_, err = builder.Rollback(ctx, document.GuestList)
	must(t, err)
	check("after going back", list(v))
}
