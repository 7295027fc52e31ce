package elastic

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/elastic/go-elasticsearch/v8/esapi"

	"github.com/turnout-events/turnout/internal/jsonwalk"
)

// Doc is a document by id.
type Doc struct {
	ID      string          `json:"_id"`
	Found   bool            `json:"found"`
	Version int64           `json:"_version"`
	Source  json.RawMessage `json:"_source"`
}

// MGet reads documents in real time (also what no refresh has shown yet), in the order of the ids. A missing one has
// Found false.
func (c *Client) MGet(ctx context.Context, index string, ids []string) ([]Doc, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	body, err := json.Marshal(map[string]any{"ids": ids})
	if err != nil {
		return nil, err
	}
	var answer struct {
		Docs []struct {
			Doc
			Error *cause `json:"error"`
		} `json:"docs"`
	}
	if err := c.do(ctx, "mget", esapi.MgetRequest{Index: c.Alias(index), Body: bytes.NewReader(body)}, &answer); err != nil {
		return nil, err
	}
	if len(answer.Docs) != len(ids) {
		return nil, fmt.Errorf("elasticsearch mget: %d ids asked, %d answered", len(ids), len(answer.Docs))
	}
	docs := make([]Doc, len(ids))
	for i, d := range answer.Docs {
		if d.Error != nil { // a shard that is away, or no index: not the same as a document that is not there
			return nil, fmt.Errorf("elasticsearch mget %s: %w: %s: %s", ids[i], ErrUnavailable, d.Error.Type, d.Error.text())
		}
		docs[i] = d.Doc
	}
	return docs, nil
}

// Get reads one document in real time. ErrNotFound is in the chain when the document is not there; without the index
// nobody can say whether it is, so that is ErrUnavailable, as with MGet.
func (c *Client) Get(ctx context.Context, index, id string) (Doc, error) {
	var doc Doc
	err := c.do(ctx, "get", esapi.GetRequest{Index: c.Alias(index), DocumentID: id}, &doc)
	if hasType(err, "index_not_found_exception") {
		return doc, fmt.Errorf("%w: %s", ErrUnavailable, err.Error())
	}
	return doc, err
}

// Search runs a body of the query DSL (anything encoding/json takes) on an alias or index; an empty one for a body with
// a point in time. Failed shards are an error, not a shorter result.
func (c *Client) Search(ctx context.Context, index string, body any) (SearchResult, error) {
	return c.SearchWalk(ctx, index, body, nil)
}

// SearchWalk is Search which leaves the documents to read, one after the other as they are in the hits, while the answer
// is gone through: their Source is empty then, and what read takes of them is part of the answer's bytes.
func (c *Client) SearchWalk(ctx context.Context, index string, body any, read func(*jsonwalk.Walk)) (SearchResult, error) {
	encoded, err := encode(body)
	if err != nil {
		return SearchResult{}, err
	}
	no := false
	r := esapi.SearchRequest{Body: bytes.NewReader(encoded), AllowPartialSearchResults: &no}
	if index != "" {
		r.Index = []string{c.Alias(index)}
	}
	var answer raw
	if err := c.do(ctx, "search", r, &answer); err != nil {
		return SearchResult{}, err
	}
	return searchResult(answer, read)
}

// Count counts the documents that match the query (nil: all) as of the last refresh.
func (c *Client) Count(ctx context.Context, index string, query any) (int64, error) {
	r := esapi.CountRequest{Index: []string{c.Alias(index)}}
	if query != nil {
		body, err := json.Marshal(map[string]any{"query": query})
		if err != nil {
			return 0, fmt.Errorf("encode query: %w", err)
		}
		r.Body = bytes.NewReader(body)
	}
	var answer struct {
		Count int64 `json:"count"`
	}
	err := c.do(ctx, "count", r, &answer)
	return answer.Count, err
}

// OpenPIT freezes a view of an index for searches that belong together, for keep after each use.
func (c *Client) OpenPIT(ctx context.Context, index string, keep time.Duration) (string, error) {
	var answer struct {
		ID string `json:"id"`
	}
	err := c.do(ctx, "open point in time", esapi.OpenPointInTimeRequest{
		Index: []string{c.Alias(index)}, KeepAlive: fmt.Sprintf("%ds", max(1, int(keep.Seconds()))),
	}, &answer)
	return answer.ID, err
}

// ClosePIT frees a view; one that has expired is no error.
func (c *Client) ClosePIT(ctx context.Context, id string) error {
	body, err := json.Marshal(map[string]string{"id": id})
	if err != nil {
		return err
	}
	err = c.do(ctx, "close point in time", esapi.ClosePointInTimeRequest{Body: bytes.NewReader(body)}, nil)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// Each calls f for every document that matches the query (nil: all), in no particular order, from one view of the
// index, size per request. It ends with f's first error.
func (c *Client) Each(ctx context.Context, index string, query any, size int, f func(Hit) error) error {
	const keep = time.Minute
	pit, err := c.OpenPIT(ctx, index, keep)
	if err != nil {
		return err
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		if err := c.ClosePIT(closing, pit); err != nil {
			c.log.WarnContext(ctx, "point in time left to expire", "error", err)
		}
	}()
	body := map[string]any{"size": size, "track_total_hits": false, "sort": []any{"_shard_doc"}}
	if query != nil {
		body["query"] = query
	}
	for {
		body["pit"] = map[string]any{"id": pit, "keep_alive": "1m"}
		page, err := c.Search(ctx, "", body)
		if err != nil {
			return err
		}
		if page.PIT != "" {
			pit = page.PIT
		}
		for _, hit := range page.Hits {
			if err := f(hit); err != nil {
				return err
			}
		}
		if len(page.Hits) < size {
			return nil
		}
		body["search_after"] = page.Hits[len(page.Hits)-1].Sort
	}
}
