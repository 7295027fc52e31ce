package command_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"testing"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/seal"
)

// Data keys go to roles that show the service token, on the ops address, and
// to nobody else; what was erased is gone, what never was is not.
func TestDataKeysAreForTheRoles(t *testing.T) {
	t.Parallel()
	r := start(t)
	auth := r.signUp("owner@example.org")
	eventID := r.published(auth, r.organization(auth), nil)
	ada, bob := r.answer(eventID, "ada", 1).want(http.StatusCreated), r.answer(eventID, "bob", 1).want(http.StatusCreated)
	ids := []string{ada.text("id"), bob.text("id"), unique(t)}
	ask := func(auth string, ids []string) response {
		return r.do(request{method: "POST", path: seal.KeyPath, auth: auth, ops: true, body: seal.KeyRequest{IDs: ids}})
	}
	ask("", ids).want(http.StatusUnauthorized)
	ask("Bearer ", ids).want(http.StatusUnauthorized)
	ask("Bearer "+opsToken, ids).want(http.StatusUnauthorized)
	ask(auth, ids).want(http.StatusUnauthorized)
	ask("Bearer "+serviceToken, make([]string, seal.MaxKeyIDs+1)).want(http.StatusBadRequest)
	ask("Bearer "+serviceToken, []string{"x"}).want(http.StatusBadRequest)
	r.do(request{method: "POST", path: seal.KeyPath, auth: "Bearer " + serviceToken, body: seal.KeyRequest{IDs: ids}}).want(http.StatusNotFound)

	r.do(request{method: "POST", path: "/v1/privacy/erase", auth: "Guest " + bob.text("manage_token")}).want(http.StatusOK)
	client, err := seal.NewKeyClient(r.ops, serviceToken, http.DefaultClient)
	if err != nil {
		t.Fatal(err)
	}
	got, err := client.Fetch(t.Context(), ids)
	if err != nil || len(got.Keys) != 1 || len(got.Gone) != 1 || !got.Gone[ids[1]] {
		t.Fatalf("keys %d, gone %v, %v", len(got.Keys), got.Gone, err)
	}
	var payload []byte
	if err := r.pool.QueryRow(t.Context(), `SELECT payload FROM event_log WHERE event_id = $1 AND version = 3`, eventID).Scan(&payload); err != nil {
		t.Fatal(err)
	}
	var m contract.RSVPMessage
	if err := json.Unmarshal(payload, &m); err != nil {
		t.Fatal(err)
	}
	plain, err := seal.Open(got.Keys[ids[0]], m.RSVP.Sealed, ids[0])
	if err != nil {
		t.Fatal(err)
	}
	var who contract.Personal
	if err := json.Unmarshal(plain, &who); err != nil || who.Email != "ada@example.org" || who.Name != "ada" || len(who.EmailHMAC) == 0 {
		t.Errorf("personal data %+v, %v", who, err)
	}
	wrong, err := seal.NewKeyClient(r.ops, "guess", http.DefaultClient)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := wrong.Fetch(t.Context(), ids); !errors.Is(err, seal.ErrKeysAway) {
		t.Errorf("a wrong token: %v", err)
	}
}

func TestOutboxIsForOperators(t *testing.T) {
	t.Parallel()
	r := start(t)
	auth := r.signUp("owner@example.org")
	r.published(auth, r.organization(auth), nil)
	r.do(request{method: "GET", path: "/v1/ops/outbox", ops: true}).want(http.StatusUnauthorized)
	r.do(request{method: "GET", path: "/v1/ops/outbox", ops: true, auth: "Bearer " + serviceToken}).want(http.StatusUnauthorized)
	got := r.do(request{method: "GET", path: "/v1/ops/outbox", ops: true, auth: "Bearer " + opsToken}).want(http.StatusOK)
	var v struct {
		Items []struct {
			Topic   string
			Pending int
			Seconds float64 `json:"oldest_age_seconds"`
		}
	}
	if err := json.Unmarshal(got.body, &v); err != nil || len(v.Items) != 2 || v.Items[0].Pending != 2 || v.Items[1].Pending != 1 {
		t.Errorf("%s, %v: want 2 registrations (drafted, published) and 1 organization", got.body, err)
	}
}
