package command_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/turnout-events/turnout/internal/id"
)

// signUp makes an account and gives its Authorization header.
func (r *role) signUp(email string) string {
	r.t.Helper()
	got := r.do(request{method: "POST", path: "/v1/auth/register", body: map[string]string{
		"email": email, "password": password, "name": "Somebody",
	}}).want(http.StatusCreated)
	return "Bearer " + got.text("access_token")
}

// organization makes one and gives its id.
func (r *role) organization(auth string) string {
	r.t.Helper()
	return r.do(request{method: "POST", path: "/v1/organizations", auth: auth, body: map[string]string{
		"name": "The Harbour", "slug": "harbour-" + unique(r.t),
	}}).want(http.StatusCreated).text("id")
}

func unique(t *testing.T) string {
	t.Helper()
	s, err := id.New()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// draft is the body of an event that starts in a week.
func draft(orgID string, more map[string]any) map[string]any {
	starts := time.Now().Add(7 * 24 * time.Hour).UTC().Truncate(time.Second)
	body := map[string]any{
		"organization_id": orgID, "title": "Lantern walk", "description": "Along the quay.", "time_zone": "Europe/Berlin",
		"starts_at": starts.Format(time.RFC3339), "ends_at": starts.Add(3 * time.Hour).Format(time.RFC3339), "capacity": 10, "max_party": 4,
	}
	for k, v := range more {
		body[k] = v
	}
	return body
}

// published makes a published event and gives its id.
func (r *role) published(auth, orgID string, more map[string]any) string {
	r.t.Helper()
	eventID := r.do(request{method: "POST", path: "/v1/events", auth: auth, body: draft(orgID, more)}).want(http.StatusCreated).text("id")
	r.do(request{method: "POST", path: "/v1/events/" + eventID + "/publish", auth: auth}).want(http.StatusOK)
	return eventID
}

func guest(name string, party int) map[string]any {
	return map[string]any{
		"name": name, "email": name + "@example.org", "response": "going", "party_size": party, "locale": "en",
		"time_zone": "Europe/Berlin", "consents": map[string]bool{"updates": true, "marketing": false},
	}
}

// answer submits an RSVP.
func (r *role) answer(eventID, name string, party int) response {
	r.t.Helper()
	return r.do(request{method: "POST", path: "/v1/events/" + eventID + "/rsvps", body: guest(name, party), key: unique(r.t)})
}

// payloadOf is the middle part of an access token.
func payloadOf(t *testing.T, auth string) []byte {
	t.Helper()
	parts := strings.Split(strings.TrimPrefix(auth, "Bearer "), ".")
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// version is the Turnout-Version that belongs to an answer.
func version(subject string, n int) string { return fmt.Sprintf("%s@%d", subject, n) }
