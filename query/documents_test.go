package query_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/document"
	"github.com/turnout-events/turnout/internal/elastic"
	"github.com/turnout-events/turnout/internal/testkit"
)

// What a page says is remembered between searches, and asked for again as soon as it has changed.
func TestSearchesRememberDocumentsUntilTheyChange(t *testing.T) {
	t.Parallel()
	r := start(t)
	e := r.event(newID(t), "Lamplight")
	v := r.publish(e, contract.Counters{Going: 1})
	const metric = "turnout_query_documents_total"
	for n := range 20 {
		if n == 10 {
			v = r.answer(contract.RSVPConfirmedV1, contract.RSVP{ID: newID(t), EventID: e.ID, Status: contract.StatusConfirmed, PartySize: 1}, contract.Personal{}, contract.Counters{Going: 2})
		}
		got := string(r.get(fmt.Sprintf("/v1/events?q=lamplight&limit=%d", n+1), atLeast(e.ID, v)...).body)
		if want := fmt.Sprintf(`"going":%d`, 1+n/10); !strings.Contains(got, want) {
			t.Fatalf("search %d: no %s in %s", n, want, got)
		}
	}
	if hit, miss := r.metric(metric, "hit"), r.metric(metric, "miss"); hit < 16 || miss < 2 || miss > 4 {
		t.Errorf("%v from memory, %v asked for: of twenty searches two should have found something new", hit, miss)
	}
}

// between calls what is set, once, before a request for documents by id goes on.
type between struct{ do atomic.Pointer[func()] }

func (b *between) behind(t *testing.T) func(string) string {
	return func(elasticURL string) string {
		proxy := httputil.NewSingleHostReverseProxy(mustURL(t, elasticURL))
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return // the client has left
			}
			r.Body = io.NopCloser(strings.NewReader(string(body)))
			if strings.HasSuffix(r.URL.Path, "/_search") && strings.Contains(string(body), `"ids"`) {
				if do := b.do.Swap(nil); do != nil {
					(*do)()
				}
			}
			proxy.ServeHTTP(w, r)
		}))
		t.Cleanup(server.Close)
		return server.URL
	}
}

// An event that is hidden after a search has found it, and before its document is read, is not shown.
func TestASearchIsOfOneMoment(t *testing.T) {
	t.Parallel()
	b := &between{}
	r := startBehind(t, b.behind(t))
	for round := 0; ; round++ {
		word := "lamplight" + strconv.Itoa(round)
		e, other := r.event(newID(t), word), r.event(newID(t), word+", too")
		r.publish(e, contract.Counters{})
		r.publish(other, contract.Counters{})
		testkit.Eventually(t, time.Minute, 20*time.Millisecond, func() error {
			n, err := r.elastic.Count(t.Context(), document.Listings, map[string]any{"terms": map[string]any{"event_id": []string{e.ID, other.ID}}})
			if err == nil && n != 2 {
				err = errorf("%d are listed", n)
			}
			return err
		})
		hide := func() { // by hand: the search waits meanwhile, for no longer than a request may take
			if err := r.unlist(e); err != nil {
				t.Error(err)
			}
		}
		b.do.Store(&hide)
		answer := r.getOnce("/v1/events?q=" + word)
		if answer.status == http.StatusServiceUnavailable && round < 10 {
			b.do.Store(nil)
			t.Logf("with another pair, for this machine took too long: %s", answer.body)
			continue
		}
		got := ok[found](t, answer)
		if b.do.Load() != nil {
			t.Fatal("nothing was asked for by id")
		}
		if got.Total != 1 || len(got.Items) != 1 || got.Items[0].ID != other.ID {
			t.Errorf("%+v", got)
		}
		return
	}
}

// unlist hides an event in the listing alone, at once.
func (r *readSide) unlist(e contract.Event) error {
	ctx := r.t.Context()
	got, err := r.elastic.Get(ctx, document.Listings, e.ID)
	if err != nil {
		return err
	}
	var doc document.Listing
	if err := json.Unmarshal(got.Source, &doc); err != nil {
		return err
	}
	e.Visibility = contract.VisibilityUnlisted
	body, err := json.Marshal(e)
	if err != nil {
		return err
	}
	doc.SetDetails(doc.Version+1, body)
	if err := doc.Derive(); err != nil {
		return err
	}
	results, err := r.elastic.Bulk(ctx, opOf(document.Listings, e.ID, doc.Version, doc))
	if err == nil {
		_, err = elastic.Sum(results)
	}
	return errors.Join(err, r.elastic.Refresh(ctx, document.Listings))
}
