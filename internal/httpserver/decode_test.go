package httpserver_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/turnout-events/turnout/internal/httpserver"
)

func TestStrictJSON(t *testing.T) {
	t.Parallel()
	type body struct {
		Name  string `json:"name"`
		N     int    `json:"n"`
		Venue struct {
			Lat float64 `json:"lat"`
		} `json:"venue"`
		Tags []struct {
			ID string `json:"id"`
		} `json:"tags"`
		At time.Time `json:"at"`
	}
	s, _ := server(t)
	s.Engine().POST("/", func(c *gin.Context) {
		var b body
		if err := httpserver.DecodeJSON(c, &b); err != nil {
			httpserver.Problem(c, err)
			return
		}
		c.Status(http.StatusNoContent)
	})
	for _, c := range []struct {
		name, body, contentType string
		status                  int
		code, pointer, detail   string
	}{
		{"good", `{"name": "x", "n": 1, "venue": {"lat": 1.5}}`, "", 204, "", "", ""},
		{"good with charset", `{}`, "application/json; charset=UTF-8", 204, "", "", ""},
		{"good, +json", `{}`, "application/merge-patch+json", 204, "", "", ""},
		{"unknown field", `{"nmae": "x"}`, "", 400, "invalid-input", "/nmae", "unknown field"},
		{"unknown field inside", `{"venue": {"lat": 1, "lng": 2}}`, "", 400, "invalid-input", "/venue/lng", ""},
		{"unknown field in a list", `{"tags": [{"id": "a"}, {"id": "b", "a/b": 1}]}`, "", 400, "invalid-input", "/tags/1/a~1b", ""},
		{"wrong type", `{"n": "1"}`, "", 400, "invalid-input", "/n", "is a string, wants a whole number"},
		{"wrong type inside", `{"venue": {"lat": true}}`, "", 400, "invalid-input", "/venue/lat", "is true or false, wants a number"},
		{"number with a fraction", `{"n": 1.5}`, "", 400, "invalid-input", "/n", ""},
		{"number out of range", `{"n": 99999999999999999999}`, "", 400, "invalid-input", "/n", ""},
		{"not an object", `[1]`, "", 400, "invalid-input", "", "is an array, wants an object"},
		{"null", ` null`, "", 400, "invalid-input", "", "wants an object"},
		{"number as an exponent", `{"n": 1e3}`, "", 400, "invalid-input", "/n", "wants a whole number"},
		{"number beyond a float", `{"venue": {"lat": 1e400}}`, "", 400, "invalid-input", "/venue/lat", "wants a number"},
		{"number of a thousand digits", `{"n": ` + strings.Repeat("9", 1000) + `}`, "", 400, "invalid-input", "/n", "is a number, wants"},
		{"bad time", `{"at": "yesterday"}`, "", 400, "invalid-input", "/at", "yesterday"},
		{"the same member twice", `{"name": "a", "n": 1, "name": "b"}`, "", 400, "invalid-input", "/name", "is there twice"},
		{"twice, written otherwise", `{"name": "a", "n\u0061me": "b"}`, "", 400, "invalid-input", "/name", "is there twice"},
		{"twice inside", `{"tags": [{"id": "a"}, {"id": "a", "id": "b"}]}`, "", 400, "invalid-input", "/tags/1/id", "is there twice"},
		{"other case", `{"NAME": "x"}`, "", 400, "invalid-input", "/NAME", "unknown field"},
		{"other case inside", `{"venue": {"Lat": 1}}`, "", 400, "invalid-input", "/venue/Lat", "unknown field"},
		{"a letter that folds to another", "{\"tag\u017f\": []}", "", 400, "invalid-input", "/tag\u017f", "unknown field"},
		{"half of a surrogate pair", `{"name": "\ud800"}`, "", 400, "malformed-json", "", ""},
		{"deeper than the decoder goes", `{"name": ` + strings.Repeat("[", 20_000), "", 400, "malformed-json", "", "max depth"},
		{"NUL", `{"name": "a\u0000b"}`, "", 400, "invalid-input", "", "NUL"},
		{"a backslash before u0000", `{"name": "a\\u0000b"}`, "", 204, "", "", ""},
		{"not UTF-8", "{\"name\": \"\xff\"}", "", 400, "malformed-json", "", "UTF-8"},
		{"two values", `{} {}`, "", 400, "malformed-json", "", "after top-level value at line 1, column 4"},
		{"rest", `{}x`, "", 400, "malformed-json", "", ""},
		{"cut off", `{"name": "x"`, "", 400, "malformed-json", "", "too early"},
		{"syntax", "{\n  name: 1}", "", 400, "malformed-json", "", "line 2"},
		{"empty", ` `, "", 400, "malformed-json", "", "empty"},
		{"too large", `{"name": "` + strings.Repeat("x", 1<<20) + `"}`, "", 413, "body-too-large", "", "1048576"},
		{"form", `name=x`, "application/x-www-form-urlencoded", 415, "unsupported-content-type", "", ""},
		{"other charset", `{}`, "application/json; charset=latin1", 415, "unsupported-content-type", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := request(t, "POST", "/", c.body)
			if c.contentType != "" {
				r.Header.Set("Content-Type", c.contentType)
			}
			w := do(s, r)
			if w.Code != c.status {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			if c.status == 204 {
				return
			}
			p := decode(t, w)
			if p.Code != c.code || !strings.Contains(w.Body.String(), c.detail) {
				t.Errorf("%s", w.Body)
			}
			if c.pointer != "" && (len(p.Errors) != 1 || p.Errors[0].Pointer != c.pointer) {
				t.Errorf("pointer: %s", w.Body)
			}
		})
	}
}

func TestRouteHasItsOwnLimit(t *testing.T) {
	t.Parallel()
	s, _ := server(t)
	read := func(c *gin.Context) {
		if _, err := httpserver.ReadBody(c); err != nil {
			httpserver.Problem(c, err)
		}
	}
	s.Engine().POST("/small", httpserver.LimitBody(10), read)
	s.Engine().POST("/large", httpserver.LimitBody(3<<20), read)
	for _, c := range []struct {
		path   string
		length int
		want   int
	}{{"/small", 10, 200}, {"/small", 11, 413}, {"/large", 3 << 20, 200}, {"/large", 3<<20 + 1, 413}} {
		if w := do(s, request(t, "POST", c.path, strings.Repeat("x", c.length))); w.Code != c.want {
			t.Errorf("%s with %d bytes: %d", c.path, c.length, w.Code)
		}
	}
}

func TestNULInTheAddressIsTheClientsFault(t *testing.T) {
	t.Parallel()
	s, _ := server(t)
	s.Engine().GET("/e/:slug", func(c *gin.Context) { c.Status(200) })
	for _, target := range []string{"/e/a%00b", "/e/a?q=%00"} {
		if p := decode(t, do(s, request(t, "GET", target, ""))); p.Status != 400 || p.Code != "nul-character" {
			t.Errorf("%s: %+v", target, p)
		}
	}
}
