package reader

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/turnout-events/turnout/internal/elastic"
)

// Only the very revision that was remembered is believed, and memory is bounded.
func TestDocumentsAreKnownByRevision(t *testing.T) {
	t.Parallel()
	d := newDocuments()
	a := elastic.Hit{ID: "a", Revision: elastic.Revision{Index: "one", Seq: 7, Term: 1}}
	raw := json.RawMessage(`{"title":"A"}`)
	d.keep([]elastic.Hit{a}, []Found{{Raw: raw, Version: 3}})
	raw[0] = '!' // part of an answer that is gone
	if found, unknown := d.of([]elastic.Hit{a}); len(unknown) > 0 || string(found[0].Raw) != `{"title":"A"}` || found[0].Version != 3 {
		t.Errorf("%+v, unknown %v", found, unknown)
	}
	for _, other := range []elastic.Revision{{Index: "one", Seq: 8, Term: 1}, {Index: "two", Seq: 7, Term: 1}, {Index: "one", Seq: 7, Term: 2}} {
		if _, unknown := d.of([]elastic.Hit{a, {ID: "a", Revision: other}, {ID: "b", Revision: a.Revision}}); fmt.Sprint(unknown) != "[a b]" {
			t.Errorf("%+v: unknown %v", other, unknown)
		}
	}
	big := json.RawMessage(strings.Repeat("x", 1<<20))
	for i := range 200 {
		h := elastic.Hit{ID: fmt.Sprint(i % 150), Revision: elastic.Revision{Seq: int64(i)}}
		d.keep([]elastic.Hit{h}, []Found{{Raw: big}})
		if _, unknown := d.of([]elastic.Hit{h}); len(unknown) > 0 {
			t.Fatalf("%d is forgotten at once", i)
		}
		sum := 0
		for _, k := range d.byID {
			sum += len(k.Raw) + documentOverhead
		}
		if sum != d.bytes || sum > documentBytes {
			t.Fatalf("%d bytes, counted as %d", sum, d.bytes)
		}
	}
}
