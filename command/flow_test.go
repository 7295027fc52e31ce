package command_test

import (
	"net/http"
	"strings"
	"testing"
)

// The flow of the README: an organizer publishes, guests answer, one leaves
// and the next of the waitlist gets the seat.
func TestFlow(t *testing.T) {
	t.Parallel()
	r := start(t)
	auth := r.signUp("owner@example.org")
	orgID := r.organization(auth)

	made := r.do(request{method: "POST", path: "/v1/events", auth: auth, body: draft(orgID, map[string]any{"capacity": 2})}).want(http.StatusCreated)
	eventID := made.text("id")
	for name, want := range map[string]string{
		"Location": "/v1/events/" + eventID, "Turnout-Version": version(eventID, 1), "ETag": `"1"`,
	} {
		if got := made.header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if made.text("status") != "draft" || made.text("organization_id") != orgID || made.text("slug") == "" {
		t.Errorf("new event: %s", made.body)
	}
	r.answer(eventID, "early", 1).want(http.StatusNotFound) // a draft is not for guests
	r.do(request{method: "POST", path: "/v1/events/" + eventID + "/publish", auth: auth}).want(http.StatusOK)

	ada := r.answer(eventID, "ada", 2).want(http.StatusCreated)
	bob := r.answer(eventID, "bob", 1).want(http.StatusCreated)
	if ada.text("status") != "confirmed" || bob.text("status") != "waitlisted" || bob.number("position") != 1 {
		t.Fatalf("ada %s, bob %s", ada.body, bob.body)
	}
	if url := ada.text("manage_url"); url != "https://turnout.example/r/"+ada.text("manage_token") {
		t.Errorf("manage_url %q", url)
	}
	if ada.header.Get("Location") != "/v1/rsvps/"+ada.text("id") || ada.header.Get("Turnout-Version") != version(eventID, ada.number("version")) {
		t.Errorf("headers of a new answer: %v", ada.header)
	}

	// The same address again, in another spelling: nothing changes, nothing is told.
	again := guest("ADA", 1)
	again["email"] = "ADA@Example.ORG"
	refused := r.do(request{method: "POST", path: "/v1/events/" + eventID + "/rsvps", body: again, key: unique(t)}).want(http.StatusConflict, "already-answered")
	if strings.Contains(string(refused.body), ada.text("id")) || strings.Contains(string(refused.body), "confirmed") {
		t.Errorf("the refusal tells about the answer that is there: %s", refused.body)
	}

	gone := r.do(request{method: "DELETE", path: "/v1/rsvps/" + ada.text("id"), auth: "Guest " + ada.text("manage_token")}).want(http.StatusOK)
	if gone.text("status") != "cancelled" {
		t.Errorf("cancelled: %s", gone.body)
	}
	grown := r.do(request{method: "PATCH", path: "/v1/rsvps/" + bob.text("id"), auth: "Guest " + bob.text("manage_token"),
		body: map[string]any{"party_size": 2}}).want(http.StatusOK)
	if grown.text("status") != "confirmed" || grown.number("party_size") != 2 {
		t.Errorf("the waiting guest was not promoted: %s", grown.body)
	}
	r.do(request{method: "PATCH", path: "/v1/rsvps/" + bob.text("id"), auth: "Guest " + bob.text("manage_token"),
		body: map[string]any{"party_size": 3}}).want(http.StatusConflict, "not-enough-seats")
}
