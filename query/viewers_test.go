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
	next := func(from <-chan int64, want int64, who string) {
		t.Helper()
		select {
		case got := <-from:
			if got != want {
				t.Errorf("%s is sent version %d, want %d", who, got, want)
			}
		case <-time.After(10 * time.Second):
			t.Errorf("%s is sent nothing, want %d", who, want)
		}
	}
	fresh, knows, confused := r.watch(e.ID, ""), r.watch(e.ID, strconv.FormatInt(v, 10)), r.watch(e.ID, "seventeen")
	var crowd []<-chan int64
	for range 30 {
		crowd = append(crowd, r.watch(e.ID, ""))
	}
	next(fresh, v, "a new viewer")
	next(confused, v, "one with a strange id")
	second := seat(1)
	next(fresh, second, "a new viewer")
	next(knows, second, "one who knows the first state") // and was not sent that
	for i, c := range crowd {
		next(c, v, "viewer "+strconv.Itoa(i))
		next(c, second, "viewer "+strconv.Itoa(i))
	}
	channel := r.redis.Channel(document.ChannelAvailability)
	testkit.Eventually(t, 5*time.Second, 50*time.Millisecond, func() error {
		n, err := r.redis.PubSubNumSub(t.Context(), channel).Result()
		if err != nil || n[channel] != 1 {
			return fmt.Errorf("%d subscriptions: %w", n[channel], err)
		}
		return nil
	})
	next(r.watch(e.ID, strconv.FormatInt(v, 10)), second, "one who comes back late")

	// Redis goes and comes back: the streams stay, and go on from there.
	r.redisCable.Cut()
	third := seat(2)
	ok[document.Availability](t, r.get("/v1/events/"+e.ID+"/availability", atLeast(e.ID, third)...))
	r.redisCable.Mend()
	next(fresh, third, "a viewer whom Redis has left")
	next(knows, third, "another")
}
