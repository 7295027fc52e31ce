package query_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/document"
	"github.com/turnout-events/turnout/internal/testkit"
	"github.com/turnout-events/turnout/projector"
	"github.com/turnout-events/turnout/projector/availability"
)

// A rebuild of the keys in Redis mends what the version guard would keep for
// ever, removes what the log does not know, says so, and can be taken back.
func TestRebuildOfTheKeys(t *testing.T) {
	t.Parallel()
	r := start(t)
	ctx := t.Context()
	org, owner, stranger := newID(t), newID(t), newID(t)
	r.organization(org, contract.Member{AccountID: owner, Role: contract.RoleOwner})
	counters := contract.Counters{Capacity: n(5), Going: 3}
	wrong, lost, other, right := r.event(org, "Too high"), r.event(org, "Lost"), r.event(org, "Other content"), r.event(org, "Right")
	events := []contract.Event{wrong, lost, other, right}
	for _, e := range events {
		r.publish(e, counters)
		ok[document.Availability](t, r.get("/v1/events/"+e.ID+"/availability", atLeast(e.ID, 1)...))
	}
	ok[map[string]any](t, r.get("/v1/organizations/"+org+"/analytics/overview", "Authorization", "Bearer account:"+owner)) // the role has come
	key := func(family, id string) string { return r.redis.Key(family, id) }
	nobody := newID(t)
	seats := func(e contract.Event, version int64, going int) {
		t.Helper()
		body, err := document.NewAvailability(e.ID, version, contract.Counters{Going: going}).Encode()
		must(t, err)
		must(t, r.redis.HSet(ctx, key(document.KeyAvailability, e.ID), "v", version, "b", body).Err())
	}
	seats(wrong, 9999, 77)
	seats(other, 1, 78)
	must(t, r.redis.HSet(ctx, key(document.KeyEvent, wrong.ID), "v", 9999, "b", `{"id":"`+wrong.ID+`","status":"published"}`).Err())
	must(t, r.redis.HSet(ctx, key(document.KeyRoles, org), "v", 9999, stranger, contract.RoleOwner).Err())
	must(t, r.redis.Del(ctx, key(document.KeyAvailability, lost.ID), key(document.KeyEvent, lost.ID), key(document.KeySlug, lost.Slug)).Err())
	must(t, r.redis.HSet(ctx, key(document.KeyAvailability, nobody), "v", 3, "b", `{"going":1}`).Err())
	must(t, r.redis.Set(ctx, key(document.KeySlug, "of-nobody"), nobody, 0).Err())
	path := "/v1/events/" + wrong.ID + "/availability"
	testkit.Eventually(t, 5*time.Second, 50*time.Millisecond, func() error { // memory has it too
		if got := r.get(path); !strings.Contains(string(got.body), `"going":77`) {
			return errorf("%s", got.body)
		}
		return nil
	})
	version := func(family, id string) string {
		v, err := r.redis.HGet(ctx, key(family, id), document.FieldVersion).Result()
		if err != nil {
			return err.Error()
		}
		return v
	}

	builder := &projector.Rebuilder{Config: projectorConfig, Deps: r.deps}
	report, err := builder.Rebuild(ctx, availability.Group)
	must(t, err)
	if c := report.Compared; c.Older != 3 || c.Missing != 2 || c.Newer != 3 || c.Differ != 1 || len(c.Examples) != 6 {
		t.Errorf("compared: %+v", c)
	}
	for _, e := range events {
		body, err := r.redis.HGet(ctx, key(document.KeyAvailability, e.ID), document.FieldBody).Result()
		must(t, err)
		if got, err := document.DecodeAvailability([]byte(body)); err != nil || got.Version != 1 || got.Going != 3 {
			t.Errorf("%s has %s", e.Title, body)
		}
		if v, id := version(document.KeyEvent, e.ID), r.redis.Get(ctx, key(document.KeySlug, e.Slug)).Val(); v != "1" || id != e.ID {
			t.Errorf("%s is of version %s, and its slug is of %q", e.Title, v, id)
		}
	}
	if v := version(document.KeyRoles, org); v != "1" || r.redis.HExists(ctx, key(document.KeyRoles, org), stranger).Val() {
		t.Errorf("roles are of version %s", v)
	}
	if there := r.redis.Exists(ctx, key(document.KeyAvailability, nobody), key(document.KeySlug, "of-nobody")).Val(); there != 0 {
		t.Errorf("%d keys of nobody are still there", there)
	}
	testkit.Eventually(t, 5*time.Second, 50*time.Millisecond, func() error {
		if got := r.get(path); got.status != http.StatusOK || !strings.Contains(string(got.body), `"going":3`) {
			return errorf("who had the wrong seats in memory says %s", got.body)
		}
		return nil
	})
	if left, err := r.redis.Keys(ctx, r.redis.Key(document.KeyNext, "*")).Result(); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}

	// The way back leads to what was there, but not behind what has come since.
	since := r.answer(contract.RSVPConfirmedV1, contract.RSVP{ID: newID(t), Response: contract.Going, EventID: other.ID, OrganizationID: org,
		Status: contract.StatusConfirmed, PartySize: 1}, contract.Personal{Name: "A"}, counters)
	ok[document.Availability](t, r.get("/v1/events/"+other.ID+"/availability", atLeast(other.ID, since)...))
	if _, err := builder.Rollback(ctx, availability.Group); err != nil {
		t.Fatal(err)
	}
	if v := version(document.KeyRoles, org); v != "9999" {
		t.Errorf("after the way back roles are of version %s", v)
	}
	if v := version(document.KeyAvailability, nobody); v != "3" {
		t.Errorf("after the way back what was removed is of version %s", v)
	}
	if v := version(document.KeyAvailability, other.ID); v != "2" {
		t.Errorf("after the way back seats are of version %s: an answer has come since", v)
	}
	if _, err := builder.Rollback(ctx, availability.Group); err == nil {
		t.Error("twice back")
	}
}

