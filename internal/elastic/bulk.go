package elastic

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"

	"github.com/elastic/go-elasticsearch/v8/esapi"
)

// chunkBytes is where a batch is cut into requests: large enough that overhead vanishes, small enough for every
// server's http.max_content_length and for its memory.
const chunkBytes = 5 << 20

// Op writes one whole document. There is no update and no delete: a deleted document forgets its version after a minute
// (index.gc_deletes), and a late older write would bring it back. Write a tombstone.
type Op struct {
	Index string // alias, short or full, or a physical index
	ID    string
	// Version is the document's own: a lower one than the stored is a conflict, an equal one writes again
	// (external_gte). 0 writes whatever is stored.
	Version int64
	// Doc is the document; anything encoding/json takes, a json.RawMessage as it is.
	Doc any
}

// Status is how an operation ended.
type Status int

const (
	// Retry means: not applied, may be later (429, 503, no index yet, request failed).
	Retry Status = iota
	// OK means applied.
	OK
	// Conflict means: the store has a newer version already. That is a success.
	Conflict
	// Rejected means: this document can never be applied (mapping, encoding, size).
	Rejected
)

// Result is one operation's.
type Result struct {
	Status Status
	HTTP   int // the item's status; 0 if the request as such failed
	Reason string
}

// Applied says that the store has this version or a newer one.
func (r Result) Applied() bool { return r.Status == OK || r.Status == Conflict }

// Sum sorts the results out for a handler of batches: the rejected ones by index, and an error if any has to be tried
// again.
func Sum(results []Result) (rejected map[int]error, retry error) {
	waiting := 0
	for i, r := range results {
		switch r.Status {
		case OK, Conflict:
		case Rejected:
			if rejected == nil {
				rejected = map[int]error{}
			}
			rejected[i] = errors.New(r.Reason)
		default:
			if waiting++; retry == nil {
				retry = fmt.Errorf("item %d: %d %s", i, r.HTTP, r.Reason)
			}
		}
	}
	if retry != nil {
		retry = fmt.Errorf("elasticsearch bulk: %w: %d of %d to be tried again: %w", ErrUnavailable, waiting, len(results), retry)
	}
	return rejected, retry
}

// Bulk writes the operations in order, and gives a result for each, always. The error is that of a request that failed
// as a whole; the results of what it carried, and of what came after, are Retry then. Everything may be sent again.
func (c *Client) Bulk(ctx context.Context, ops []Op) ([]Result, error) {
	results := make([]Result, len(ops))
	for i := range results {
		results[i].Reason = "not sent"
	}
	var body bytes.Buffer
	var sent []int // indices of the operations in body
	flush := func() error {
		if len(sent) == 0 {
			return nil
		}
		err := c.send(ctx, body.Bytes(), sent, results)
		body.Reset()
		sent = sent[:0]
		return err
	}
	for i, op := range ops {
		lines, err := c.encode(op)
		if err != nil {
			results[i] = Result{Status: Rejected, Reason: err.Error()}
			continue
		}
		if body.Len() > 0 && body.Len()+len(lines) > chunkBytes {
			if err := flush(); err != nil {
				return results, err
			}
		}
		body.Write(lines)
		sent = append(sent, i)
	}
	return results, flush()
}

// physical matches the indices behind an alias.
var physical = regexp.MustCompile(`-\d{6}$`)

func (c *Client) encode(op Op) ([]byte, error) {
	type meta struct {
		Index        string `json:"_index"`
		ID           string `json:"_id"`
		Version      int64  `json:"version,omitempty"`
		VersionType  string `json:"version_type,omitempty"`
		RequireAlias bool   `json:"require_alias,omitempty"`
	}
	m := meta{Index: c.Alias(op.Index), ID: op.ID}
	// Without it a write before EnsureIndex would make an index of the alias's name, with a guessed mapping.
	m.RequireAlias = !physical.MatchString(m.Index)
	if op.Version > 0 {
		m.Version, m.VersionType = op.Version, "external_gte"
	}
	head, err := json.Marshal(struct {
		Index meta `json:"index"`
	}{m})
	if err != nil {
		return nil, err
	}
	doc, err := json.Marshal(op.Doc) // compacts a RawMessage: a newline within would end the item
	if err != nil {
		return nil, fmt.Errorf("encode document %s: %w", op.ID, err)
	}
	lines := make([]byte, 0, len(head)+len(doc)+2)
	lines = append(append(lines, head...), '\n')
	return append(append(lines, doc...), '\n'), nil
}

func (c *Client) send(ctx context.Context, body []byte, sent []int, results []Result) error {
	var answer struct {
		Items []struct {
			Index struct {
				Status int    `json:"status"`
				Error  *cause `json:"error"`
			} `json:"index"`
		} `json:"items"`
	}
	err := c.do(ctx, "bulk", esapi.BulkRequest{Body: bytes.NewReader(body),
		// "error" too: the filter applies to a failed request's answer as well.
		FilterPath: []string{"error", "items.*.status", "items.*.error.type", "items.*.error.reason", "items.*.error.caused_by"}}, &answer)
	if tooLarge(err) && len(sent) == 1 {
		results[sent[0]] = Result{Status: Rejected, HTTP: http.StatusRequestEntityTooLarge, Reason: err.Error()}
		return nil
	}
	if err != nil {
		for _, i := range sent {
			results[i] = Result{Status: Retry, Reason: err.Error()}
		}
		return err
	}
	if len(answer.Items) != len(sent) {
		return fmt.Errorf("elasticsearch bulk: %w: %d items sent, %d answered", ErrUnavailable, len(sent), len(answer.Items))
	}
	for n, i := range sent {
		item := answer.Items[n].Index
		results[i] = Result{Status: statusOf(item.Status), HTTP: item.Status}
		if item.Error != nil {
			results[i].Reason = item.Error.Type + ": " + item.Error.text()
		}
	}
	return nil
}

func tooLarge(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Status == http.StatusRequestEntityTooLarge
}

// statusOf sorts an item's HTTP status. Only 400 and 413 speak about the document; a missing index (404), a block by a
// full disk (403, 429) and everything of the server's own are for later.
func statusOf(http int) Status {
	switch {
	case http >= 200 && http < 300:
		return OK
	case http == 409:
		return Conflict
	case http == 400 || http == 413:
		return Rejected
	default:
		return Retry
	}
}
