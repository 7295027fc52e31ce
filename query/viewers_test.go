package query_test

import (
	"bufio"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/document"
	"github.com/turnout-events/turnout/internal/testkit"
	"github.com/turnout-events/turnout/internal/testkit/described"
	"github.com/turnout-events/turnout/projector"
)

// watch opens a stream and gives the versions that it is sent.
func (r *readSide) watch(event, lastEventID string) <-chan int64 {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, r.url+"/v1/events/"+event+"/availability/stream", nil)
	must(r.t, err)
	if lastEventID != "" {
		req.Header.Set("Last-Event-ID", lastEventID)
	}
	res, err := (&http.Client{Transport: described.Transport(r.t, nil)}).Do(req)
	must(r.t, err)
	r.t.Cleanup(func() { _ = res.Body.Close() })
	versions := make(chan int64, 100)
	go func() {
		defer close(versions)
		for lines := bufio.NewScanner(res.Body); lines.Scan(); {
			if id, ok := strings.CutPrefix(lines.Text(), "id: "); ok {
				v, _ := strconv.ParseInt(id, 10, 64)
				versions <- v
			}
		}
	}()
	return versions
}

// next wants a version as the next that is sent.
func next(t *testing.T, from <-chan int64, want int64, who string) {
	t.Helper()
	select {
	case got := <-from:
		if got != want {
			t.Errorf("%s is sent version %d, want %d", who, got, want)
		}
	case <-time.After(time.Minute):
		t.Errorf("%s is sent nothing, want %d", who, want)
	}
}

// Who comes back says what was seen last: what is newer is sent at once, and
// nothing twice. However many watch, the process listens to Redis once.
func TestViewersComeBack(t *testing.T) {
	t.Parallel()
	r := start(t)
	e := r.event(newID(t), "Watched", func(e *contract.Event) { e.Capacity = n(100) })
	v := r.publish(e, contract.Counters{Capacity: n(100)})
	ok[map[string]any](t, r.get("/v1/events/"+e.ID+"/availability", atLeast(e.ID, v)...))
	seat := func(going int) int64 {
		return r.answer(contract.RSVPConfirmedV1, contract.RSVP{ID: newID(t), Response: contract.Going, EventID: e.ID, Status: contract.StatusConfirmed, PartySize: 1},
			contract.Personal{}, contract.Counters{Capacity: n(100), Going: going})
	}
	fresh, knows, confused := r.watch(e.ID, ""), r.watch(e.ID, strconv.FormatInt(v, 10)), r.watch(e.ID, "seventeen")
	var crowd []<-chan int64
	for range 30 {
		crowd = append(crowd, r.watch(e.ID, ""))
	}
	next(t, fresh, v, "a new viewer")
	next(t, confused, v, "one with a strange id")
	second := seat(1)
	next(t, fresh, second, "a new viewer")
	next(t, knows, second, "one who knows the first state") // and was not sent that
	for i, c := range crowd {
		next(t, c, v, "viewer "+strconv.Itoa(i))
		next(t, c, second, "viewer "+strconv.Itoa(i))
	}
	channel := r.redis.Channel(document.ChannelAvailability)
	testkit.Eventually(t, time.Minute, 50*time.Millisecond, func() error {
		n, err := r.redis.PubSubNumSub(t.Context(), channel).Result()
		if err != nil || n[channel] != 1 {
			return fmt.Errorf("%d subscriptions: %w", n[channel], err)
		}
		return nil
	})
	next(t, r.watch(e.ID, strconv.FormatInt(v, 10)), second, "one who comes back late")

	// Redis goes and comes back: the streams stay, and go on from there.
	r.redisCable.Cut()
	third := seat(2)
	ok[document.Availability](t, r.get("/v1/events/"+e.ID+"/availability", atLeast(e.ID, third)...))
	r.redisCable.Mend()
	next(t, fresh, third, "a viewer whom Redis has left")
	next(t, knows, third, "another")
}

