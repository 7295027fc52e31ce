package reader

import (
	"log/slog"
	"strconv"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/turnout-events/turnout/internal/document"
)

// A viewer that does not look while the seats change ten thousand times has one
// wake-up waiting and finds the last state; nothing queues for it. Old messages
// that come again change nothing.
func TestASlowViewerIsSkippedForward(t *testing.T) {
	t.Parallel()
	h, err := NewHub(nil, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	slow, other := h.Watch("e"), h.Watch("another")
	const last = 10_000
	for v := int64(1); v <= last; v++ {
		tell(t, h, v)
	}
	for v := int64(1); v <= last; v += 7 {
		tell(t, h, v) // a refill of Redis publishes what was long ago
	}
	if n := len(slow.Changed); n != 1 {
		t.Errorf("%d wake-ups wait", n)
	}
	if got, _ := slow.Latest(); got.Version != last {
		t.Errorf("the latest is %d", got.Version)
	}
	if len(other.Changed) != 0 {
		t.Error("another event's viewer was woken")
	}
	<-slow.Changed
	slow.Close()
	tell(t, h, last+1)
	if len(slow.Changed) != 0 {
		t.Error("woken after it has left")
	}
}

func tell(t *testing.T, h *Hub, version int64) {
	t.Helper()
	body, err := document.Availability{EventID: "e", Version: version}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	h.take(string(body))
}

// What nobody views is forgotten when there is too much of it; who has just
// begun to view is told of changes all the same.
func TestAViewIsNotForgotten(t *testing.T) {
	t.Parallel()
	h, err := NewHub(nil, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	h.most = 1 // every new entry has the others forgotten
	stop := make(chan struct{})
	var others sync.WaitGroup
	for worker := range 4 {
		others.Go(func() {
			for i := worker; ; i += 4 {
				select {
				case <-stop:
					return
				default:
					h.entry(strconv.Itoa(i))
				}
			}
		})
	}
	defer others.Wait()
	defer close(stop)
	for v := int64(1); v <= 30_000; v++ {
		view := h.Watch("e")
		tell(t, h, v)
		if got, _ := view.Latest(); got.Version != v {
			t.Fatalf("view %d was told of version %d", v, got.Version)
		}
		view.Close()
	}
}
