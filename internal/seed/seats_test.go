package seed

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// Each of the three places that tell who comes is asked, and a lie of any is seen.
func TestCheckSeatsAsksEveryStore(t *testing.T) {
	t.Parallel()
	for _, liar := range []string{"", "/v1/events", "availability", "guests"} {
		going := func(place string) string {
			if place == liar {
				return "2"
			}
			return "3"
		}
		h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body := `{"access_token":"a","refresh_token":"r","expires_in":900}`
			switch {
			case strings.HasSuffix(r.URL.Path, "/availability"):
				body = `{"going":` + going("availability") + `,"waitlisted":1}`
			case strings.HasSuffix(r.URL.Path, "/guests"):
				body = map[string]string{"confirmed": `{"total":` + going("guests") + `}`, "waitlisted": `{"total":1}`, "offered": `{"total":0}`}[r.URL.Query().Get("status")]
			case r.URL.Path == "/v1/events":
				body = `{"total":1,"items":[{"id":"1","external_id":"x","availability":{"going":` + going("/v1/events") + `,"waitlisted":1}}]}`
			}
			_, _ = w.Write([]byte(body))
		}))
		t.Cleanup(h.Close)
		api, err := NewAPI(h.URL, 2, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(api.Close)
		account, err := NewAccount(t.Context(), api, "o@example.org", "secret", time.Now)
		if err != nil {
			t.Fatal(err)
		}
		yes, queued := 3, 1
		got, err := CheckSeats(t.Context(), api, account, []Row{{ID: "x", RSVPYes: &yes, RSVPWaitlist: &queued}}, 2)
		if err != nil {
			t.Fatal(err)
		}
		if wrong := len(got.Wrong) > 0; wrong != (liar != "") || got.Events != 1 {
			t.Errorf("%q lies: %+v", liar, got)
		}
	}
}
