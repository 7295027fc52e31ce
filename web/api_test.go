package web

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// What is about to be seen is asked for once more; what writes is never sent twice.
func TestWhatIsAboutToBeSeenIsAskedForAgain(t *testing.T) {
	t.Parallel()
	for method, want := range map[string]int64{http.MethodGet: 2, http.MethodPost: 1} {
		var asked atomic.Int64
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if b, _ := io.ReadAll(r.Body); asked.Add(1) == 1 || r.Method == http.MethodPost && string(b) != "{}" {
				w.WriteHeader(http.StatusConflict)
				_, _ = io.WriteString(w, `{"status":409,"code":"not-yet-visible"}`)
				return
			}
			_, _ = io.WriteString(w, `{"going":3}`)
		}))
		t.Cleanup(s.Close)
		a, seen := &api{client: s.Client()}, seatsView{}
		var body any
		if method == http.MethodPost {
			body = map[string]any{}
		}
		_, err := a.do(t.Context(), method, s.URL, body, &seen, nil)
		if got := asked.Load(); got != want || (err == nil) != (method == http.MethodGet) || err == nil && seen.Going != 3 {
			t.Errorf("%s was sent %d times, want %d: %+v %v", method, got, want, seen, err)
		}
	}
}

// An event that is over can be neither cancelled nor published, and its page offers neither.
func TestAnEventThatIsOverIsNotCancelled(t *testing.T) {
	t.Parallel()
	for end, want := range map[time.Time]bool{time.Now().Add(time.Hour): true, time.Now().Add(-time.Minute): false} {
		d := signedInDesk(t, "owner", map[string]string{"GET /v1/events/" + eventID: event(t, map[string]any{
			"organization_id": ownOrg, "starts_at": end.Add(-2 * time.Hour), "ends_at": end})})
		if _, page := d.see(eventPath); strings.Contains(page, eventPath+"/cancel") != want {
			t.Errorf("ends at %s: wants cancelling offered: %t\n%s", end, want, page)
		}
	}
	replaced := mailView{Status: "void", Outcome: "event-moved"}
	if got := replaced.State(); got != "Planned anew" {
		t.Errorf("a mail that was planned for the old time is %q", got)
	}
}
