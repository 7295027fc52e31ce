package notifier

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
)

// A receiver that lets every post take long holds nobody else's up, and gets
// what is its own all the same.
func TestASlowReceiverHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	owner := newID(t)
	w.hear(w.organization(1, map[string]string{owner: contract.RoleOwner}))
	const posts = 32
	arrived := make(chan struct{}, 10*posts)
	slow := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		late := time.NewTimer(slowPost + 500*time.Millisecond)
		defer late.Stop()
		select {
		case <-late.C:
		case <-r.Context().Done():
		}
		rw.WriteHeader(http.StatusOK)
	}))
	t.Cleanup(slow.Close)
	w.hook(owner, slow.URL)
	for range posts {
		w.hear(w.about(contract.EventEditedV1, nil))
	}
	w.n.hooks.poke()
	<-arrived // its posts are claimed
	quick := newReceiver(t, func(int) int { return http.StatusOK })
	w.hook(owner, quick.URL)
	w.hear(w.about(contract.EventEditedV1, nil))
	began := time.Now()
	for len(quick.got()) == 0 { // the clock stands: nobody's rest ends
		w.n.hooks.poke()
		select {
		case <-time.After(10 * time.Millisecond):
		case <-t.Context().Done():
		}
		if took := time.Since(began); took > 7*time.Second { // eight at once, 32 posts take ten seconds
			t.Fatalf("the quick one waits for %s", took)
		}
	}
	for done := 1; done < posts+1; {
		w.clock.Advance(time.Minute) // the rest is over
		w.n.hooks.poke()
		select {
		case <-arrived:
			done++
		case <-time.After(500 * time.Millisecond):
		case <-t.Context().Done():
		}
		if time.Since(began) > time.Minute {
			t.Fatalf("%d of %d posts arrived", done, posts+1)
		}
	}
}
