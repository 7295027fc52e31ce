package elastic

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/tidwall/gjson"
)

// Hit is a document found.
type Hit struct {
	ID     string
	Source json.RawMessage
	Sort   []json.RawMessage // as received: a number keeps its digits in a cursor
}

// SearchResult is an answer to a search.
type SearchResult struct {
	Total        int64 // 0 when the body switched it off
	TotalAtLeast bool  // Total is a lower bound
	Hits         []Hit
	Aggregations map[string]json.RawMessage
	PIT          string // the id to use next, when the search had one
	Took         time.Duration
	TimedOut     bool // some shards did not finish: the result is partial
}

var errAnswer = errors.New("answer is no search result")

// searchResult takes an answer apart without decoding what is in its documents: encoding/json, which reads every byte
// of them three times on the way to a json.RawMessage, was half of what a search cost beside Elasticsearch's own work.
func searchResult(body []byte) (SearchResult, error) {
	var r SearchResult
	whole := false
	gjson.ParseBytes(body).ForEach(func(key, v gjson.Result) bool {
		switch key.Str {
		case "took":
			r.Took = time.Duration(v.Int()) * time.Millisecond
		case "timed_out":
			r.TimedOut = v.Bool()
		case "pit_id":
			r.PIT = v.String()
		case "hits":
			whole = v.IsObject()
			r.setHits(v)
		case "aggregations":
			r.Aggregations = map[string]json.RawMessage{}
			v.ForEach(func(key, v gjson.Result) bool {
				r.Aggregations[key.String()] = json.RawMessage(v.Raw)
				return true
			})
		}
		return true
	})
	if !whole {
		return r, errAnswer
	}
	return r, nil
}

func (r *SearchResult) setHits(hits gjson.Result) {
	hits.ForEach(func(key, v gjson.Result) bool {
		switch key.Str {
		case "total":
			r.Total, r.TotalAtLeast = v.Get("value").Int(), v.Get("relation").Str == "gte"
		case "hits":
			r.Hits = hitsOf(v)
		}
		return true
	})
}

func hitsOf(list gjson.Result) []Hit {
	var hits []Hit
	list.ForEach(func(_, v gjson.Result) bool {
		var h Hit
		v.ForEach(func(key, v gjson.Result) bool {
			switch key.Str {
			case "_id":
				h.ID = v.String()
			case "_source":
				h.Source = json.RawMessage(v.Raw)
			case "sort":
				v.ForEach(func(_, v gjson.Result) bool {
					h.Sort = append(h.Sort, json.RawMessage(v.Raw))
					return true
				})
			}
			return true
		})
		hits = append(hits, h)
		return true
	})
	return hits
}
