package elastic

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"sync/atomic"

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
	// Doc is the document: an Appender, or anything encoding/json takes.
	Doc any
}

// Appender is a document that writes itself: as JSON on one line, for a newline would end the item.
type Appender interface {
	AppendLine([]byte) ([]byte, error)
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
	e := encoder{client: c}
	sent := make([]int, 0, len(ops)) // indices of the operations in the body
	for i, op := range ops {
		before := e.body.Len()
		if err := e.encode(op); err != nil {
			results[i] = Result{Status: Rejected, Reason: err.Error()}
			e.body.Truncate(before)
			continue
		}
		if before > 0 && e.body.Len() > chunkBytes {
			last := bytes.Clone(e.body.Bytes()[before:])
			if err := c.send(ctx, e.body.Bytes()[:before], sent, results); err != nil {
				return results, err
			}
			sent = sent[:0]
			e.body.Reset()
			e.body.Write(last)
		}
		if sent = append(sent, i); i == 0 { // documents of a batch are about as long
			e.body.Grow(min(e.body.Len()*len(ops), chunkBytes))
		}
	}
	if len(sent) == 0 {
		return results, nil
	}
	return results, c.send(ctx, e.body.Bytes(), sent, results)
}

// physical matches the indices behind an alias.
var physical = regexp.MustCompile(`-\d{6}$`)

// encoder makes a request's body; it takes a projector about as long as decoding what it projects.
type encoder struct {
	client *Client
	body   bytes.Buffer
	to     string // the index that action is for
	action []byte // how the line before a document begins
}

// encode appends both lines of an operation. After an error the body has to be cut where it was.
func (e *encoder) encode(op Op) error {
	if e.action == nil || e.to != op.Index {
		if err := e.begin(op.Index); err != nil {
			return err
		}
	}
	id, err := json.Marshal(op.ID)
	if err != nil {
		return err
	}
	e.body.Write(e.action)
	e.body.Write(id)
	if op.Version > 0 {
		e.body.WriteString(`,"version_type":"external_gte","version":`)
		e.body.Write(strconv.AppendInt(e.body.AvailableBuffer(), op.Version, 10))
	}
	e.body.WriteString("}}\n")
	if doc, ok := op.Doc.(Appender); ok {
		line, err := doc.AppendLine(e.body.AvailableBuffer())
		e.body.Write(line)
		e.body.WriteByte('\n')
		return err
	}
	// It ends with a newline, and compacts a RawMessage: a newline within would end the item.
	if err := json.NewEncoder(&e.body).Encode(op.Doc); err != nil {
		return fmt.Errorf("encode document %s: %w", op.ID, err)
	}
	return nil
}

// begin makes the action for an index.
func (e *encoder) begin(index string) error {
	alias := e.client.Alias(index)
	name, err := json.Marshal(alias)
	if err != nil {
		return err
	}
	e.to, e.action = index, append([]byte(`{"index":{"_index":`), name...)
	if !physical.MatchString(alias) {
		// Without it a write before EnsureIndex would make an index of the alias's name, with a guessed mapping.
		e.action = append(e.action, `,"require_alias":true`...)
	}
	e.action = append(e.action, `,"_id":`...)
	return nil
}

type visible struct{}

// Visible has the Bulk of a context refresh what it wrote before it answers; done tells whether there was something. Unlike
// Refresh, it does not wait for the refreshes of other indices: Elasticsearch has threads of their own for those, on two
// cores a single one.
func Visible(ctx context.Context) (_ context.Context, done *atomic.Bool) {
	done = &atomic.Bool{}
	return context.WithValue(ctx, visible{}, done), done
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
	request := esapi.BulkRequest{Body: bytes.NewReader(body),
		// "error" too: the filter applies to a failed request's answer as well.
		FilterPath: []string{"error", "items.*.status", "items.*.error.type", "items.*.error.reason", "items.*.error.caused_by"}}
	done, _ := ctx.Value(visible{}).(*atomic.Bool)
	if done != nil {
		request.Refresh = "true"
	}
	err := c.do(ctx, "bulk", request, &answer)
	if done != nil && err == nil {
		done.Store(true)
	}
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
