package query_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/document"
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
	e := r.event(newID(t), "Lamplight")
	other := r.event(newID(t), "Lamplight, too")
	hide := func() {
		e.Visibility = contract.VisibilityUnlisted
		r.send(contract.TopicRegistrations, r.next(e.ID, contract.EventEditedV1, e.OrganizationID, contract.EventMessage{Event: e}))
		testkit.Eventually(t, 20*time.Second, 20*time.Millisecond, func() error {
			n, err := r.elastic.Count(t.Context(), document.Listings, map[string]any{"bool": map[string]any{"filter": []any{
				map[string]any{"term": map[string]any{"event_id": e.ID}}, map[string]any{"term": map[string]any{"visibility": contract.VisibilityPublic}}}}})
			if err == nil && n != 0 {
				err = errorf("it is not hidden yet")
			}
			return err
		})
	}
	r.publish(e, contract.Counters{})
	r.publish(other, contract.Counters{})
	testkit.Eventually(t, 20*time.Second, 20*time.Millisecond, func() error {
		n, err := r.elastic.Count(t.Context(), document.Listings, map[string]any{"terms": map[string]any{"event_id": []string{e.ID, other.ID}}})
		if err == nil && n != 2 {
			err = errorf("%d are listed", n)
		}
		return err
	})
	b.do.Store(&hide)
	got := ok[found](t, r.getOnce("/v1/events?q=lamplight"))
	if b.do.Load() != nil {
		t.Fatal("nothing was asked for by id")
	}
	if got.Total != 1 || len(got.Items) != 1 || got.Items[0].ID != other.ID {
		t.Errorf("%+v", got)
	}
}
