package httpapi

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/gin-gonic/gin"
)

// Whatever stands behind the question mark and in the headers: nothing panics,
// and what is searched for is within its bounds.
func FuzzParams(f *testing.F) {
	f.Add("q=jazz&near=47.3,8.5&radius=10&from=2030-01-01&time_zone=Europe/Zurich&tag=a&tag=b", "01890a5d-ac96-774b-bcce-b302099a8057@3", "7")
	f.Add("near=NaN,Inf&bbox=1,2,3&limit=-1&from=9999-12-31T23:59:59Z&to=0001-01-01", "x@y", "-1")
	f.Add("q=%00&q=%ff&online=yes&country=%C3%9F%C3%9F&time_zone=../../etc/passwd&%zz", "@", "99999999999999999999")
	f.Add("bbox=170,-50,-170,50&sort=distance&in=title&prefix=true", "01890a5d-ac96-774b-bcce-b302099a8057@9007199254740993", "x")
	f.Fuzz(func(t *testing.T, query, version, last string) {
		c, _ := gin.CreateTestContext(httptest.NewRecorder())
		c.Request = &http.Request{
			Method: http.MethodGet, URL: &url.URL{Path: "/v1/events", RawQuery: query},
			Header: http.Header{HeaderMinVersion: {version}, "Last-Event-Id": {last}},
		}
		p := paramsOf(c, searchParams...)
		if q := searchOf(p); p.err() == nil {
			switch {
			case q.Limit < 1 || q.Limit > maxLimit:
				t.Errorf("%q: limit %d", query, q.Limit)
			case q.Near != nil && (q.Near.Lat < -90 || q.Near.Lat > 90 || q.Near.Lon < -180 || q.Near.Lon > 180 || q.Near.Radius < 0):
				t.Errorf("%q: near %+v", query, *q.Near)
			case q.Box != nil && q.Box.South > q.Box.North:
				t.Errorf("%q: box %+v", query, *q.Box)
			case q.From != nil && q.To != nil && q.To.Before(*q.From):
				t.Errorf("%q: from %s to %s", query, q.From, q.To)
			}
		}
		if l, err := least(c); err == nil && version != "" && (l.Version < 1 || l.Subject == "") {
			t.Errorf("%q: %+v", version, l)
		}
		_ = lastEventID(c)
	})
}
