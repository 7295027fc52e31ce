package main

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/turnout-events/turnout/internal/testkit"
)

// ways in which an engine goes and comes back: it dies, or the network to it
// does, and then only what connects anew gets through.
var ways = []struct {
	name       string
	away, back func(*testkit.Cable)
}{{"cut", (*testkit.Cable).Cut, (*testkit.Cable).Mend}, {"hang", (*testkit.Cable).Hang, (*testkit.Cable).Reroute}}

// Without Postgres nothing is written, which everybody is told at once, and
// everything is read. When it is back, each request has happened once or not
// at all, and its mail goes out.
func TestPostgresGoesAndComesBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cable, through := testkit.NewCableURL(t, w.env["TURNOUT_POSTGRES_URL"])
	w.env["TURNOUT_POSTGRES_URL"] = through
	o := begin(w)
	ada := o.comes("ada")
	mine := []string{"Authorization", "Guest " + ada.ManageToken}
	o.listed(`"going":1`)
	o.read("/v1/rsvps/"+ada.ID, "Guest "+ada.ManageToken)
	o.read("/v1/events/"+o.event+"/guests", "")
	form := o.form("cleo")

	for at, way := range ways {
		way.away(cable)
		// These go on asking, with the same key, over the whole outage: some of
		// them meet it between their COMMIT and its answer.
		var clients sync.WaitGroup
		for n := range 30 {
			clients.Go(func() { w.insist(1000*at+n, o.event, o.acked) })
		}
		bo := map[string]any{"name": "Bo", "email": "bo-" + way.name + "@example.net", "response": "going", "party_size": 1}
		for range 2 {
			o.unavailable("POST", "/v1/events/"+o.event+"/rsvps", bo, "Idempotency-Key", "bo-"+way.name, "Authorization", "")
			o.unavailable("PATCH", "/v1/rsvps/"+ada.ID, map[string]any{"party_size": 2}, mine...)
			o.unavailable("POST", "/v1/events/"+o.event+"/check-ins", map[string]any{"rsvp_id": ada.ID})
			o.unavailable("POST", "/v1/auth/login", map[string]string{"email": "olga@example.org", "password": "a long pass phrase of Olga"})
		}
		if status := o.send(form); status != http.StatusServiceUnavailable {
			t.Errorf("%s: the page's form answered %d", way.name, status)
		}
		for _, path := range []string{
			"/v1/events/" + o.event, "/v1/events/" + o.slug, "/v1/events/" + o.event + "/availability", "/v1/events?q=outage",
			"/v1/events/" + o.event + "/guests", "/e/" + o.slug, "/r/" + ada.ManageToken, "/",
		} {
			o.soon(http.StatusOK, "GET", path, nil)
		}
		o.soon(http.StatusOK, "GET", "/v1/rsvps/"+ada.ID, nil, mine...)
		way.back(cable)
		clients.Wait()
	}
	o.settled()
}

// Without Kafka answers are taken as ever and wait in the outbox. When it is
// back, everything appears, in order, and each guest has one mail.
func TestKafkaGoesAndComesBack(t *testing.T) {
	t.Parallel()
	broker := testkit.OwnBroker(t)
	w := newWorld(t)
	w.env["TURNOUT_KAFKA_BROKERS"] = broker.Addr
	w.env["TURNOUT_NOTIFIER_QUIET"] = "1h" // what the fickle change is told in no mail of this test, however long it takes
	o := begin(w)
	o.comes("ada")
	o.listed(`"going":1`)
	o.drained()

	broker.Kill()
	var fickle []guest
	for n := range 20 {
		g := o.comes(fmt.Sprintf("guest%d", n))
		if n%5 == 0 {
			fickle = append(fickle, g)
		}
	}
	for _, g := range fickle { // several messages about one answer: their order matters
		for size := 2; size <= 4; size++ {
			o.soon(http.StatusOK, "PATCH", "/v1/rsvps/"+g.ID, map[string]any{"party_size": size},
				"Authorization", "Guest "+g.ManageToken, "Idempotency-Key", fmt.Sprintf("of %d", size))
		}
	}
	for _, path := range []string{"/v1/events/" + o.event, "/v1/events/" + o.event + "/availability", "/v1/events?q=outage", "/e/" + o.slug} {
		o.soon(http.StatusOK, "GET", path, nil)
	}
	var backlog struct{ Items []struct{ Pending int64 } }
	w.want(http.StatusOK, "GET", "/v1/ops/outbox", nil, "Authorization", "Bearer "+opsToken).decode(t, &backlog)
	if got := backlog.Items[0].Pending; got != 20+3*int64(len(fickle)) {
		t.Errorf("%d messages wait for Kafka", got)
	}
	// Who looks at the lag is told something, not left waiting.
	w.want(http.StatusOK, "GET", "/v1/ops/lag", nil, "Authorization", "Bearer "+opsToken)

	broker.Start()
	o.listed(fmt.Sprintf(`"going":%d`, 21+3*len(fickle)))
	o.settled()
	o.oneMailEachExactly()
}

