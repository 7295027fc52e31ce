package reader

import (
	"context"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/turnout-events/turnout/internal/contract"
	"github.com/turnout-events/turnout/internal/document"
	"github.com/turnout-events/turnout/internal/elastic"
	"github.com/turnout-events/turnout/internal/redisconn"
	"github.com/turnout-events/turnout/internal/testkit"
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

// A subscription whose viewers could not be told what they had missed is made
// again, until they are.
func TestViewersHearWhatCouldNotBeReadAtFirst(t *testing.T) {
	t.Parallel()
	ctx, log := t.Context(), slog.New(slog.DiscardHandler)
	at, ns := testkit.Engines(t), testkit.Namespace(t)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	es, err := elastic.Open(ctx, elastic.Config{URL: "http://127.0.0.1:1", Namespace: ns}, log) // nobody is there
	must(err)
	rd, err := redisconn.Open(ctx, redisconn.Config{URL: at.Redis, Namespace: ns, Timeout: 5 * time.Second}, log)
	must(err)
	t.Cleanup(func() { _ = rd.Close(); _ = es.Close(context.WithoutCancel(ctx)) })
	body, err := document.NewAvailability("e", 7, contract.Counters{Going: 3}).Encode()
	must(err)
	must(rd.HSet(ctx, rd.Key(document.KeyAvailability, "e"), document.FieldVersion, 7, document.FieldBody, body).Err())
	must(rd.HSet(ctx, rd.Key(document.KeyEvent, "e"), document.FieldBody, `{"status":"published"}`).Err())
	must(rd.Set(ctx, rd.Key(document.KeySentinel), "test", 0).Err())
	h, err := NewHub(NewStores(es, rd, log), prometheus.NewRegistry(), log)
	must(err)
	viewer := h.Watch("e")
	defer viewer.Close()
	rd.AddHook(&busyAtFirst{})
	running, stop := context.WithCancel(ctx)
	var listening sync.WaitGroup
	listening.Go(func() { h.Run(running) })
	defer listening.Wait()
	defer stop()
	select {
	case <-viewer.Changed:
		if got, _ := viewer.Latest(); got.Version != 7 {
			t.Errorf("the latest is %d", got.Version)
		}
	case <-time.After(time.Minute):
		t.Error("the viewer is told nothing")
	}
}

// busyAtFirst does not answer the first reading of seats.
type busyAtFirst struct{ asked atomic.Bool }

func (b *busyAtFirst) DialHook(next redis.DialHook) redis.DialHook { return next }

func (b *busyAtFirst) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

func (b *busyAtFirst) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, commands []redis.Cmder) error {
		if commands[0].Name() == "hmget" && b.asked.CompareAndSwap(false, true) {
			return context.DeadlineExceeded
		}
		return next(ctx, commands)
	}
}
