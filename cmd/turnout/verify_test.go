package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/turnout-events/turnout/command/audit"
	"github.com/turnout-events/turnout/internal/document"
	"github.com/turnout-events/turnout/internal/elastic"
	"github.com/turnout-events/turnout/internal/redisconn"
	"github.com/turnout-events/turnout/internal/testkit"
)

// A system that works agrees with itself in every store; a store that was tampered with is named.
func TestVerifyComparesEveryStore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.serveHere()
	w.organizer()
	event, _ := w.event("Audit", 25*24*time.Hour, map[string]any{"capacity": 3})
	var told []audit.Acknowledged
	for i := range 6 {
		var r struct {
			ID, Status string
			Version    int64
		}
		name := fmt.Sprintf("guest%d", i)
		w.want(201, "POST", "/v1/events/"+event+"/rsvps", map[string]any{
			"name": name, "email": name + "@example.net", "response": "going", "party_size": 1,
		}, "Idempotency-Key", name, "Authorization", "").decode(t, &r)
		told = append(told, audit.Acknowledged{EventID: event, RSVPID: r.ID, Version: r.Version, Status: r.Status})
	}
	s, err := loadFrom[settings](w.env)
	if err != nil {
		t.Fatal(err)
	}
	look := func(wait time.Duration) (report *audit.Report) {
		t.Helper()
		testkit.Eventually(t, 30*time.Second, 200*time.Millisecond, func() (err error) { // a projector makes its index at its start
			report, err = auditAll(t.Context(), s, told, stores, wait, testkit.Logger(t))
			return err
		})
		return report
	}
	if r := look(2 * time.Minute); r.Failed() || r.RSVPs != 6 || r.Acknowledged != 6 {
		t.Fatalf("a sound system: %+v", r.Findings)
	}
	tamper(t, s, event, told[0].RSVPID)
	r := look(0)
	for _, check := range []string{checkAvailability, checkListing, checkGuestList} {
		if r.Wrong[check] == 0 {
			t.Errorf("%s was changed and is not named: %+v", check, r.Findings)
		}
	}
	if r.Wrong[checkKafka] != 0 || len(r.Wrong) != 3 {
		t.Errorf("more is named than was changed: %+v", r.Wrong)
	}
	// A store that does not answer keeps none of the others from being compared, and the tool from saying that all is well.
	blind := s
	blind.Kafka.Brokers = []string{"127.0.0.1:1"}
	r, err = auditAll(t.Context(), blind, told, stores, 0, testkit.Logger(t))
	var away unreached
	if !errors.As(err, &away) || len(away) != 1 || away[checkKafka] == nil || r == nil || len(r.Wrong) != 3 {
		t.Errorf("without Kafka: %v, %+v", err, r)
	}
	// Without the topic's messages.
	s.Kafka.Namespace += "-empty"
	if _, err := auditAll(t.Context(), s, nil, []string{checkKafka}, 0, testkit.Logger(t)); err == nil {
		t.Error("a topic that is not there passes")
	}
}

// A refill repeats an event from its first version; what a relay published before that is no disorder then. Without it
// a version that came too early is named.
func TestOnlyDisorderThatStaysIsNamed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		versions []int64
		early    int64 // 0: none
	}{
		"in order":                      {[]int64{1, 2, 3, 4}, 0},
		"repeats":                       {[]int64{1, 2, 1, 2, 3, 2, 3}, 0},
		"two changed places":            {[]int64{1, 2, 4, 3, 5}, 4},
		"and the relay sent them again": {[]int64{1, 2, 4, 3, 4, 5}, 4},
		"a gap":                         {[]int64{1, 2, 4, 5}, 4},
		"refilled while a relay runs":   {[]int64{5, 1, 2, 6, 3, 4, 5, 6}, 0},
		"refilled in part":              {[]int64{5, 1, 2, 3}, 5},
		"refilled after a gap":          {[]int64{1, 2, 4, 5, 1, 2, 3, 4, 5}, 0},
	} {
		var s sight
		for _, v := range c.versions {
			s.add("e", v)
		}
		if early := s.early; (early == nil) != (c.early == 0) || early != nil && early.version != c.early {
			t.Errorf("%s: %+v", name, early)
		}
	}
}

// tamper changes one figure in each read store, at the version that it has.
func tamper(t *testing.T, s settings, event, rsvpID string) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	conn, err := redisconn.Open(ctx, s.Redis, testkit.Logger(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	key := conn.Key(document.KeyAvailability, event)
	body, err := conn.HGet(ctx, key, document.FieldBody).Result()
	if err == nil {
		err = conn.HSet(ctx, key, document.FieldBody, strings.Replace(body, `"going":3`, `"going":2`, 1)).Err()
	}
	if err != nil {
		t.Fatal(err)
	}
	client, err := elastic.Open(ctx, s.Elastic, testkit.Logger(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close(ctx) }()
	for index, change := range map[string]struct{ id, old, new string }{
		document.Listings:  {event, `"going":3`, `"going":2`},
		document.GuestList: {rsvpID, `"status":"confirmed"`, `"status":"maybe"`},
	} {
		doc, err := client.Get(ctx, index, change.id)
		if err != nil {
			t.Fatal(err)
		}
		source := strings.Replace(string(doc.Source), change.old, change.new, 1)
		if source == string(doc.Source) {
			t.Fatalf("%s has no %s: %s", index, change.old, source)
		}
		results, err := client.Bulk(ctx, []elastic.Op{{Index: index, ID: change.id, Version: doc.Version, Doc: json.RawMessage(source)}})
		if err != nil || results[0].Status != elastic.OK {
			t.Fatalf("%s: %v %v", index, err, results)
		}
	}
}
