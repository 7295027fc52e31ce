package query_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// What is allowed at its edges can also be asked of Elasticsearch; what cannot
// be asked is refused. Neither is ever our own fault (500).
func TestExtremes(t *testing.T) {
	t.Parallel()
	r := start(t)
	s := r.story()
	member := s.member()
	for _, zone := range []string{"EST", "ROC", "Factory", "localtime", "right/UTC", "posixrules", "EST5EDT", "GMT0", "Etc/GMT+12", "UTC", "Asia/Kathmandu", "NZ-CHAT",
		"+02:00", "Local", "../UTC", "europe/berlin"} {
		path := "/v1/events/" + s.event.ID + "/analytics?time_zone=" + url.QueryEscape(zone)
		if got := r.get(path, member...); got.status != http.StatusOK && (got.status != http.StatusBadRequest || !strings.Contains(string(got.body), "time_zone")) {
			t.Errorf("zone %s: %d %s", zone, got.status, got.body)
		}
	}
	for _, query := range []string{"near=0,0&radius=1e-300", "near=0,0&radius=0.000000000001", "near=90,180&radius=20040", "near=-90,-180&sort=distance",
		"bbox=180,-90,-180,90", "bbox=0,0,0,0", "bbox=-180,-90,180,90", "bbox=10,90,10,90", "from=1900-01-01&to=2200-12-31", "from=2030-01-01T00:00:00%2B24:00",
		"from=2030-01-01T00:00:00%2B23:59", "q=%E2%80%AE", "q=%22*%3F%5C", "q=a*&prefix=true", "category=%F4%8F%BF%BF", "q=" + strings.Repeat("bould+", 33), "q=" + strings.Repeat("%E4%BA%AC+", 99),
		"q=" + strings.Repeat("%E4%BA%AC", 200), "near=0x1p4,0", "near=1e-320,0", "near=..,0", "near=--1,0", "country=zz", "limit=100", "tag=" + strings.Repeat("a", 200)} {
		if got := r.get("/v1/events?" + query); got.status != http.StatusOK && got.status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", query, got.status, got.body)
		}
	}
}