// While keys are swapped and mended under traffic, no right version goes back,
// and none of the messages that met a wrong one is lost.
func TestRebuildOfTheKeysUnderTraffic(t *testing.T) {
	t.Parallel()
	r := start(t)
	ctx := t.Context()
	org := newID(t)
	var events []contract.Event
	for range 20 {
		e := r.event(org, "Busy", func(e *contract.Event) { e.Capacity = n(1000) })
		r.publish(e, contract.Counters{Capacity: n(1000)})
		events = append(events, e)
	}
	for _, e := range events {
		ok[document.Availability](t, r.get("/v1/events/"+e.ID+"/availability", atLeast(e.ID, 1)...))
	}
	wrong, watched := events[0], events[1:]
	must(t, r.redis.HSet(ctx, r.redis.Key(document.KeyAvailability, wrong.ID), "v", 9999, "b", `{"event_id":"`+wrong.ID+`","version":9999}`).Err())
	stop := make(chan struct{})
	var traffic sync.WaitGroup
	traffic.Go(func() {
		for i := 1; ; i++ {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
			}
			e := events[i%len(events)]
			r.answer(contract.RSVPConfirmedV1, contract.RSVP{ID: newID(t), Response: contract.Going, EventID: e.ID, OrganizationID: org,
				Status: contract.StatusConfirmed, PartySize: 1}, contract.Personal{Name: "G"}, contract.Counters{Capacity: n(1000), Going: i})
		}
	})
	traffic.Go(func() { // straight from Redis: a reader's memory would hide a step back
		seen := map[string]int64{}
		for {
			select {
			case <-stop:
				return
			default:
			}
			for _, e := range watched {
				v, err := r.redis.HGet(ctx, r.redis.Key(document.KeyAvailability, e.ID), document.FieldVersion).Int64()
				if err != nil || v < seen[e.ID] {
					t.Errorf("seats are of version %d after %d: %v", v, seen[e.ID], err)
				}
				seen[e.ID] = v
			}
		}
	})
	builder := &projector.Rebuilder{Config: projectorConfig, Deps: r.deps}
	for round := range 5 {
		report, err := builder.Rebuild(ctx, availability.Group)
		must(t, err)
		t.Logf("%+v", report)
		c := report.Compared
		if (c.Older > 0) != (round == 0) || c.Older > 1 || c.Missing > 0 || c.Differ > 0 {
			t.Errorf("round %d: %+v", round, c)
		}
	}
	close(stop)
	traffic.Wait()
	for _, e := range events {
		testkit.Eventually(t, 10*time.Second, 50*time.Millisecond, func() error {
			body, err := r.redis.HGet(ctx, r.redis.Key(document.KeyAvailability, e.ID), document.FieldBody).Bytes()
			var a document.Availability
			if err == nil {
				err = json.Unmarshal(body, &a)
			}
			if err != nil || a.Version != r.versions[e.ID] {
				return errorf("seats are %s, want version %d: %w", body, r.versions[e.ID], err)
			}
			return nil
		})
	}
}
