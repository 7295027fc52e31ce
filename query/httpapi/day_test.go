package httpapi

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
)

// A day begins with its first instant, also where clocks jump over midnight,
// are set back to it, or skip the day.
func TestADayBeginsWithItsFirstInstant(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ zone, day, want string }{
		{"Europe/Berlin", "2025-09-07", "2025-09-07T00:00:00+02:00"},
		{"America/Santiago", "2025-09-07", "2025-09-07T01:00:00-03:00"},
		{"Asia/Beirut", "2025-03-30", "2025-03-30T01:00:00+03:00"},
		{"Pacific/Apia", "2011-12-30", "2011-12-31T00:00:00+14:00"},
		{"America/Havana", "2025-11-02", "2025-11-02T00:00:00-04:00"},
		{"Asia/Amman", "2021-10-29", "2021-10-29T00:00:00+03:00"},
	} {
		g, _ := gin.CreateTestContext(httptest.NewRecorder())
		g.Request = &http.Request{URL: &url.URL{RawQuery: url.Values{"from": {c.day}, "time_zone": {c.zone}}.Encode()}}
		p := paramsOf(g, "from", "time_zone")
		zone := p.zone("time_zone")
		got := p.moment("from", zone)
		if p.err() != nil || got.In(zone).Format(time.RFC3339) != c.want {
			t.Errorf("%s in %s begins at %s, want %s: %v", c.day, c.zone, got.In(zone), c.want, p.err())
		}
	}
}
