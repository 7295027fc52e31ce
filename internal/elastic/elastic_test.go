package elastic_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/turnout-events/turnout/internal/elastic"
	"github.com/turnout-events/turnout/internal/testkit"
)

var spec = elastic.IndexSpec{
	Mappings: json.RawMessage(`{"dynamic": "strict", "properties": {"name": {"type": "keyword"}, "n": {"type": "integer"}}}`),
	Refresh:  -1, // nothing becomes visible by itself: a test that needs it says Refresh
}

func client(t *testing.T) *elastic.Client {
	t.Helper()
	return open(t, elastic.Config{URL: testkit.Engines(t).Elastic, Namespace: testkit.Namespace(t), Timeout: time.Minute})
}

func open(t *testing.T, cfg elastic.Config) *elastic.Client {
	t.Helper()
	c, err := elastic.Open(t.Context(), cfg, testkit.Logger(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return c
}

func indexed(t *testing.T) *elastic.Client {
	t.Helper()
	c := client(t)
	if err := c.EnsureIndex(t.Context(), "docs", spec); err != nil {
		t.Fatal(err)
	}
	return c
}

type doc struct {
	Name string `json:"name"`
	N    int    `json:"n"`
}

func bulk(t *testing.T, c *elastic.Client, ops ...elastic.Op) []elastic.Result {
	t.Helper()
	results, err := c.Bulk(t.Context(), ops)
	if err != nil {
		t.Fatal(err)
	}
	return results
}

func stored(t *testing.T, c *elastic.Client, id string) (doc, int64) {
	t.Helper()
	got, err := c.Get(t.Context(), "docs", id)
	if err != nil {
		t.Fatal(err)
	}
	var d doc
	if err := json.Unmarshal(got.Source, &d); err != nil {
		t.Fatal(err)
	}
	return d, got.Version
}

func TestNewerVersionWinsInAnyOrder(t *testing.T) {
	t.Parallel()
	c := indexed(t)
	results := bulk(t, c,
		elastic.Op{Index: "docs", ID: "a", Version: 5, Doc: doc{"five", 5}},
		elastic.Op{Index: "docs", ID: "a", Version: 3, Doc: doc{"three", 3}},
		elastic.Op{Index: "docs", ID: "a", Version: 5, Doc: doc{"five again", 5}},
		elastic.Op{Index: "docs", ID: "a", Version: 7, Doc: doc{"seven", 7}},
		elastic.Op{Index: "docs", ID: "a", Version: 6, Doc: doc{"six", 6}})
	want := []elastic.Status{elastic.OK, elastic.Conflict, elastic.OK, elastic.OK, elastic.Conflict}
	for i, r := range results {
		if r.Status != want[i] || !r.Applied() {
			t.Errorf("item %d: %+v", i, r)
		}
	}
	if d, v := stored(t, c, "a"); d.N != 7 || v != 7 {
		t.Errorf("stored %+v at version %d", d, v)
	}
	if rejected, retry := elastic.Sum(results); rejected != nil || retry != nil {
		t.Errorf("a conflict counts as failure: %v, %v", rejected, retry)
	}
}

func TestOneBadDocumentFailsAlone(t *testing.T) {
	t.Parallel()
	c := indexed(t)
	results := bulk(t, c,
		elastic.Op{Index: "docs", ID: "a", Version: 1, Doc: doc{"good", 1}},
		elastic.Op{Index: "docs", ID: "b", Version: 1, Doc: json.RawMessage(`{"n": "not a number"}`)},
		elastic.Op{Index: "docs", ID: "c", Version: 1, Doc: json.RawMessage(`{"unknown": 1}`)},
		elastic.Op{Index: "docs", ID: "d", Version: 1, Doc: make(chan int)},
		elastic.Op{Index: "docs", ID: "e", Version: 1, Doc: json.RawMessage("{\n\"name\": \"two lines\"\n}")})
	rejected, retry := elastic.Sum(results)
	if retry != nil || len(rejected) != 3 || rejected[1] == nil || rejected[2] == nil || rejected[3] == nil {
		t.Fatalf("rejected %v, retry %v", rejected, retry)
	}
	if text := rejected[1].Error(); !strings.Contains(text, "not a number") {
		t.Errorf("the reason does not help: %s", text)
	}
	if d, _ := stored(t, c, "e"); d.Name != "two lines" {
		t.Errorf("stored %+v", d)
	}
}

func TestWriteBeforeTheIndexExistsIsRetriedNotGuessed(t *testing.T) {
	t.Parallel()
	c := client(t)
	op := elastic.Op{Index: "docs", ID: "a", Version: 1, Doc: doc{"x", 1}}
	if _, retry := elastic.Sum(bulk(t, c, op)); !errors.Is(retry, elastic.ErrUnavailable) {
		t.Errorf("got %v", retry)
	}
	if err := c.EnsureIndex(t.Context(), "docs", spec); err != nil {
		t.Fatalf("an index of the alias's name was made: %v", err)
	}
	if r := bulk(t, c, op); r[0].Status != elastic.OK {
		t.Errorf("got %+v", r)
	}
}

func TestLargeBatchIsCutAndComplete(t *testing.T) {
	t.Parallel()
	c := indexed(t)
	ops := make([]elastic.Op, 300)
	for i := range ops {
		ops[i] = elastic.Op{Index: "docs", ID: fmt.Sprint(i), Version: 1,
			Doc: doc{strings.Repeat("x", 30000), i}} // 9 MB: a keyword keeps at most 32766 bytes
	}
	for i, r := range bulk(t, c, ops...) {
		if r.Status != elastic.OK {
			t.Fatalf("item %d: %d %.200s", i, r.HTTP, r.Reason)
		}
	}
	if err := c.Refresh(t.Context(), "docs"); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Count(t.Context(), "docs", nil); err != nil || n != 300 {
		t.Errorf("%d documents, %v", n, err)
	}
	seen := map[string]bool{}
	err := c.Each(t.Context(), "docs", map[string]any{"range": map[string]any{"n": map[string]any{"gte": 50}}}, 40, func(h elastic.Hit) error {
		seen[h.ID] = true
		return nil
	})
	if err != nil || len(seen) != 250 {
		t.Errorf("%d documents seen, %v", len(seen), err)
	}
}

func TestReadsByIDSeeWhatNoSearchSees(t *testing.T) {
	t.Parallel()
	c := indexed(t)
	bulk(t, c, elastic.Op{Index: "docs", ID: "a", Version: 4, Doc: doc{"x", 1}})
	got, err := c.MGet(t.Context(), "docs", []string{"none", "a"})
	if err != nil || len(got) != 2 || got[0].Found || !got[1].Found || got[1].Version != 4 {
		t.Fatalf("%+v, %v", got, err)
	}
	if _, err := c.Get(t.Context(), "docs", "none"); !errors.Is(err, elastic.ErrNotFound) {
		t.Errorf("got %v", err)
	}
	if _, err := c.MGet(t.Context(), "no-such-index", []string{"a"}); err == nil {
		t.Error("a missing index looks like a missing document")
	}
	search := func() elastic.SearchResult {
		t.Helper()
		result, err := c.Search(t.Context(), "docs", map[string]any{"query": map[string]any{"term": map[string]any{"name": "x"}},
			"sort": []any{map[string]any{"n": "asc"}}, "aggs": map[string]any{"names": map[string]any{"terms": map[string]any{"field": "name"}}}})
		if err != nil {
			t.Fatal(err)
		}
		return result
	}
	if r := search(); r.Total != 0 {
		t.Fatalf("visible before a refresh: %+v", r)
	}
	if err := c.Refresh(t.Context(), "docs"); err != nil {
		t.Fatal(err)
	}
	if r := search(); r.Total != 1 || r.Hits[0].ID != "a" || string(r.Hits[0].Sort[0]) != "1" || !strings.Contains(string(r.Aggregations["names"]), `"x"`) {
		t.Errorf("%+v", r)
	}
	if _, err := c.Search(t.Context(), "docs", map[string]any{"quer": 1}); err == nil || errors.Is(err, elastic.ErrUnavailable) {
		t.Errorf("a wrong body: %v", err)
	}
}

func TestEnsureIndexFromManyProcesses(t *testing.T) {
	t.Parallel()
	c := client(t)
	errs := make(chan error, 4)
	for range cap(errs) {
		go func() { errs <- c.EnsureIndex(t.Context(), "docs", spec) }()
	}
	for range cap(errs) {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	more := spec
	more.Mappings = json.RawMessage(`{"properties": {"extra": {"type": "keyword"}}}`)
	more.Refresh = 7 * time.Second
	if err := c.EnsureIndex(t.Context(), "docs", more); err != nil {
		t.Errorf("a field more: %v", err)
	}
	if got := settings(t, c.Alias("docs")); !strings.Contains(got, `"refresh_interval":"7000ms"`) {
		t.Errorf("the index is refreshed as before: %s", got)
	}
	more.Mappings = json.RawMessage(`{"properties": {"n": {"type": "keyword"}}}`)
	if err := c.EnsureIndex(t.Context(), "docs", more); err == nil || !strings.Contains(err.Error(), "rebuild") {
		t.Errorf("a field of another type: %v", err)
	}
}

// Who makes a new index while somebody else does makes another one.
func TestNewIndicesAtOnceAreSeveral(t *testing.T) {
	t.Parallel()
	c := client(t)
	var all errgroup.Group
	names := make([]string, 4)
	for i := range names {
		all.Go(func() (err error) {
			names[i], err = c.NewIndex(t.Context(), "docs", spec)
			return err
		})
	}
	if err := all.Wait(); err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	if distinct := slices.Compact(slices.Clone(names)); len(distinct) != len(names) {
		t.Errorf("made %q", names)
	}
}

// An index that is kept to go back to takes what the live one takes: whoever is erased is erased in both.
func TestAKeptIndexGetsNewFieldsToo(t *testing.T) {
	t.Parallel()
	c := client(t)
	strict := spec
	strict.Mappings = json.RawMessage(`{"dynamic": "strict", "properties": {"n": {"type": "integer"}}}`)
	if err := c.EnsureIndex(t.Context(), "docs", strict); err != nil {
		t.Fatal(err)
	}
	kept, err := c.Behind(t.Context(), "docs")
	if err != nil {
		t.Fatal(err)
	}
	next, err := c.NewIndex(t.Context(), "docs", strict)
	if err != nil {
		t.Fatal(err)
	}
	for alias, index := range map[string]string{"docs-kept": kept[0], "docs": next} {
		if _, err := c.SwapAlias(t.Context(), alias, index); err != nil {
			t.Fatal(err)
		}
	}
	strict.Mappings = json.RawMessage(`{"dynamic": "strict", "properties": {"n": {"type": "integer"}, "more": {"type": "boolean"}}}`)
	if err := c.EnsureIndex(t.Context(), "docs", strict); err != nil {
		t.Fatal(err)
	}
	for _, r := range bulk(t, c, elastic.Op{Index: "docs-kept", ID: "a", Version: 1, Doc: map[string]any{"n": 1, "more": true}}) {
		if r.Status != elastic.OK {
			t.Errorf("%d %s", r.HTTP, r.Reason)
		}
	}
}

func settings(t *testing.T, index string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, testkit.Engines(t).Elastic+"/"+index+"/_settings", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestRebuildBesideAndSwap(t *testing.T) {
	t.Parallel()
	c := indexed(t)
	bulk(t, c, elastic.Op{Index: "docs", ID: "old", Version: 1, Doc: doc{"old", 1}})
	next, err := c.NewIndex(t.Context(), "docs", spec)
	if err != nil || next != c.Alias("docs")+"-000002" {
		t.Fatalf("%s, %v", next, err)
	}
	if r := bulk(t, c, elastic.Op{Index: next, ID: "new", Version: 1, Doc: doc{"new", 2}}); r[0].Status != elastic.OK {
		t.Fatalf("write beside: %+v", r)
	}
	if _, err := c.Get(t.Context(), "docs", "new"); !errors.Is(err, elastic.ErrNotFound) {
		t.Errorf("seen before the swap: %v", err)
	}
	old, err := c.SwapAlias(t.Context(), "docs", next)
	if err != nil || len(old) != 1 || old[0] != c.Alias("docs")+"-000001" {
		t.Fatalf("%v, %v", old, err)
	}
	if d, _ := stored(t, c, "new"); d.Name != "new" {
		t.Errorf("after the swap: %+v", d)
	}
	if r := bulk(t, c, elastic.Op{Index: "docs", ID: "new", Version: 2, Doc: doc{"newer", 2}}); r[0].Status != elastic.OK {
		t.Errorf("write through the alias: %+v", r)
	}
	if err := c.DeleteIndex(t.Context(), old[0]); err != nil {
		t.Error(err)
	}
	if err := c.DeleteIndex(t.Context(), c.Alias("docs")); err == nil {
		t.Error("an alias can be deleted like an index")
	}
	if behind, err := c.Behind(t.Context(), "docs"); err != nil || len(behind) != 1 || behind[0] != next {
		t.Errorf("%v, %v", behind, err)
	}
}

func TestConcurrentRefreshesShareAndSeeEveryWrite(t *testing.T) {
	t.Parallel()
	c := indexed(t)
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			id := fmt.Sprint(i)
			if r, err := c.Bulk(t.Context(), []elastic.Op{{Index: "docs", ID: id, Version: 1, Doc: doc{id, i}}}); err != nil || r[0].Status != elastic.OK {
				t.Errorf("%+v, %v", r, err)
				return
			}
			if err := c.Refresh(t.Context(), "docs"); err != nil {
				t.Error(err)
				return
			}
			n, err := c.Count(t.Context(), "docs", map[string]any{"term": map[string]any{"name": id}})
			if err != nil || n != 1 {
				t.Errorf("own write %s not visible after Refresh: %d, %v", id, n, err)
			}
		})
	}
	wg.Wait()
}

// What was written by an older release stays known as that until it is rebuilt.
func TestAnOlderIndexStaysOlder(t *testing.T) {
	t.Parallel()
	c := indexed(t)
	newer := spec
	newer.Version = 3
	for range 2 { // the first look must not make it look new to the second
		if err := c.EnsureIndex(t.Context(), "docs", newer); err != nil {
			t.Fatal(err)
		}
		if v, err := c.IndexVersion(t.Context(), "docs"); err != nil || v != 0 {
			t.Fatalf("version %d, %v: nothing was rebuilt", v, err)
		}
	}
	fresh, err := c.NewIndex(t.Context(), "docs", newer)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.SwapAlias(t.Context(), "docs", fresh); err != nil {
		t.Fatal(err)
	}
	if v, err := c.IndexVersion(t.Context(), "docs"); err != nil || v != 3 {
		t.Errorf("version %d, %v after the rebuild", v, err)
	}
}

// What is written to be visible is found by a search at once, with all that was written before it; other writes are not.
func TestVisibleWritesAreFound(t *testing.T) {
	t.Parallel()
	c := indexed(t)
	found := func(want int64) {
		t.Helper()
		n, err := c.Count(t.Context(), "docs", nil)
		if err != nil || n != want {
			t.Fatalf("%d documents are found, want %d: %v", n, want, err)
		}
	}
	bulk(t, c, elastic.Op{Index: "docs", ID: "1", Version: 1, Doc: doc{"one", 1}})
	found(0)
	ctx, done := elastic.Visible(t.Context())
	if _, err := c.Bulk(ctx, nil); err != nil || done.Load() {
		t.Fatalf("nothing is made visible: %v", err)
	}
	if _, err := c.Bulk(ctx, []elastic.Op{{Index: "docs", ID: "2", Version: 1, Doc: doc{"two", 2}}}); err != nil || !done.Load() {
		t.Fatalf("it is not said that it is visible: %v", err)
	}
	found(2)
	bulk(t, c, elastic.Op{Index: "docs", ID: "3", Version: 1, Doc: doc{"three", 3}})
	found(2)
}
