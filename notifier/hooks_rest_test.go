package notifier

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/testkit"
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
	testkit.Eventually(t, time.Minute, 10*time.Millisecond, func() error { // the clock stands: nobody's rest ends
		w.n.hooks.poke()
		if len(quick.got()) == 0 {
			return errors.New("the quick one waits")
		}
		return nil
	})
	if before := 1 + len(arrived); before > hookWorkers { // which are at it together, of 32
		t.Fatalf("the quick one waited for %d posts", before)
	}
	began := time.Now()
	for done := 1; done < posts+1; {
		w.clock.Advance(time.Minute) // the rest is over
		w.n.hooks.poke()
		select {
		case <-arrived:
			done++
		case <-time.After(500 * time.Millisecond):
		case <-t.Context().Done():
		}
		if time.Since(began) > 2*time.Minute {
			t.Fatalf("%d of %d posts arrived", done, posts+1)
		}
	}
}
