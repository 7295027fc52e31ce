package httpapi

import (
	"encoding/json"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/turnout-events/turnout/internal/fault"
	"github.com/turnout-events/turnout/internal/id"
	"github.com/turnout-events/turnout/query/reader"
)

// asking makes the context of a request that a server would have taken in.
func asking(query string, headers ...string) *gin.Context {
	c, _ := gin.CreateTestContext(httptest.NewRecorder())
	c.Request = httptest.NewRequest(http.MethodGet, "/", nil)
	c.Request.URL.RawQuery = query
	for i := 0; i+1 < len(headers); i += 2 {
		c.Request.Header.Set(headers[i], headers[i+1])
	}
	return c
}

// Whatever stands in an address, it is refused with the names of the parameters,
// or it is a search that can be sent and whose cursor can be made.
func FuzzSearchParams(f *testing.F) {
	for _, q := range []string{"", "q=zürich&prefix=true&in=title", "near=52.5,13.4&radius=5&sort=distance", "near=91,0", "near=NaN,0", "near=0x1p4,0", "near=1e3,0", "near=1", "near=,",
		"bbox=170,-10,-170,10", "bbox=0,10,0,-10", "bbox=1,2,3", "radius=1", "near=0,0&radius=0", "near=0,0&radius=1e-300", "near=0,0&radius=1e300",
		"from=2030-05-01&to=2030-05-02&time_zone=Asia/Kathmandu", "from=2030-03-31T02:30:00+01:00", "from=2030-01-01T00:00:00%2B24:00", "to=1899-12-31", "from=9999-99-99", "from=2030-05-02&to=2030-05-01",
		"time_zone=Local", "time_zone=../../etc/passwd", "time_zone=", "time_zone=EST", "limit=0", "limit=101", "limit=-1", "limit=1e2", "limit=9999999999999999999", "limit=%2B5",
		"tag=a&tag=b", "tag=", "q=a&q=b", "what=1", "country=DE", "country=ÄÖ", "online=1", "available=TRUE", "status=draft", "sort=", "cursor=x", "%zz", "a;b", "q=%ff", "q=%00", "q=🎉", "q=東京タワー"} {
		f.Add(q)
	}
	f.Fuzz(func(t *testing.T, query string) {
		p := paramsOf(asking(query), searchParams...)
		q := searchOf(p)
		if err := p.err(); err != nil {
			if k := fault.KindOf(err); k != fault.Invalid {
				t.Errorf("%q: %v is %v", query, err, k)
			}
			return
		}
		if q.Limit < 1 || q.Limit > maxLimit {
			t.Errorf("%q: limit %d", query, q.Limit)
		}
		if n := q.Near; n != nil && (math.Abs(n.Lat) > 90 || math.Abs(n.Lon) > 180 || n.Radius < 0 || n.Radius > maxRadius) {
			t.Errorf("%q: near %+v", query, n)
		}
		if b := q.Box; b != nil && (b.South > b.North || math.Abs(b.West) > 180 || math.Abs(b.East) > 180 || b.South < -90 || b.North > 90) {
			t.Errorf("%q: box %+v", query, b)
		}
		if q.From != nil && q.To != nil && q.To.Before(*q.From) {
			t.Errorf("%q: %s to %s", query, q.From, q.To)
		}
		if _, err := json.Marshal(q); err != nil {
			t.Errorf("%q makes no cursor: %v", query, err)
		}
		if _, err := json.Marshal(q.Request(time.Unix(1_900_000_000, 0))); err != nil {
			t.Errorf("%q cannot be sent: %v", query, err)
		}
	})
}

func FuzzMinVersion(f *testing.F) {
	for _, s := range []string{"", "@", "@1", "01890a5d-ac96-774b-bcce-b302099a8057@7", "01890a5d-ac96-774b-bcce-b302099a8057@0", "01890a5d-ac96-774b-bcce-b302099a8057@-1",
		"01890a5d-ac96-774b-bcce-b302099a8057@+1", "01890a5d-ac96-774b-bcce-b302099a8057@99999999999999999999", "01890a5d-ac96-774b-bcce-b302099a8057@9007199254740993", "x@1", "01890a5d-ac96-774b-bcce-b302099a8057@1@2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := least(asking("", HeaderMinVersion, s))
		switch {
		case err != nil && fault.KindOf(err) != fault.Invalid:
			t.Errorf("%q: %v", s, err)
		case err == nil && s == "" && got != reader.Least{}:
			t.Errorf("nothing asks for %+v", got)
		case err == nil && s != "" && (!id.Valid(got.Subject) || got.Version < 1 || got.Version > 1<<53):
			t.Errorf("%q asks for %+v", s, got)
		}
	})
}

// A Last-Event-ID that is none begins anew: the viewer sees the present state.
func FuzzLastEventID(f *testing.F) {
	for _, s := range []string{"", "0", "17", " 17 ", "-1", "1e3", "0x10", "9223372036854775807", "9223372036854775808", "seventeen", "٣"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		byHeader, byQuery := lastEventID(asking("", "Last-Event-ID", s)), lastEventID(asking("last_event_id="+url.QueryEscape(s)))
		if byHeader < 0 || byHeader != byQuery {
			t.Errorf("%q is %d by header and %d by query", s, byHeader, byQuery)
		}
	})
}

func FuzzCredentials(f *testing.F) {
	for _, s := range []string{"", "Bearer", "Bearer ", "bearer x", "Guest x y", "Basic eA==", "Bearer\tx", "Guest  x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := credentialsOf(asking("", "Authorization", s))
		if err != nil && fault.KindOf(err) != fault.Unauthorized {
			t.Errorf("%q: %v", s, err)
		}
		if err == nil && s != "" && (got.bearer == "") == (got.guest == "") {
			t.Errorf("%q is %+v", s, got)
		}
	})
}
