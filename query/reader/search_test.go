package reader

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/elastic"
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
		got := foundOf(elastic.Hit{ID: "e", Source: source})
		if got.Version != 12 || !reflect.DeepEqual(got.Seats, seats) || string(got.Raw) != string(event) {
			t.Errorf("%s is read as %+v", source, got)
		}
	}
}
