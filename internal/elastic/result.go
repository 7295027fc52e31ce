package elastic

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/turnout-events/turnout/internal/jsonwalk"
)

// Hit is a document found; ID is empty when no stored fields were asked for.
type Hit struct {
	ID     string
	Source json.RawMessage
	Revision
	Sort []json.RawMessage // as received: a number keeps its digits in a cursor
}

// Revision tells what a document was when it was found, among all that its id had in an index. Index is given always,
// the rest when the body asks for seq_no_primary_term.
type Revision struct {
	Index     string
	Seq, Term int64
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

// searchResult takes an answer apart in one pass and without decoding what is in its documents, which are parts of body:
// encoding/json, which reads every byte of them three times on the way to a json.RawMessage, was half of what a search
// cost beside Elasticsearch's own work. read, unless it is nil, is called at each document and takes it.
func searchResult(body []byte, read func(*jsonwalk.Walk)) (SearchResult, error) {
	var r SearchResult
	whole := false
	w := jsonwalk.Of(body)
	w.Object(func(name []byte) {
		switch string(name) {
		case "took":
			r.Took = time.Duration(w.Int()) * time.Millisecond
		case "timed_out":
			r.TimedOut = w.Is('t')
		case "pit_id":
			r.PIT = w.Text()
		case "hits":
			whole = w.Is('{')
			r.readHits(w, read)
		case "aggregations":
			r.Aggregations = map[string]json.RawMessage{}
			w.Object(func(name []byte) { r.Aggregations[string(name)] = w.Value() })
		}
	})
	if !whole || w.Bad() {
		return r, errAnswer
	}
	return r, nil
}

func (r *SearchResult) readHits(w *jsonwalk.Walk, read func(*jsonwalk.Walk)) {
	w.Object(func(name []byte) {
		switch string(name) {
		case "total":
			w.Object(func(name []byte) {
				switch string(name) {
				case "value":
					r.Total = w.Int()
				case "relation":
					r.TotalAtLeast = w.Text() == "gte"
				}
			})
		case "hits":
			w.Array(func() { r.Hits = append(r.Hits, hit(w, read)) })
		}
	})
}

func hit(w *jsonwalk.Walk, read func(*jsonwalk.Walk)) (h Hit) {
	w.Object(func(name []byte) {
		switch string(name) {
		case "_id":
			h.ID = w.Text()
		case "_index":
			h.Index = w.Text()
		case "_seq_no":
			h.Seq = w.Int()
		case "_primary_term":
			h.Term = w.Int()
		case "_source":
			if read == nil {
				h.Source = w.Value()
			} else {
				read(w)
			}
		case "sort":
			h.Sort = make([]json.RawMessage, 0, 4) // as many as the longest order has keys
			w.Array(func() { h.Sort = append(h.Sort, w.Value()) })
		}
	})
	return h
}