// Without Elasticsearch answers are taken and mailed, events and seats are
// read from Redis, and a search is refused at once. When it is back the
// listing catches up.
func TestElasticsearchGoesAndComesBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cable, through := testkit.NewCableURL(t, w.env["TURNOUT_ELASTIC_URL"])
	w.env["TURNOUT_ELASTIC_URL"] = through
	o := begin(w)
	ada := o.comes("ada")
	o.listed(`"going":1`)
	o.read("/v1/events/"+o.event+"/guests", "")
	o.seats("", `"going":1`)

	for at, way := range ways {
		way.away(cable)
		for n := range 5 {
			o.comes(fmt.Sprintf("%s%d", way.name, n))
		}
		going := fmt.Sprintf(`"going":%d`, 1+5*(at+1))
		o.seats("", going)
		for _, path := range []string{"/v1/events/" + o.event, "/v1/events/" + o.slug} {
			got := o.soon(http.StatusOK, "GET", path, nil)
			if got.Header.Get("Turnout-Degraded") != "search" || !strings.Contains(string(got.Body), going) {
				t.Errorf("%s, %s: degraded %q, %s", way.name, path, got.Header.Get("Turnout-Degraded"), got.Body)
			}
		}
		o.soon(http.StatusOK, "GET", "/e/"+o.slug, nil)
		o.soon(http.StatusServiceUnavailable, "GET", "/", nil) // a page for people, which says that it is a matter of time
		for n := range 2 {
			o.unavailable("GET", fmt.Sprintf("/v1/events?q=outage&limit=%d", 10*at+n+1), nil) // one that nobody remembers
			o.unavailable("GET", "/v1/suggest?q=out", nil)
			o.unavailable("GET", "/v1/events/"+o.event+"/guests", nil)
			o.unavailable("GET", "/v1/rsvps/"+ada.ID, nil, "Authorization", "Guest "+ada.ManageToken)
		}
		w.mail.arrived(t, way.name+"4@example.net", "Outage") // mail needs no search
		way.back(cable)
		o.listed(going)
	}
	o.settled()
	o.oneMailEachExactly()
}

// Without Redis answers are taken, and seats come from the listing and say so.
// A Redis that comes back empty is filled by itself.
func TestRedisGoesAndComesBackEmpty(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	direct := w.env["TURNOUT_REDIS_URL"]
	cable, through := testkit.NewCableURL(t, direct)
	w.env["TURNOUT_REDIS_URL"] = through
	o := begin(w)
	ada := o.comes("ada")
	o.listed(`"going":1`)
	o.read("/v1/rsvps/"+ada.ID, "Guest "+ada.ManageToken)
	o.read("/v1/events/"+o.event+"/guests", "")

	for at, way := range ways {
		o.seats("", fmt.Sprintf(`"going":%d`, 1+5*at))
		way.away(cable)
		for n := range 5 {
			o.comes(fmt.Sprintf("%s%d", way.name, n))
		}
		going := fmt.Sprintf(`"going":%d`, 1+5*(at+1))
		o.seats("seats", going)
		for _, path := range []string{
			"/v1/events/" + o.event, "/v1/events/" + o.slug, "/e/" + o.slug, "/v1/events?q=outage", "/v1/events/" + o.event + "/guests", "/",
		} {
			o.soon(http.StatusOK, "GET", path, nil)
		}
		o.soon(http.StatusOK, "GET", "/v1/rsvps/"+ada.ID, nil, "Authorization", "Guest "+ada.ManageToken)
		var founded struct{ ID string } // meanwhile: who reads it is known from the listing's store
		o.want(http.StatusCreated, "POST", "/v1/organizations", map[string]string{"name": "Founded " + way.name, "slug": "founded-" + way.name},
			"Idempotency-Key", way.name).decode(t, &founded)
		o.read("/v1/organizations/"+founded.ID+"/members", "")
		if way.name == "hang" {
			o.emptyRedis(direct)
		}
		way.back(cable)
		o.seats("", going)
	}
	// Emptied under everybody's eyes, with no connection lost.
	o.emptyRedis(direct)
	o.comes("eve")
	o.seats("", `"going":12`)
	o.soon(http.StatusOK, "GET", "/v1/events/"+o.event+"/guests", nil)
	o.settled()
	o.oneMailEachExactly()
}
