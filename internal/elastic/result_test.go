package elastic

import (
	"encoding/json"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/turnout-events/turnout/internal/jsonwalk"
)

// An answer as Elasticsearch sends it, with what could lead a scanner astray: the names of its parts inside of
// documents, quotes, braces in text, a number that a float64 would round.
const answered = `{"took":7,"timed_out":true,"pit_id":"p\"=","_shards":{"total":1},"hits":{"total":{"value":10000,"relation":"gte"},` +
	`"max_score":null,"hits":[{"_index":"a","_id":"x\"\u00e9","_score":1.0,"_seq_no":12,"_primary_term":3,"_source":{"hits":{"hits":[]},"t":"}]{\\"},"sort":[9007199254740993,"a,]b",null]},` +
	`{"_id":"y","_source":{}}]},"aggregations":{"n":{"value":1.5},"hits":{"buckets":[{"key":"}"}]}}}`

func TestSearchResultIsWhatJSONSays(t *testing.T) {
	t.Parallel()
	got, err := searchResult([]byte(answered), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := SearchResult{Total: 10000, TotalAtLeast: true, PIT: `p"=`, Took: 7 * time.Millisecond, TimedOut: true,
		Hits: []Hit{
			{ID: "x\"é", Source: json.RawMessage(`{"hits":{"hits":[]},"t":"}]{\\"}`),
				Revision: Revision{Index: "a", Seq: 12, Term: 3},
				Sort:     []json.RawMessage{json.RawMessage("9007199254740993"), json.RawMessage(`"a,]b"`), json.RawMessage("null")}},
			{ID: "y", Source: json.RawMessage("{}")},
		},
		Aggregations: map[string]json.RawMessage{"n": json.RawMessage(`{"value":1.5}`), "hits": json.RawMessage(`{"buckets":[{"key":"}"}]}`)},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v, want\n%+v", got, want)
	}
	for _, no := range []string{"", "{}", "[]", "null", `{"took":1}`, `{"hits":[]}`, "<html>"} {
		if _, err := searchResult([]byte(no), nil); !errors.Is(err, errAnswer) {
			t.Errorf("%q is taken for a search result: %v", no, err)
		}
	}
}

// Documents that are read where they stand are the same, in the same order, and the rest of the answer is what it was.
func TestDocumentsAreReadWhereTheyStand(t *testing.T) {
	t.Parallel()
	want, err := searchResult([]byte(answered), nil)
	if err != nil {
		t.Fatal(err)
	}
	var sources []json.RawMessage
	got, err := searchResult([]byte(answered), func(w *jsonwalk.Walk) { sources = append(sources, w.Value()) })
	if err != nil || len(sources) != len(got.Hits) {
		t.Fatalf("%d documents of %d hits, %v", len(sources), len(got.Hits), err)
	}
	for i, s := range sources {
		got.Hits[i].Source = s
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v, want\n%+v", got, want)
	}
}

// Whatever is valid JSON is read as encoding/json reads it, and nothing at all makes it fall over.
func FuzzSearchResult(f *testing.F) {
	f.Add([]byte(answered))
	f.Add([]byte(`{"hits":{"hits":[{"_id":1,"sort":[[]]}]}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := searchResult(body, nil)
		var want struct {
			Hits struct {
				Hits []struct {
					Source json.RawMessage `json:"_source"`
				} `json:"hits"`
			} `json:"hits"`
		}
		if err != nil || json.Unmarshal(body, &want) != nil || len(got.Hits) != len(want.Hits.Hits) {
			return // what is no answer, or names a part twice
		}
		for _, h := range got.Hits {
			if len(h.Source) > 0 && !json.Valid(h.Source) {
				t.Errorf("source %q is no JSON", h.Source)
			}
		}
	})
}
