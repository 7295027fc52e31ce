package elastic

import (
	"encoding/json"
	"math"
	"reflect"
	"testing"
	"time"
)

// What is written by hand says what encoding/json says, and what cannot be written so is left to it.
func TestEncodeIsWhatJSONSays(t *testing.T) {
	t.Parallel()
	for _, body := range []any{
		map[string]any{}, []any{}, map[string]any{"size": 21, "query": map[string]any{"bool": map[string]any{"filter": []any{
			map[string]any{"term": map[string]any{"city_key": "são \"paulo\" <&>\u2028\n\x00"}},
			map[string]any{"terms": map[string]any{"status": []string{"published", "cancelled"}}},
			map[string]any{"geo_distance": map[string]any{"distance": "12.5km", "location": map[string]any{"lat": 52.5, "lon": -13.25e-7}}},
		}}}, "aggs": json.RawMessage(`{"a":{"terms":{"field":"x"}}}`), "search_after": []any{json.RawMessage("9007199254740993"), nil, true}},
		map[string]any{"none": []string{}, "null": []string(nil), "raw": json.RawMessage(nil), "at": time.Unix(0, 0).UTC(), "no text": "\xff"},
		map[string]any{"a": []any(nil)}, map[string]any{"a": []string(nil)}, map[string]string{"id": "x"}, nil, "x", map[string]any{"a": []any{map[string]any{"b": int64(1)}}},
	} {
		got, err := encode(body)
		if err != nil {
			t.Fatal(err)
		}
		want, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		var a, b any
		if err := json.Unmarshal(got, &a); err != nil {
			t.Fatalf("%s: %v", got, err)
		}
		if err := json.Unmarshal(want, &b); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(a, b) {
			t.Errorf("%s\nis not\n%s", got, want)
		}
	}
	if _, err := encode(map[string]any{"x": math.NaN()}); err == nil {
		t.Error("NaN passes for JSON")
	}
}
