package query_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/document"
	"github.com/turnout-events/turnout/internal/elastic"
)

// While Redis is filled from the log's beginning it holds what was true long
// ago. Nobody is told that: neither seats that were free once, nor a role that
// was taken away since, nor that an event does not exist.
func TestWhileRedisIsFilled(t *testing.T) {
	t.Parallel()
	r := start(t)
	ctx := t.Context()
	org, owner, former := newID(t), newID(t), newID(t)
	r.organization(org, contract.Member{AccountID: owner, Role: contract.RoleOwner})
	e := r.event(org, "Refilled", func(e *contract.Event) { e.Capacity = n(5) })
	r.publish(e, contract.Counters{Capacity: n(5), Going: 5})
	last := r.answer(contract.RSVPConfirmedV1, contract.RSVP{ID: newID(t), Response: contract.Going, EventID: e.ID, OrganizationID: org,
		Status: contract.StatusConfirmed, PartySize: 1}, contract.Personal{Name: "A"}, contract.Counters{Capacity: n(5), Going: 5})
	page, list := "/v1/events/"+e.ID, "/v1/events/"+e.ID+"/guests"
	ok[map[string]any](t, r.get(list, append(atLeast(e.ID, last), "Authorization", "Bearer account:"+owner)...))
	ok[map[string]any](t, r.get(page, atLeast(e.ID, last)...))
	avail, roles, sentinel := r.redis.Key(document.KeyAvailability, e.ID), r.redis.Key(document.KeyRoles, org), r.redis.Key(document.KeySentinel)

	r.stopProjector() // which would fill it within seconds
	must(t, r.redis.Del(ctx, sentinel).Err())
	must(t, r.redis.HSet(ctx, avail, "v", 1, "b", `{"event_id":"`+e.ID+`","capacity":5,"going":0,"remaining":5,"version":1}`).Err())
	must(t, r.redis.HSet(ctx, roles, "v", 1, former, contract.RoleOwner).Err())
	got := r.get(page + "/availability")
	if a := ok[document.Availability](t, got); a.Going != 5 || a.Version < last || got.header.Get("Turnout-Degraded") != "seats" {
		t.Errorf("seats of long ago: %s %s", got.body, got.header.Get("Turnout-Degraded"))
	}
	if got := r.get(list, "Authorization", "Bearer account:"+former); got.status != http.StatusNotFound {
		t.Errorf("a role of long ago: %s", got.body)
	}
	if got := r.get(list, "Authorization", "Bearer account:"+owner); got.status != http.StatusOK {
		t.Errorf("the owner: %s", got.body)
	}

	// Elasticsearch away as well: nobody can say, so nobody says that it is not there.
	r.elasticCable.Cut()
	for _, path := range []string{page, page + "/availability", "/v1/events/" + e.Slug, "/v1/events/" + newID(t)} {
		if got := r.getOnce(path); got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" {
			t.Errorf("%s with nothing to answer from: %d %s", path, got.status, got.body)
		}
	}
	// Filled again, Redis knows what there is and what is not.
	must(t, r.redis.Set(ctx, sentinel, "test", 0).Err())
	if got := r.get("/v1/events/" + newID(t)); got.status != http.StatusNotFound {
		t.Errorf("no such event, says a filled Redis: %d %s", got.status, got.body)
	}
	if got := r.get(page); got.status != http.StatusOK || got.header.Get("Turnout-Degraded") != "search" {
		t.Errorf("from Redis: %d %s", got.status, got.body)
	}
}

// Where Redis has no mark, the listing having come far says nothing about the
// stores beside it, which may be behind.
func TestNobodyVouchesForAnotherStore(t *testing.T) {
	t.Parallel()
	r := start(t)
	ctx := t.Context()
	s := r.story()
	asMember := s.member()
	list, figures := "/v1/events/"+s.event.ID+"/guests", "/v1/events/"+s.event.ID+"/analytics"
	for _, path := range []string{list, figures} {
		ok[map[string]any](t, r.get(path, asMember...))
	}
	forget := func() { must(t, r.redis.Del(ctx, r.redis.Key(document.KeyApplied, s.event.ID)).Err()) }
	forget()
	for _, path := range []string{list, figures} {
		if got := r.get(path, asMember...); got.status != http.StatusOK {
			t.Errorf("%s without a mark: %d %s", path, got.status, got.body)
		}
	}
	ahead := s.version + 1
	listed, err := r.elastic.Get(ctx, document.Listings, s.event.ID)
	must(t, err)
	var doc document.Listing
	must(t, json.Unmarshal(listed.Source, &doc))
	doc.SetSeats(ahead, doc.Seats)
	results, err := r.elastic.Bulk(ctx, []elastic.Op{{Index: document.Listings, ID: s.event.ID, Version: ahead, Doc: doc}})
	must(t, err)
	_, err = elastic.Sum(results)
	must(t, err)
	later := append(atLeast(s.event.ID, ahead), asMember[2:]...)
	for _, path := range []string{list, figures} {
		if got := r.late(path, later...); got.status != http.StatusConflict {
			t.Errorf("%s of a version that only the listing has: %d %s", path, got.status, got.body)
		}
	}
}
