package limit

import (
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/turnout-events/turnout/internal/redisconn"
	"github.com/turnout-events/turnout/internal/testkit"
)

// Redis is away for long and strangers try address after address: what is remembered of them is bounded.
func TestNothingPilesUpWhileRedisIsAway(t *testing.T) {
	t.Parallel()
	conn, err := redisconn.Open(t.Context(), redisconn.Config{URL: "redis://127.0.0.1:1/0", Namespace: testkit.Namespace(t)}, testkit.Logger(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	l, err := New(conn, []byte("secret"), prometheus.NewRegistry(), testkit.Logger(t))
	if err != nil {
		t.Fatal(err)
	}
	p := Policy{Name: "test", Rate: Rate{N: 1, Per: time.Minute}}
	now := time.Unix(1_800_000_000, 0)
	for i := range maxWindows + 50 {
		l.Take(p, strconv.Itoa(i), now)
	}
	// What the flood threw out is not kept for Redis.
	if err := l.share(t.Context(), 100); err == nil {
		t.Fatal("there is a Redis")
	}
	if n := len(l.dirty); n > 50 {
		t.Errorf("%d windows wait for Redis, of which 50 are looked at", n)
	}
	l.sweep(now.Add(3 * time.Minute))
	if n := len(l.dirty) + len(l.windows["test"]); n != 0 {
		t.Errorf("%d windows are kept that no longer count", n)
	}
}
