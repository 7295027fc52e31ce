package command_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/testkit"
)

// What other systems get wrong when it happens at once, here over HTTP, in two
// processes with one database. The rules alone are held to the same in
// command/rsvp/bugs_test.go.

// crowd is an event with guests, each known by name.
type crowd struct {
	*role
	roles   []*role
	auth    string
	eventID string
	guests  map[string]response
}

func newCrowd(t *testing.T, r *role, more map[string]any, names ...string) *crowd {
	t.Helper()
	c := &crowd{role: r, roles: []*role{r, r.again()}, auth: r.signUp("owner@example.org"), guests: map[string]response{}}
	c.eventID = r.published(c.auth, r.organization(c.auth), more)
	for _, name := range names {
		c.guests[name] = r.answer(c.eventID, name, 1).want(http.StatusCreated)
	}
	return c
}

// as is a guest's request about their own answer.
func (c *crowd) as(name, method, path string) request {
	g := c.guests[name]
	return request{method: method, path: "/v1/rsvps/" + g.text("id") + path, auth: "Guest " + g.text("manage_token")}
}

// atOnce sends all requests at the same time, in turn to the two processes.
func (c *crowd) atOnce(requests []request) []response {
	c.t.Helper()
	got := make([]response, len(requests))
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i, q := range requests {
		wg.Go(func() {
			<-start
			var err error
			if got[i], err = c.roles[i%len(c.roles)].insist(q); err != nil {
				c.t.Error(err)
			}
		})
	}
	close(start)
	wg.Wait()
	return got
}

// parties counts the answers by status, and the log's messages of a type.
func (c *crowd) parties(message string) (byStatus map[string]int, messages int) {
	c.t.Helper()
	byStatus = map[string]int{}
	rows, err := c.pool.Query(c.t.Context(), `SELECT status, count(*) FROM rsvp WHERE event_id = $1 GROUP BY status`, c.eventID)
	if err != nil {
		c.t.Fatal(err)
	}
	for rows.Next() {
		var status string
		var n int
		if err := rows.Scan(&status, &n); err != nil {
			c.t.Fatal(err)
		}
		byStatus[status] = n
	}
	err = c.pool.QueryRow(c.t.Context(), `SELECT count(*) FROM event_log WHERE event_id = $1 AND type = $2`, c.eventID, message).Scan(&messages)
	if err != nil || rows.Err() != nil {
		c.t.Fatal(err, rows.Err())
	}
	return byStatus, messages
}

func TestTenGiveUpAtOnceAndTwoWait(t *testing.T) {
	t.Parallel()
	var names []string
	for i := range 12 {
		names = append(names, fmt.Sprintf("guest%d", i))
	}
	c := newCrowd(t, start(t), map[string]any{"capacity": 10}, names...)
	var requests []request
	for _, name := range names[:10] {
		requests = append(requests, c.as(name, "DELETE", ""))
	}
	for _, got := range c.atOnce(requests) {
		got.want(http.StatusOK)
	}
	if parties, promoted := c.parties(contract.RSVPPromotedV1); parties["confirmed"] != 2 || parties["cancelled"] != 10 || promoted != 2 {
		t.Errorf("%v, %d promotions for two who wait", parties, promoted)
	}
}

func TestRaisedByAFewPromotesExactlyThatMany(t *testing.T) {
	t.Parallel()
	var names []string
	for i := range 10 {
		names = append(names, fmt.Sprintf("guest%d", i))
	}
	c := newCrowd(t, start(t), map[string]any{"capacity": 4}, names...)
	resize := func(people int) request {
		return request{method: "PUT", path: "/v1/events/" + c.eventID + "/capacity", auth: c.auth, body: fmt.Sprintf(`{"capacity":%d}`, people)}
	}
	c.do(resize(1)).want(http.StatusOK)
	c.do(c.as(names[0], "DELETE", "")).want(http.StatusOK) // three seated, one seat: nobody follows
	if parties, _ := c.parties(contract.RSVPPromotedV1); parties["confirmed"] != 3 || parties["waitlisted"] != 6 {
		t.Fatalf("lowered: %v", parties)
	}
	// Four members press the same button at once: five seats in all, not five each.
	for _, got := range c.atOnce([]request{resize(5), resize(5), resize(5), resize(5)}) {
		got.want(http.StatusOK)
	}
	if parties, promoted := c.parties(contract.RSVPPromotedV1); parties["confirmed"] != 5 || parties["waitlisted"] != 4 || promoted != 2 {
		t.Errorf("raised to 5: %v, %d promotions", parties, promoted)
	}
}

