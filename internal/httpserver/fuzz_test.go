package httpserver_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/turnout-events/turnout/internal/fault"
	"github.com/turnout-events/turnout/internal/httpserver"
)

// Whatever bytes come as a body: no panic; a refusal is the client's fault and
// points into the body; what is taken is one JSON object without surprises.
func FuzzStrict(f *testing.F) {
	for _, seed := range []string{
		``, `{}`, `null`, `[]`, `"x"`, `{"name":"Ada","n":3,"venue":{"lat":1.5},"tags":[{"id":"a"}],"at":"2026-05-01T12:00:00Z"}`,
		`{"name":1}`, `{"n":1.5}`, `{"n":1e400}`, `{"venue":{"x/y~z":1}}`, `{"tags":[{"id":"a"},{"ID":1}]}`, `{"at":"soon"}`, `{"name":"\u0000"}`,
		`{"name":"\\u0000"}`, "{\"name\":\"\xff\"}", `{} {}`, `{"name":"a`, strings.Repeat(`[`, 20_000), `{"NAME":"a","name":"b"}`,
		`{"name":"a","name":"b"}`, `{"tags":[{"id":"a","\u0069d":"b"}]}`, `{"name":"\ud800"}`, `{"n":1e3}`, `{"n":-0}`, "\ufeff{}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var v struct {
			Name  string `json:"name"`
			N     int    `json:"n"`
			Venue *struct {
				Lat float64 `json:"lat"`
			} `json:"venue"`
			Tags []struct {
				ID string `json:"id"`
			} `json:"tags"`
			At time.Time `json:"at"`
		}
		err := httpserver.Strict(body, &v)
		if err == nil {
			if !json.Valid(body) || bytes.TrimSpace(body)[0] != '{' || strings.Contains(v.Name, "\x00") {
				t.Errorf("taken: %q", body)
			}
			var names map[string]json.RawMessage
			if err := json.Unmarshal(body, &names); err != nil || len(names) != members(t, body) {
				t.Errorf("a name is there twice: %q", body)
			}
			for name := range names {
				if !slices.Contains([]string{"name", "n", "venue", "tags", "at"}, name) {
					t.Errorf("%q was taken for a member in %q", name, body)
				}
			}
			return
		}
		refusal := fault.As(err)
		if refusal == nil || refusal.Kind != fault.Invalid {
			t.Fatalf("%q: %v is not the client's fault", body, err)
		}
		for _, field := range refusal.Fields {
			if field.Pointer != "" && field.Pointer[0] != '/' {
				t.Errorf("%q: %q is no JSON pointer", body, field.Pointer)
			}
		}
	})
}

// members counts those of the outer object.
func members(t *testing.T, body []byte) (n int) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(body))
	if _, err := d.Token(); err != nil {
		t.Fatal(err)
	}
	for ; d.More(); n++ {
		var value json.RawMessage
		if _, err := d.Token(); err != nil {
			t.Fatal(err)
		}
		if err := d.Decode(&value); err != nil {
			t.Fatal(err)
		}
	}
	return n
}
