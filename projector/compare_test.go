package projector_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/turnout-events/turnout/internal/document"
	"github.com/turnout-events/turnout/internal/elastic"
	"github.com/turnout-events/turnout/internal/testkit"
	"github.com/turnout-events/turnout/projector"
)

// A rebuild names what is not the same in the live index, one of each kind.
func TestARebuildNamesWhatDiffers(t *testing.T) {
	t.Parallel()
	l := newLive(t)
	ctx := t.Context()
	builder := &projector.Rebuilder{
		Config: projector.Config{Refresh: time.Minute, MaxBatch: 50},
		Deps:   projector.Deps{Log: testkit.Logger(t), Kafka: l.kafka, Elastic: l.elastic, Redis: l.redis, Keys: l.world},
	}
	must(t, builder.Replay(ctx, document.GuestList, document.GuestList))
	must(t, l.elastic.Refresh(ctx, document.GuestList))
	var ids []string
	var docs []map[string]any
	must(t, l.elastic.Each(ctx, document.GuestList, nil, 7, func(h elastic.Hit) error {
		doc := map[string]any{}
		ids, docs = append(ids, h.ID), append(docs, doc)
		return json.Unmarshal(h.Source, &doc)
	}))
	if len(ids) != len(l.world.rsvps) || len(ids) < 5 {
		t.Fatalf("%d documents of %d", len(ids), len(l.world.rsvps))
	}
	version := func(of map[string]any) int64 { return int64(of["version"].(float64)) }
	docs[0]["party_size"] = 77      // altered in place
	docs[1]["version"] = int64(999) // ahead of the log
	docs[2]["version"] = int64(0)   // behind it
	ops := []elastic.Op{
		{Index: document.GuestList, ID: ids[0], Version: version(docs[0]), Doc: docs[0]},
		{Index: document.GuestList, ID: ids[1], Version: 999, Doc: docs[1]},
		{Index: document.GuestList, ID: ids[2], Version: 999, Doc: docs[2]},
		{Index: document.GuestList, ID: newID(t), Version: 1, Doc: docs[3]}, // of nobody
	}
	results, err := l.elastic.Bulk(ctx, ops)
	must(t, err)
	_, err = elastic.Sum(results)
	must(t, err)
	req, err := http.NewRequestWithContext(ctx, http.MethodDelete, testkit.Engines(t).Elastic+"/"+l.elastic.Alias(document.GuestList)+"/_doc/"+ids[4], nil)
	must(t, err)
	res, err := http.DefaultClient.Do(req)
	must(t, err)
	must(t, res.Body.Close())
	if res.StatusCode != http.StatusOK {
		t.Fatal(res.Status)
	}

	report, err := builder.Rebuild(ctx, document.GuestList)
	must(t, err)
	got, want := report.Compared, projector.Comparison{
		Live: int64(len(ids)), New: int64(len(ids)), Same: int64(len(ids) - 4), Newer: 1, Older: 1, Missing: 1, Extra: 1, Differ: 1,
	}
	if len(got.Examples) != 4 { // what is newer is as it should be
		t.Errorf("examples: %q", got.Examples)
	}
	got.Examples = nil
	if a, b := asJSON(t, got), asJSON(t, want); a != b {
		t.Errorf("compared %s, want %s", a, b)
	}
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	must(t, err)
	return string(b)
}
