package command_test

import (
	"net/http"
	"testing"

	"github.com/turnout-events/turnout/command"
)

// mostPeople sets TURNOUT_MAX_CAPACITY.
func mostPeople(n int) func(*command.Config, *command.Deps) {
	return func(c *command.Config, _ *command.Deps) { c.MaxCapacity = n }
}

// The operator's limit reaches every route that sets a capacity, and a lower
// one leaves the events alone that were made before.
func TestTheCapacityLimitIsTheOperators(t *testing.T) {
	t.Parallel()
	r := start(t, mostPeople(1500))
	auth := r.signUp("owner@example.org")
	orgID := r.organization(auth)
	create := func(r *role, more map[string]any) response {
		body := draft(orgID, more)
		delete(body, "max_party")
		return r.do(request{method: "POST", path: "/v1/events", auth: auth, body: body})
	}
	path := "/v1/events/" + create(r, map[string]any{"capacity": 1500}).want(http.StatusCreated).text("id")
	put := func(r *role, body string) response {
		return r.do(request{method: "PUT", path: path + "/capacity", auth: auth, body: body})
	}
	edit := func(r *role, body string) response {
		return r.do(request{method: "PATCH", path: path, auth: auth, body: body})
	}
	create(r, map[string]any{"capacity": 1501}).wantInvalid("/capacity")
	put(r, `{"capacity":1501}`).wantInvalid("/capacity")
	edit(r, `{"capacity":1501}`).wantInvalid("/capacity")
	r.do(request{method: "POST", path: path + "/duplicate", auth: auth, body: `{"capacity":1501}`}).wantInvalid("/capacity")

	r.change = append(r.change, mostPeople(8))
	low := r.again()
	edit(low, `{"title":"Lanterns"}`).want(http.StatusOK)
	put(low, `{"capacity":1499}`).wantInvalid("/capacity")
	if got := create(low, map[string]any{"capacity": 8}).want(http.StatusCreated); got.number("max_party") != 8 {
		t.Errorf("with a limit of 8 and nothing said: %s", got.body)
	}
	create(low, map[string]any{"capacity": 9}).wantInvalid("/capacity")
}

// wantInvalid fails unless the request was refused for exactly this member.
func (r response) wantInvalid(pointer string) {
	r.t.Helper()
	r.want(http.StatusBadRequest)
	if got := r.pointers(); len(got) != 1 || got[0] != pointer {
		r.t.Errorf("%s: complains about %v, want %s", r.what, got, pointer)
	}
}
