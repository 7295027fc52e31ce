package command_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
)

// 300 guests press the button at once, in two processes, for 7 seats in
// parties of one and two: nobody is seated beyond, no seat stays empty while
// somebody who fits was refused, and every answer that was given is stored.
func TestTheLastSeats(t *testing.T) {
	t.Parallel()
	const guests, capacity = 300, 7
	r := start(t)
	auth := r.signUp("owner@example.org")
	orgID := r.organization(auth)
	for policy, refused := range map[string]string{"none": "event-full", "auto": ""} {
		eventID := r.published(auth, orgID, map[string]any{"capacity": capacity, "waitlist_policy": policy})
		roles := []*role{r, r.again()}
		var mu sync.Mutex
		var wg sync.WaitGroup
		outcomes, seated, stored := map[string]int{}, 0, map[string]string{}
		for g := range guests {
			wg.Go(func() {
				party := 1 + g%2
				got, err := roles[g%2].insist(request{method: "POST", path: "/v1/events/" + eventID + "/rsvps", key: fmt.Sprint(g),
					body: guest(fmt.Sprintf("guest%d", g), party)})
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err != nil:
					t.Error(err)
				case got.status == http.StatusCreated:
					outcomes[got.text("status")]++
					stored[got.text("id")] = got.text("status")
					if got.text("status") == "confirmed" {
						seated += party
					}
				default:
					outcomes[got.text("code")]++
				}
			})
		}
		wg.Wait()
		if seated != capacity {
			t.Errorf("%s: %d people were told that they have a seat, there are %d: %v", policy, seated, capacity, outcomes)
		}
		if outcomes["confirmed"]+outcomes["waitlisted"]+outcomes[refused]+outcomes["not-enough-seats"] != guests {
			t.Errorf("%s: %v", policy, outcomes)
		}
		rows, err := r.pool.Query(t.Context(), `SELECT id::text, status FROM rsvp WHERE event_id = $1`, eventID)
		if err != nil {
			t.Fatal(err)
		}
		found := 0
		for rows.Next() {
			var rsvpID, status string
			if err := rows.Scan(&rsvpID, &status); err != nil {
				t.Fatal(err)
			}
			found++
			if stored[rsvpID] != status {
				t.Errorf("%s: %s is %s, its guest was told %q", policy, rsvpID, status, stored[rsvpID])
			}
		}
		if found != len(stored) || rows.Err() != nil {
			t.Errorf("%s: %d answers stored, %d were acknowledged: %v", policy, found, len(stored), rows.Err())
		}
		proof := r.do(request{method: "GET", path: "/v1/events/" + eventID + "/certificate"}).want(http.StatusOK).json()
		if proof["capacity_never_exceeded"] != true || proof["intact"] != true || proof["most_seated"] != float64(capacity) {
			t.Errorf("%s: certificate %v", policy, proof)
		}
	}
}
