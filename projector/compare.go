package projector

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/turnout-events/turnout/internal/elastic"
)

// Comparison is the new index against the live one, document by document.
// Traffic goes on meanwhile: what differs is as it was when it was looked up.
type Comparison struct {
	Live     int64    `json:"live"`
	New      int64    `json:"new"`
	Same     int64    `json:"same"`
	Newer    int64    `json:"newer"`   // newer in the new index
	Older    int64    `json:"older"`   // newer in the live one
	Missing  int64    `json:"missing"` // not in the new one
	Extra    int64    `json:"extra"`   // not in the live one
	Differ   int64    `json:"differ"`  // same version, other content
	Examples []string `json:"examples,omitempty"`
}

const (
	compareRead  = 2000 // documents a request, when both indices are read from end to end
	comparePage  = 500  // when documents are asked for by id
	comparePages = 3    // asked for at a time
	// comparePass is the most documents of both sides that one reading compares: it bounds the memory, to some hundred
	// bytes for each that the sides show at different times.
	comparePass = 8_000_000
	maxExamples = 20
)

// comparing reads both indices at once, each from one view and in the order in
// which it lies on disk: asking for the documents of one by their ids takes
// three times as long. Documents that are the same in both views are done; only
// the others are looked up, as they are now.
type comparing struct {
	es         *elastic.Client
	live, next string
	seed       maphash.Seed

	pass, passes uint64

	mu    sync.Mutex
	alone [2]map[string]uint64 // sums of documents that one side has shown and the other not yet
	other []string             // that are not the same in both views
	found Comparison
}

// compare takes at most pass documents of both at a time.
func compare(ctx context.Context, es *elastic.Client, live, next string, pass int64) (Comparison, error) {
	c := comparing{es: es, live: live, next: next, seed: maphash.MakeSeed()}
	var err error
	if c.found.Live, err = es.Count(ctx, live, nil); err != nil {
		return c.found, err
	}
	if c.found.New, err = es.Count(ctx, next, nil); err != nil {
		return c.found, err
	}
	c.passes = 1 + uint64((c.found.Live+c.found.New)/pass)
	for ; c.pass < c.passes; c.pass++ {
		if err := c.read(ctx); err != nil {
			return c.found, err
		}
	}
	return c.found, nil
}

// read compares the documents of a pass.
func (c *comparing) read(ctx context.Context) error {
	c.alone = [2]map[string]uint64{{}, {}}
	both, reading := errgroup.WithContext(ctx)
	pages, looking := errgroup.WithContext(ctx)
	pages.SetLimit(comparePages)
	look := func(ids []string) { pages.Go(func() error { return c.lookUp(looking, ids) }) }
	for side, index := range []string{c.live, c.next} {
		both.Go(func() error {
			return c.es.Each(reading, index, nil, compareRead, func(h elastic.Hit) error {
				if page := c.see(side, h); page != nil {
					look(page)
				}
				return looking.Err()
			})
		})
	}
	err := both.Wait()
	if err == nil && len(c.alone[1]) > 0 { // the projectors write to the new one first
		err = pause(ctx, settled)
	}
	if err == nil {
		for _, alone := range c.alone {
			c.other = slices.AppendSeq(c.other, maps.Keys(alone))
		}
		for page := range slices.Chunk(c.other, comparePage) {
			look(page)
		}
		c.other = nil
	}
	if failed := pages.Wait(); failed != nil { // what ended the reading, if it ended early
		err = failed
	}
	return err
}

// see takes a document that a side shows, and gives those to look up when there is a page of them.
func (c *comparing) see(side int, h elastic.Hit) (page []string) {
	if c.passes > 1 && maphash.String(c.seed, h.ID)%c.passes != c.pass {
		return nil
	}
	sum := maphash.Bytes(c.seed, h.Source)
	c.mu.Lock()
	defer c.mu.Unlock()
	there, seen := c.alone[1-side][h.ID]
	switch {
	case !seen:
		c.alone[side][h.ID] = sum
		return nil
	case there == sum:
		c.found.Same++
	default:
		c.other = append(c.other, h.ID)
	}
	delete(c.alone[1-side], h.ID)
	if len(c.other) >= comparePage {
		page, c.other = c.other, nil
	}
	return page
}

// lookUp compares documents as they are now.
func (c *comparing) lookUp(ctx context.Context, ids []string) error {
	live, err := c.es.MGet(ctx, c.live, ids)
	if err != nil {
		return err
	}
	next, err := c.es.MGet(ctx, c.next, ids)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range ids {
		c.found.document(live[i], next[i])
	}
	return nil
}

func (c *Comparison) document(live, next elastic.Doc) {
	here, there := versionOf(live.Source), versionOf(next.Source)
	switch {
	case !live.Found && !next.Found: // erased meanwhile
		return
	case !next.Found:
		c.Missing++
	case !live.Found:
		c.Extra++
	case there > here:
		c.Newer++
		return
	case there < here:
		c.Older++
	case !bytes.Equal(live.Source, next.Source):
		c.Differ++
	default:
		c.Same++
		return
	}
	if len(c.Examples) < maxExamples {
		c.Examples = append(c.Examples, fmt.Sprintf("%s: version %d live, %d new", live.ID, here, there))
	}
}

// versionOf is the version a document has of its event; -1 for one that is not there.
func versionOf(source json.RawMessage) int64 {
	var v struct {
		Version int64 `json:"version"`
	}
	if json.Unmarshal(source, &v) != nil {
		return -1
	}
	return v.Version
}