// Only the subscription loses its connection, and what is published before it
// has another is lost: who watches is told all the same.
func TestViewersMissNothingWhenTheSubscriptionIsCut(t *testing.T) {
	t.Parallel()
	r := start(t)
	e := r.event(newID(t), "Watched", func(e *contract.Event) { e.Capacity = n(100) })
	v := r.publish(e, contract.Counters{Capacity: n(100)})
	ok[map[string]any](t, r.get("/v1/events/"+e.ID+"/availability", atLeast(e.ID, v)...))
	viewer := r.watch(e.ID, strconv.FormatInt(v, 10))
	testkit.Eventually(t, time.Minute, 20*time.Millisecond, func() error {
		if res := r.get("/v1/events/" + e.ID + "/availability"); !strings.Contains(string(res.body), `"going":0`) {
			return fmt.Errorf("seats: %s", res.body)
		}
		return nil
	})
	body, err := document.NewAvailability(e.ID, v+1, contract.Counters{Capacity: n(100), Going: 1}).Encode()
	must(t, err)
	must(t, r.redis.HSet(t.Context(), r.redis.Key(document.KeyAvailability, e.ID), document.FieldVersion, v+1, document.FieldBody, body).Err()) // told to nobody
	clients, err := r.redis.ClientList(t.Context()).Result()
	must(t, err)
	killed := 0
	for line := range strings.Lines(clients) {
		if strings.Contains(line, " name=query-"+r.kafka.Namespace+" ") && strings.Contains(line, " sub=1 ") {
			id, _, _ := strings.Cut(strings.TrimPrefix(line, "id="), " ")
			must(t, r.redis.ClientKillByFilter(t.Context(), "ID", id).Err())
			killed++
		}
	}
	next(t, viewer, v+1, fmt.Sprintf("who watches while %d subscriptions are cut", killed))
}

// Seats that were wrong and are repaired reach who watches and who comes back,
// also where their version is the same or a lower one.
func TestViewersSeeRepairedSeats(t *testing.T) {
	t.Parallel()
	r := start(t)
	ctx := t.Context()
	channel := r.redis.Channel(document.ChannelAvailability)
	builder := &projector.Rebuilder{Config: projectorConfig, Deps: r.deps}
	for _, version := range []int64{1, 9999} {
		e := r.event(newID(t), "Wrong")
		r.publish(e, contract.Counters{Going: 3})
		path := "/v1/events/" + e.ID + "/availability"
		ok[document.Availability](t, r.get(path, atLeast(e.ID, 1)...))
		body, err := document.NewAvailability(e.ID, version, contract.Counters{Going: 77}).Encode()
		must(t, err)
		must(t, r.redis.HSet(ctx, r.redis.Key(document.KeyAvailability, e.ID), document.FieldVersion, version, document.FieldBody, body).Err())
		must(t, r.redis.Publish(ctx, channel, body).Err())
		var wrong response
		testkit.Eventually(t, time.Minute, 50*time.Millisecond, func() error {
			if wrong = r.get(path); !strings.Contains(string(wrong.body), `"going":77`) {
				return fmt.Errorf("seats: %s", wrong.body)
			}
			return nil
		})
		viewer := r.watch(e.ID, "")
		next(t, viewer, version, "who watches what is wrong")
		if _, err := builder.RebuildEvent(ctx, e.ID); err != nil {
			t.Error(err)
		}
		next(t, viewer, 1, fmt.Sprintf("a viewer of version %d", version))
		if version > 1 {
			next(t, r.watch(e.ID, strconv.FormatInt(version, 10)), 1, fmt.Sprintf("one who comes back to version %d", version))
		}
		if got := r.get(path, "If-None-Match", wrong.header.Get("ETag")); !strings.Contains(string(got.body), `"going":3`) {
			t.Errorf("who has version %d kept gets %d %s", version, got.status, got.body)
		}
	}
}
