package projector

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/turnout-events/turnout/internal/elastic"
	"github.com/turnout-events/turnout/internal/testkit"
)

// However many readings a comparison takes, each document is counted once.
func TestAComparisonOfSeveralReadings(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	es, err := elastic.Open(ctx, elastic.Config{URL: testkit.Engines(t).Elastic, Namespace: testkit.Namespace(t), Timeout: time.Minute},
		slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	const n = 700
	for _, index := range []string{"a", "b"} {
		ops := make([]elastic.Op, n)
		for i := range ops {
			at := i
			if index == "b" { // in another order
				at = n - 1 - i
			}
			doc := map[string]int{"version": at}
			if index == "b" && at%100 == 0 {
				doc["version"]++
			}
			ops[i] = elastic.Op{Index: index, ID: fmt.Sprintf("doc-%d", at), Doc: doc}
		}
		if err := es.EnsureIndex(ctx, index, elastic.IndexSpec{}); err != nil {
			t.Fatal(err)
		}
		results, err := es.Bulk(ctx, ops)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := elastic.Sum(results); err != nil {
			t.Fatal(err)
		}
		if err := es.Refresh(ctx, index); err != nil {
			t.Fatal(err)
		}
	}
	for _, pass := range []int64{comparePass, n, 250} {
		c, err := compare(ctx, es, "a", "b", pass)
		if err != nil {
			t.Fatal(err)
		}
		if c.Live != n || c.New != n || c.Same != n-n/100 || c.Newer != n/100 || c.Older+c.Missing+c.Extra+c.Differ != 0 {
			t.Errorf("%d at a time: %+v", pass, c)
		}
	}
}
