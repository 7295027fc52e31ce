package reader

import (
	"bytes"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/turnout-events/turnout/internal/elastic"
)

const (
	// documentBytes bounds what is remembered: some 50,000 events.
	documentBytes = 64 << 20
	// documentOverhead is about what one takes beside its event.
	documentOverhead = 400
	// documentKept bounds how long a revision is believed. An index that is lost and made anew under the same name counts
	// from the start again, so that the same revision may be another document.
	documentKept = time.Minute
)

// documents remembers what listing documents say, by their revision, so that Elasticsearch only has to find them
// (docs/adr/0013). Safe for concurrent use.
type documents struct {
	mu    sync.RWMutex
	byID  map[string]known
	bytes int

	hit, miss prometheus.Counter
	results   *prometheus.CounterVec
}

type known struct {
	Found

	revision elastic.Revision
	until    time.Time
}

func newDocuments() *documents {
	results := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "turnout_query_documents_total", Help: "Events of search results by where their documents were read: hit (memory), miss (Elasticsearch).",
	}, []string{"result"})
	return &documents{byID: map[string]known{}, results: results, hit: results.WithLabelValues("hit"), miss: results.WithLabelValues("miss")}
}

// of gives what is known of the hits, in their order, and the ids of those of which the revision that was found is not.
func (d *documents) of(hits []elastic.Hit) (found []Found, unknown []string) {
	found = make([]Found, len(hits))
	now := time.Now()
	d.mu.RLock()
	defer d.mu.RUnlock()
	for i, h := range hits {
		if k, ok := d.byID[h.ID]; ok && k.revision == h.Revision && now.Before(k.until) {
			found[i] = k.Found
		} else {
			unknown = append(unknown, h.ID)
		}
	}
	return found, unknown
}

// keep remembers documents as they were found. Their bytes are copied: they are parts of a whole answer.
func (d *documents) keep(hits []elastic.Hit, found []Found) {
	until := time.Now().Add(documentKept)
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, h := range hits {
		k := known{Found: found[i], revision: h.Revision, until: until}
		k.ID, k.Raw = h.ID, bytes.Clone(k.Raw)
		if before, there := d.byID[h.ID]; there {
			d.bytes -= len(before.Raw) + documentOverhead
		}
		if d.bytes += len(k.Raw) + documentOverhead; d.bytes > documentBytes {
			clear(d.byID)
			d.bytes = len(k.Raw) + documentOverhead
		}
		d.byID[h.ID] = k
	}
}
