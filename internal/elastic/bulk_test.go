package elastic_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/turnout-events/turnout/internal/elastic"
)

// A batch of more than a request may hold is written whole and in order, also
// beside what cannot be encoded and to several indices; each result is that of
// its own operation.
func TestALargeBatchIsCut(t *testing.T) {
	t.Parallel()
	c := indexed(t)
	if err := c.EnsureIndex(t.Context(), "others", spec); err != nil {
		t.Fatal(err)
	}
	blank := strings.Repeat(" ", 1<<20) // a document's size, but nothing to index
	var ops []elastic.Op
	for i := range 14 {
		op := elastic.Op{Index: "docs", ID: fmt.Sprintf(`%d "<&>" é`, i), Version: 1, Doc: encoded(fmt.Sprintf(`{"n":%d%s}`, i, blank))}
		switch {
		case i == 4 || i == 5 || i == 13:
			op.Doc = make(chan int)
		case i == 9:
			op.Doc = encoded(`{"unknown":1` + blank + `}`)
		case i%3 == 0:
			op.Index = "others"
		}
		ops = append(ops, op)
	}
	ops = append(ops, elastic.Op{Index: "docs", ID: ops[1].ID, Version: 2, Doc: doc{"again", 1}}) // of another request
	rejected, retry := elastic.Sum(bulk(t, c, ops...))
	if retry != nil || len(rejected) != 4 || rejected[4] == nil || rejected[5] == nil || rejected[9] == nil || rejected[13] == nil {
		t.Fatalf("rejected %v, retry %v", rejected, retry)
	}
	for i, op := range ops[:14] {
		got, err := c.Get(t.Context(), op.Index, op.ID)
		if rejected[i] == nil && (err != nil || !strings.Contains(string(got.Source), fmt.Sprintf(`"n":%d`, i))) {
			t.Errorf("%d: %.40s, %v", i, got.Source, err)
		}
	}
	if d, v := stored(t, c, ops[1].ID); v != 2 || d.Name != "again" {
		t.Errorf("stored %+v at version %d", d, v)
	}
}

type encoded string

func (e encoded) AppendLine(b []byte) ([]byte, error) { return append(b, e...), nil }
