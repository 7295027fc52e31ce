package query_test

import (
	"testing"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
)

// The curve shows when guests stood at the door, though a device without a
// network told it hours later.
func TestCheckInCurveIsOfTheDoorsTime(t *testing.T) {
	t.Parallel()
	r := start(t)
	org, owner := newID(t), newID(t)
	r.organization(org, contract.Member{AccountID: owner, Role: contract.RoleOwner})
	e := r.event(org, "Without a network")
	r.publish(e, contract.Counters{})
	noon := time.Now().UTC().Truncate(24 * time.Hour).Add(-12 * time.Hour)
	var last int64
	for i, at := range []time.Duration{2 * time.Minute, 14 * time.Minute, 31 * time.Minute} {
		v := contract.RSVP{ID: newID(t), Response: contract.Going, EventID: e.ID, OrganizationID: org, Status: contract.StatusConfirmed, PartySize: 1}
		r.answer(contract.RSVPConfirmedV1, v, contract.Personal{Name: "A"}, contract.Counters{Going: i + 1})
		v.CheckedIn = 1
		env := r.sealed(contract.CheckedInV1, v, contract.Personal{Name: "A"}, contract.Counters{Going: i + 1, CheckedIn: i + 1})
		body, err := env.RSVP()
		must(t, err)
		body.Before = contract.Change{Status: contract.StatusConfirmed, PartySize: 1}
		env.Payload, env.ValidAt = encode(t, body), noon.Add(at)
		r.send(contract.TopicRegistrations, env)
		last = env.Version
	}
	got := ok[struct {
		Curve []struct {
			At     time.Time
			People int
		} `json:"check_in_curve"`
	}](t, r.get("/v1/events/"+e.ID+"/analytics", append(atLeast(e.ID, last), "Authorization", "Bearer account:"+owner)...)).Curve
	if len(got) != 2 || !got[0].At.Equal(noon) || got[0].People != 2 || !got[1].At.Equal(noon.Add(30*time.Minute)) || got[1].People != 1 {
		t.Errorf("they came at 12:02, 12:14 and 12:31: %+v", got)
	}
}
