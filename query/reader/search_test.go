package reader

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/jsonwalk"
)

// What a scanner finds in a document is what encoding/json would.
func TestFoundIsWhatJSONSays(t *testing.T) {
	t.Parallel()
	limit := 9
	for _, seats := range []contract.Counters{{}, {Capacity: &limit, Going: 1, Maybe: 2, Waitlisted: 3, Held: 4, CheckedIn: 5}} {
		if v := reflect.TypeFor[contract.Counters](); v.NumField() != 6 {
			t.Fatalf("%d counters, of which 6 are read", v.NumField())
		}
		event := json.RawMessage(`{"version":7,"seats":{"going":99},"title":"}\"{"}`)
		source, err := json.Marshal(map[string]any{"event": event, "seats": seats, "version": 12})
		if err != nil {
			t.Fatal(err)
		}
		got := foundIn(jsonwalk.Of(source))
		if got.Version != 12 || !reflect.DeepEqual(got.Seats, seats) || string(got.Raw) != string(event) {
			t.Errorf("%s is read as %+v", source, got)
		}
	}
}

// Facets are read by value, whatever their order; a month goes by its name, and
// what was not counted is empty.
func TestFacetsAreSortedByValue(t *testing.T) {
	t.Parallel()
	got, err := facetsOf(map[string]json.RawMessage{
		"city":  json.RawMessage(`{"sum_other_doc_count":0,"buckets":[{"key":"São \"Paulo\"","doc_count":9},{"key":"","doc_count":1},{"key":"Bonn","doc_count":2}]}`),
		"month": json.RawMessage(`{"buckets":[{"key_as_string":"2030-05","key":1903824000000,"doc_count":3},{"key":1906502400000,"key_as_string":"2030-06","doc_count":4}]}`),
	})
	want := []Facet{{Name: "category"}, {Name: "city", Counts: []Count{{"", 1}, {"Bonn", 2}, {`São "Paulo"`, 9}}}, {Name: "country"},
		{Name: "month", Counts: []Count{{"2030-05", 3}, {"2030-06", 4}}}, {Name: "tag"}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := facetsOf(map[string]json.RawMessage{"tag": json.RawMessage(`{"buckets":{}}`)}); err == nil {
		t.Error("an answer that is none passes for a facet")
	}
}