// The guest presses "accept" again and again around the moment at which the
// offer ends, while both processes sweep: either they have the seat and nobody
// else was offered it, or the next has the offer and no "accept" was ever confirmed.
func TestAnOfferEndsWhileItIsAccepted(t *testing.T) {
	t.Parallel()
	var ahead clock
	c := newCrowd(t, start(t, ahead.set), map[string]any{"capacity": 1, "waitlist_policy": "offer", "offer_ttl": "1h"}, "ada", "bob", "cleo")
	c.do(c.as("ada", "DELETE", "")).want(http.StatusOK)
	held := c.do(request{method: "PATCH", path: c.as("bob", "", "").path, auth: c.as("bob", "", "").auth, body: `{}`}).want(http.StatusOK)
	ends, err := time.Parse(time.RFC3339Nano, held.text("offer_expires_at"))
	if err != nil {
		t.Fatalf("bob: %s", held.body)
	}
	ahead.advance(time.Until(ends) - 15*time.Millisecond)
	var requests []request
	for range 40 {
		requests = append(requests, c.as("bob", "POST", "/accept"))
	}
	accepted, again := 0, 0
	for _, got := range c.atOnce(requests) {
		switch {
		case got.status == http.StatusOK && got.text("status") == "confirmed":
			accepted++
		case got.status == http.StatusConflict && got.text("code") == "wrong-state" && got.text("from") == "confirmed":
			again++ // has the seat already
		case got.status != http.StatusConflict || got.text("code") != "offer-lapsed":
			t.Errorf("accept: %d %s", got.status, got.body)
		}
	}
	testkit.Eventually(t, 10*time.Second, 20*time.Millisecond, func() error { // swept, if nobody accepted
		parties, lapsed := c.parties(contract.RSVPOfferLapsedV1)
		inTime := parties["confirmed"] == 1 && parties["waitlisted"] == 1 && lapsed == 0
		tooLate := parties["confirmed"] == 0 && parties["offered"] == 1 && lapsed == 1
		if accepted == 1 && !inTime || accepted == 0 && (!tooLate || again > 0) || accepted > 1 {
			return fmt.Errorf("%d times accepted, %d times refused as accepted, and then %v, %d lapsed", accepted, again, parties, lapsed)
		}
		return nil
	})
	c.do(request{method: "GET", path: "/v1/events/" + c.eventID + "/certificate"}).want(http.StatusOK)
}

// One guest by any spelling of one address, others by other addresses.
func TestSpellingsOfAnAddress(t *testing.T) {
	t.Parallel()
	r := start(t)
	auth := r.signUp("owner@example.org")
	eventID := r.published(auth, r.organization(auth), nil)
	say := func(email string) response {
		body := guest("ada", 1)
		body["email"] = email
		return r.do(request{method: "POST", path: "/v1/events/" + eventID + "/rsvps", key: unique(t), body: body})
	}
	say("Zoë.Müller@bücher.example").want(http.StatusCreated)
	for _, same := range []string{
		"zoë.müller@bücher.example", "ZOË.MÜLLER@BÜCHER.EXAMPLE", "zoe\u0308.mu\u0308ller@bu\u0308cher.example",
		"zoë.müller@xn--bcher-kva.example", "  zoë.müller@bücher.example ",
	} {
		say(same).want(http.StatusConflict, "already-answered")
	}
	for _, other := range []string{"zoëmüller@bücher.example", "zoë.müller+two@bücher.example", "zoe.muller@bucher.example"} {
		say(other).want(http.StatusCreated)
	}
}
